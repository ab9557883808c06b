"""From pages to chunks: hash them, and store those that the repository lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from engine.errors import Failed
from engine.repository.chunks import Condensed, condense, plain
from engine.repository.index import ChunkIndex, load_index
from engine.repository.manifest import LIST_NAMES
from engine.repository.packs import NAME_LENGTH, PackWriter
from engine.repository.places import Names, SeenNames
from engine.repository.repository import Repository
from engine.snapshot.results import Measured

Flags = NDArray[np.bool_]
_LIST_SIZE = LIST_NAMES * NAME_LENGTH


class ChunkStore:
    """Stores chunks through one process's pack writer. Knows what the repository held at the start.

    Chunks that two processes store at the same time are stored twice; both copies are good.
    """

    def __init__(self, repository: Repository, scratch: Path | None = None) -> None:
        """`scratch` is a private folder where a large index is kept; without it, in memory."""
        self.repository = repository
        self._scratch = scratch
        self._index: ChunkIndex | None = None
        self._new = SeenNames()
        self._writer = PackWriter(repository.storage, repository.keys)

    @property
    def index(self) -> ChunkIndex:
        """The repository's chunks, read when they are first needed."""
        if self._index is None:
            self._index = load_index(
                self.repository.storage, self.repository.keys, folder=self._scratch
            )
        return self._index

    def add(self, data: NDArray[np.uint8], chunk: int, *, blank: Flags | None = None) -> Names:
        """Store an image's bytes as chunks for `chunk` bytes, the last perhaps for fewer.

        Gives the names of the chunks. `blank` tells of some blocks (see `engine.repository.chunks`)
        that they are zeros; others may be, too.
        """
        condenses = self.repository.condenses
        made = condense(data, chunk, blank) if condenses else plain(data, chunk)
        names = np.zeros((-(-data.size // chunk), NAME_LENGTH), np.uint8)
        names[made.numbers] = self._stored(made, "data")
        return names

    def add_list(self, names: Names) -> tuple[bytes, ...]:
        """Store the names of an image's chunks as lists; gives the names of the lists."""
        made = plain(np.ascontiguousarray(names).reshape(-1), _LIST_SIZE)
        lists = np.zeros((-(-names.size // _LIST_SIZE), NAME_LENGTH), np.uint8)
        lists[made.numbers] = self._stored(made, "list")
        return tuple(name.tobytes() for name in lists)

    def _stored(self, made: Condensed, kind: str) -> Names:
        """Store the chunks that the repository lacks; the names of all."""
        view, key = made.content.data, self.repository.keys.chunk
        lengths = made.lengths.tolist()
        ends = np.cumsum(made.lengths).tolist()
        digests = [
            blake3(view[end - length : end], key=key).digest(NAME_LENGTH)
            for end, length in zip(ends, lengths, strict=True)
        ]
        names = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, NAME_LENGTH)
        lacking = np.flatnonzero(self.index.find(names) < 0)
        new = lacking[self._new.add(names[lacking])]
        for first, last in _runs(new.tolist()):
            data = view[ends[first] - lengths[first] : ends[last - 1]]
            self._writer.add(digests[first:last], data, lengths[first:last], kind=kind)
        return names

    def finish(self) -> dict[str, int]:
        """Wait until everything is on disk; the packs that were made, with their sizes."""
        return self._writer.finish()


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Runs of consecutive numbers: the first, and the one behind the last."""
    start = 0
    for at in range(1, len(numbers) + 1):
        if at == len(numbers) or numbers[at] != numbers[at - 1] + 1:
            yield numbers[start], numbers[at - 1] + 1
            start = at


def measure(indexes: Sequence[ChunkIndex], images: list[bytes]) -> list[Measured]:
    """Look chunks up: what each image's occupy, and where they are.

    `images` are the names of each image's chunks, joined. What one index lacks is looked up in the
    next.

    Raises `Failed` where a chunk is in none: then the backup must not come to exist.
    """
    names = np.frombuffer(b"".join(images), np.uint8).reshape(-1, NAME_LENGTH)
    image = np.repeat(np.arange(len(images)), [len(each) // NAME_LENGTH for each in images])
    filled = names.any(axis=1)
    names, image = names[filled], image[filled]
    stored = np.zeros(len(images))
    packs: list[set[str]] = [set() for _ in images]
    for index in indexes:
        places = index.find(names)
        there = places >= 0
        # A chunk that an image has several times is there once.
        own, place = _pairs(image[there], places[there])
        stored += np.bincount(own, index.stored_bytes(place), len(images))
        for number, pack in zip(*_pairs(own, index.packs_of(place)), strict=True):
            packs[number].add(index.packs[pack])
        names, image = names[~there], image[~there]
    if names.size:
        raise Failed(
            "The backup was not made: a chunk that was just stored is not in the repository.",
            hint="Earlier backups are safe. Is something else writing to the repository?",
        )
    return [
        Measured(round(size), frozenset(found))
        for size, found in zip(stored.tolist(), packs, strict=True)
    ]


def _pairs(
    first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each pair once, sorted. None is negative, and none above 2^31."""
    both = np.unique(first << 32 | second)
    return both >> 32, both & 0xFFFFFFFF
