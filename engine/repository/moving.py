"""Moving live chunks out of packs that hold little else into new ones."""

from __future__ import annotations

import contextlib

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from engine.errors import RepositoryDamaged, StorageFailed
from engine.repository.keys import SealBroken
from engine.repository.packs import (
    HEAD,
    NAME_LENGTH,
    PackWriter,
    damage_mark,
    open_frame,
    read_trailer,
)
from engine.repository.plan import Sparse
from engine.repository.repository import Repository
from engine.repository.storage import AlreadyStored, NotStored


class Mover:
    """Moves chunks through one process's pack writer."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._writer = PackWriter(repository.storage, repository.keys)

    def move(self, sparse: Sparse) -> bool:
        """Copy what is live in a pack; nothing counts as copied before `finish`.

        Gives False where some of it is damaged: then the pack has to stay, and the frame is marked.
        """
        storage, keys = self._repository.storage, self._repository.keys
        try:
            trailer = read_trailer(storage, keys, sparse.pack, sparse.size)
        except RepositoryDamaged:
            return False
        count = len(trailer.names)
        moving = _flags(sparse.moving, count)
        lists = _flags(sparse.lists, count)
        offset, first = len(HEAD), 0
        table = zip(trailer.frame_lengths.tolist(), trailer.frame_chunks.tolist(), strict=True)
        for number, (length, chunks) in enumerate(table):
            inside = slice(first, first + chunks)
            if moving[inside].any():
                lengths = trailer.chunk_lengths[inside].tolist()
                try:
                    data = open_frame(
                        storage,
                        keys,
                        sparse.pack,
                        number=number,
                        offset=offset,
                        length=length,
                        size=sum(lengths),
                    )
                except NotStored:
                    return False
                except SealBroken:
                    with contextlib.suppress(AlreadyStored, StorageFailed):
                        storage.put(damage_mark(sparse.pack, number), [])
                    return False
                names = [name.tobytes() for name in trailer.names[inside]]
                flags = moving[inside].tolist(), lists[inside].tolist()
                if not self._add(data, lengths, names, *flags):
                    return False
            offset, first = offset + length, first + chunks
        return True

    def _add(
        self,
        data: bytes,
        lengths: list[int],
        names: list[bytes],
        moving: list[bool],
        lists: list[bool],
    ) -> bool:
        """Copy the chunks of one frame; False where one is not what its name says."""
        at, key = 0, self._repository.keys.chunk
        for name, length, moves, is_list in zip(names, lengths, moving, lists, strict=True):
            chunk = memoryview(data)[at : at + length]
            at += length
            if not moves:
                continue
            if blake3(chunk, key=key).digest(NAME_LENGTH) != name:
                return False
            self._writer.add([name], chunk, [length], kind="list" if is_list else "data")
        return True

    def finish(self) -> None:
        """Wait until all copies are on disk. Raises `StorageFailed`."""
        self._writer.finish()

    def close(self) -> None:
        """Give up what is not on disk, and write no more."""
        self._writer.close()


def _flags(bits: bytes, count: int) -> NDArray[np.bool_]:
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=count).astype(bool)
