"""From pages to chunks: hash them, and store those that the repository lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from engine.errors import Failed
from engine.repository.index import ChunkIndex, Names, load_index
from engine.repository.manifest import LIST_NAMES
from engine.repository.packs import NAME_LENGTH, PackWriter
from engine.repository.repository import Repository
from engine.snapshot.results import Measured

_LIST_SIZE = LIST_NAMES * NAME_LENGTH


class ChunkStore:
    """Stores chunks through one process's pack writer. Knows what the repository held at the start.

    Chunks that two processes store at the same time are stored twice; both copies are good.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._index: ChunkIndex | None = None
        self._new: set[bytes] = set()
        self._writer = PackWriter(repository.storage, repository.keys)

    @property
    def index(self) -> ChunkIndex:
        """The repository's chunks, read when they are first needed."""
        if self._index is None:
            self._index = load_index(self.repository.storage, self.repository.keys)
        return self._index

    def add(
        self,
        data: NDArray[np.uint8],
        chunk: int,
        *,
        kind: str = "data",
        blank: NDArray[np.bool_] | None = None,
    ) -> Names:
        """Store bytes as chunks of `chunk` bytes, the last perhaps shorter; gives their names.

        `blank` says which chunks are known to be zeros; the others may be, too.
        """
        count = -(-data.size // chunk)
        filled = np.flatnonzero(_filled(data, chunk, count, blank))
        view, key = data.data, self.repository.keys.chunk
        digests = [
            blake3(view[number * chunk : (number + 1) * chunk], key=key).digest(NAME_LENGTH)
            for number in filled.tolist()
        ]
        own = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, NAME_LENGTH)
        names = np.zeros((count, NAME_LENGTH), np.uint8)
        names[filled] = own
        new, added = [], []
        for at in np.flatnonzero(self.index.find(own) < 0).tolist():
            if digests[at] not in self._new:
                self._new.add(digests[at])
                new.append(int(filled[at]))
                added.append(digests[at])
        done = 0
        for first, last in _runs(new):
            run = added[done : done + last - first]
            self._writer.add(run, view[first * chunk : last * chunk], chunk, kind=kind)
            done += len(run)
        return names

    def add_list(self, names: Names) -> tuple[bytes, ...]:
        """Store the names of an image's chunks as lists; gives the names of the lists."""
        raw = np.ascontiguousarray(names).reshape(-1)
        return tuple(
            self.add(raw[at : at + _LIST_SIZE], _LIST_SIZE, kind="list").tobytes()
            for at in range(0, raw.size, _LIST_SIZE)
        )

    def finish(self) -> dict[str, int]:
        """Wait until everything is on disk; the packs that were made, with their sizes."""
        return self._writer.finish()


def _filled(
    data: NDArray[np.uint8], chunk: int, count: int, blank: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Which chunks are not all zeros. Most tell by their first word, and need no second look."""
    whole = data.size // chunk
    words = data[: whole * chunk].view(np.uint64).reshape(whole, chunk // 8)
    filled = np.ones(count, bool)
    filled[:whole] = words[:, 0] != 0
    unsure = ~filled
    if blank is not None:
        unsure &= ~blank
    for number in np.flatnonzero(unsure).tolist():
        filled[number] = words[number].any()
    if whole < count:
        filled[whole] = data[whole * chunk :].any()
    return filled


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
