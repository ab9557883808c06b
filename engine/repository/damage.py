"""Marking what is damaged in packs, so that the next backup stores all of it again."""

from __future__ import annotations

import contextlib

from engine.errors import RepositoryDamaged, StorageFailed, TooNew
from engine.repository.index import IndexBuilder
from engine.repository.keys import SealBroken
from engine.repository.packs import damage_mark, open_frame, read_trailer
from engine.repository.repository import Repository
from engine.repository.storage import AlreadyStored, NotStored


def mark_pack(repository: Repository, pack: str, size: int, *, frames: bool) -> None:
    """Mark a pack of `size` bytes whose table cannot be read; with `frames`, each damaged frame.

    A damaged pack may have the size that it should have, so a look at the names of packs does not
    tell. Where a mark cannot be written, the damage itself is still what has to be told.
    """
    storage, keys = repository.storage, repository.keys
    try:
        trailer = read_trailer(storage, keys, pack, size)
    except TooNew:
        return  # whether it is damaged, a newer Backstay has to say
    except RepositoryDamaged:
        _mark(repository, pack, 0)
        return
    if not frames:
        return
    builder = IndexBuilder()
    builder.add(pack, trailer)
    index = builder.done()
    for number in range(trailer.frame_lengths.size):
        frame = index.frame(number)
        try:
            open_frame(
                storage,
                keys,
                pack,
                number=number,
                offset=frame.offset,
                length=frame.length,
                size=frame.size,
            )
        except (SealBroken, NotStored, StorageFailed):
            _mark(repository, pack, number)


def _mark(repository: Repository, pack: str, frame: int) -> None:
    with contextlib.suppress(AlreadyStored, StorageFailed):
        repository.storage.put(damage_mark(pack, frame), [])
