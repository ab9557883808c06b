"""Which chunks backups need, and what that makes of each pack.

Chunks are counted in flat vectors over the places of an index: a repository has millions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from engine.repository.chunk_reader import ChunkLost, ChunkReader
from engine.repository.index import ChunkIndex
from engine.repository.manifest import NAME_LENGTH, Manifest
from engine.repository.places import Names
from engine.repository.plan import Sparse
from engine.repository.repository import Repository

_LEAST_LIVE = 0.5  # of a pack's frames; below, it is rewritten


class Needed(NamedTuple):
    """What some backups need.

    `chunks` and `lists` tell, for every place of an index, whether it is needed, and whether as a
    list of names; a chunk that is stored several times is needed where it is found first.
    `missing` counts the chunks that are in no pack, and `unread` are the lists that cannot be read,
    so that nobody knows which chunks they name.
    """

    chunks: NDArray[np.bool_]
    lists: NDArray[np.bool_]
    missing: int
    unread: frozenset[bytes]

    @property
    def lost(self) -> int:
        """How many chunks and lists cannot be found."""
        return self.missing + len(self.unread)


def lists_of(manifest: Manifest) -> bytes:
    """The names of all lists of a backup, joined."""
    images = [manifest.main.image, *(plugin.image for plugin in manifest.plugins)]
    images += [device.image for device in manifest.devices if device.image is not None]
    return b"".join(name for image in images for name in image.lists)


def find_needed(repository: Repository, index: ChunkIndex, lists: bytes) -> Needed:
    """Read lists of names, and look up all that they name. Names of zeros are not stored."""
    found = np.zeros(index.size, bool)
    as_list = np.zeros(index.size, bool)
    names = _different(np.frombuffer(lists, np.uint8).reshape(-1, NAME_LENGTH))
    places = index.find(names)
    missing = [names[places < 0]]
    unread = {name.tobytes() for name in names[places < 0]}
    as_list[places[places >= 0]] = True
    reader = ChunkReader(repository, index)
    for number in np.argsort(places, kind="stable")[np.count_nonzero(places < 0) :].tolist():
        named = _read_list(repository, reader, names[number].tobytes())
        if named is None:
            unread.add(names[number].tobytes())
            continue
        inside = index.find(named)
        found[inside[inside >= 0]] = True
        if (inside < 0).any():
            missing.append(named[inside < 0])
    lost = _different(np.concatenate(missing))
    return Needed(found | as_list, as_list, len(lost), frozenset(unread))


def _read_list(repository: Repository, reader: ChunkReader, name: bytes) -> Names | None:
    """The names in a list, without those of zeros; None where it cannot be read."""
    try:
        joined = reader.read(name)
    except ChunkLost:
        return None
    if blake3(joined, key=repository.keys.chunk).digest(NAME_LENGTH) != name:
        return None
    if len(joined) % NAME_LENGTH:
        return None
    names = np.frombuffer(joined, np.uint8).reshape(-1, NAME_LENGTH)
    return names[names.any(axis=1)]


def _different(names: Names) -> Names:
    """Each name once, without that of zeros."""
    words = names[names.any(axis=1)].copy().view(f"V{NAME_LENGTH}").reshape(-1)
    return np.unique(words).view(np.uint8).reshape(-1, NAME_LENGTH)


def packs_holding(index: ChunkIndex, needed: Needed) -> set[str]:
    """The packs in which what is needed is found."""
    numbers = np.unique(index.packs_of(np.flatnonzero(needed.chunks)))
    return {index.packs[number] for number in numbers.tolist()}


class Fates(NamedTuple):
    """What becomes of packs; those that it does not name stay as they are.

    `damaged` are those that stay because something needed is in a damaged frame of theirs, and
    nowhere else.
    """

    dead: tuple[str, ...]
    sparse: tuple[Sparse, ...]
    damaged: tuple[str, ...]


def fates(
    index: ChunkIndex, needed: Needed, held: Collection[str], sizes: Mapping[str, int]
) -> Fates:
    """What becomes of the packs of an index; `held` stay as they are in any case.

    `sizes` are the bytes of each pack.

    Of a chunk that is stored several times one copy is live: in a frame that is not damaged, and
    where most of the pack is needed, so that the others empty. What stays is the same at the next
    clean-up if nothing happens in between.
    """
    everywhere = np.arange(index.size)
    pack, stored, first = (
        index.packs_of(everywhere),
        index.stored_bytes(everywhere),
        index.first_copies(),
    )
    packs, size = len(index.packs), np.maximum(index.pack_bytes(), 1)
    wanted = np.flatnonzero(needed.chunks[first])
    share = np.bincount(pack[wanted], stored[wanted], packs) / size
    order = np.lexsort((wanted, -share[pack[wanted]], index.marked(wanted), first[wanted]))
    ordered = wanted[order]
    chosen = ordered[np.flatnonzero(np.diff(first[ordered], prepend=-1))]

    damaged = np.zeros(packs, bool)
    damaged[pack[wanted[index.marked(first[wanted])]]] = True
    stays = damaged | np.array([name in held for name in index.packs], bool)
    used = np.bincount(pack[chosen], minlength=packs) > 0
    live = np.bincount(pack[chosen], stored[chosen], packs)
    # While a frame is marked, every backup reads everything: a pack without it ends that.
    sparse = used & ~stays & ((live < _LEAST_LIVE * size) | index.packs_marked())

    layout = index.as_stored()
    ends = np.searchsorted(pack[layout], np.arange(packs + 1))
    moving = np.zeros(index.size, bool)
    moving[chosen] = True
    lists = needed.lists[first]

    def named(which: NDArray[np.bool_]) -> Iterable[int]:
        return np.flatnonzero(which).tolist()

    def bits(flags: NDArray[np.bool_], number: int) -> bytes:
        return np.packbits(flags[layout[ends[number] : ends[number + 1]]]).tobytes()

    return Fates(
        dead=tuple(index.packs[number] for number in named(~used & ~stays)),
        sparse=tuple(
            Sparse(
                index.packs[number],
                sizes[index.packs[number]],
                bits(moving, number),
                bits(lists, number),
                round(live[number]),
            )
            for number in named(sparse)
        ),
        damaged=tuple(index.packs[number] for number in named(damaged)),
    )
