"""Which chunks a repository holds, and where: built from the trailers of its packs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import RepositoryDamaged
from engine.repository.keys import Keys
from engine.repository.packs import HEAD, NAME_LENGTH, Trailer, object_name, read_trailer
from engine.repository.storage import Storage

Names = NDArray[np.uint8]  # shape (chunks, 16)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its pack, its number in it, where it lies; `size` is the bytes of its chunks."""

    pack: str
    number: int
    offset: int
    length: int
    size: int


class ChunkIndex:
    """All chunks of a repository, sorted by name. Flat memory: about 30 bytes per chunk.

    `unreadable` names the packs whose trailers could not be read; their chunks count as lost. So do
    those in frames that are marked as `damaged`, unless `with_damaged`: then they are found where
    there is no other copy.
    """

    def __init__(
        self,
        packs: list[str],
        trailers: list[Trailer],
        damaged: set[tuple[str, int]],
        unreadable: tuple[str, ...] = (),
        *,
        with_damaged: bool = False,
    ) -> None:
        self.packs = packs
        self.unreadable = unreadable
        frame_pack, frame_number, frame_offset = [], [], []
        lengths, chunks_per_frame = [], []
        for number, trailer in enumerate(trailers):
            frames = trailer.frame_lengths.size
            frame_pack.append(np.full(frames, number, np.uint32))
            frame_number.append(np.arange(frames, dtype=np.uint32))
            ends = np.cumsum(trailer.frame_lengths, dtype=np.int64)
            frame_offset.append(ends - trailer.frame_lengths + len(HEAD))
            lengths.append(trailer.frame_lengths)
            chunks_per_frame.append(trailer.frame_chunks)
        self._frame_pack = _joined(frame_pack, np.uint32)
        self._frame_number = _joined(frame_number, np.uint32)
        self._frame_offset = _joined(frame_offset, np.int64)
        self._frame_length = _joined(lengths, np.uint32)
        per_frame = _joined(chunks_per_frame, np.uint32).astype(np.int64)
        chunk_length = _joined([trailer.chunk_lengths for trailer in trailers], np.uint32)
        names = _joined([trailer.names.reshape(-1) for trailer in trailers], np.uint8)
        words = names.view(">u8").reshape(-1, 2)

        chunk_frame = np.repeat(np.arange(per_frame.size, dtype=np.uint32), per_frame)
        ends = np.cumsum(chunk_length, dtype=np.int64)
        starts = ends - chunk_length
        first = np.cumsum(per_frame) - per_frame
        frame_start = np.append(starts, 0)[np.minimum(first, starts.size)]
        self._frame_size = np.add.reduceat(np.append(chunk_length, 0), first).astype(np.int64)
        self._frame_size[per_frame == 0] = 0
        within = starts - frame_start[chunk_frame] if starts.size else starts

        good = np.arange(chunk_frame.size)
        self._frame_marked = np.zeros(per_frame.size, bool)
        if damaged:
            self._frame_marked[:] = [
                (packs[pack], number) in damaged
                for pack, number in zip(
                    self._frame_pack.tolist(), self._frame_number.tolist(), strict=True
                )
            ]
            marked = self._frame_marked[chunk_frame]
            good = np.flatnonzero(~marked)
            if with_damaged:  # behind the others: what is found first is a good copy
                good = np.append(good, np.flatnonzero(marked))
        order = good[np.argsort(words[good, 0].astype(np.uint64), kind="stable")]
        self._high = words[order, 0].astype(np.uint64)
        self._low = words[order, 1].astype(np.uint64)
        self._frame = chunk_frame[order]
        self._start = within[order].astype(np.uint32)
        self._length = chunk_length[order]

    def find(self, names: Names) -> NDArray[np.int64]:
        """The places of chunks in this index, -1 for those it does not have."""
        words = np.ascontiguousarray(names).view(">u8").reshape(-1, 2)
        return self._find(words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64))

    def _find(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.int64]:
        place = np.searchsorted(self._high, high)
        result = np.full(place.size, -1, np.int64)
        unsure = np.arange(place.size)
        while unsure.size:  # nearly always one turn: names that share 64 bits follow each other
            inside = place[unsure] < self._high.size
            unsure = unsure[inside]
            at = place[unsure]
            same_high = self._high[at] == high[unsure]
            same = same_high & (self._low[at] == low[unsure])
            result[unsure[same]] = at[same]
            unsure = unsure[same_high & ~same]
            place[unsure] += 1
        return result

    @property
    def size(self) -> int:
        """How many places there are; a chunk that is stored several times has several."""
        return self._frame.size

    def first_copies(self) -> NDArray[np.int64]:
        """For every place, the place at which `find` finds its chunk."""
        return self._find(self._high, self._low)

    def as_stored(self) -> NDArray[np.int64]:
        """All places in the order in which the chunks lie in the packs, pack by pack."""
        return np.lexsort((self._start, self._frame))

    def marked(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these places are in frames that are marked as damaged."""
        return self._frame_marked[self._frame[places]]

    def packs_marked(self) -> NDArray[np.bool_]:
        """Which packs have a frame that is marked as damaged."""
        marked = np.zeros(len(self.packs), bool)
        marked[self._frame_pack[self._frame_marked]] = True
        return marked

    def pack_bytes(self) -> NDArray[np.float64]:
        """The bytes of all frames in each pack."""
        sums = np.bincount(self._frame_pack, self._frame_length, len(self.packs))
        return np.asarray(sums, np.float64)

    def stored_bytes(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """What each chunk occupies in the repository: its share of the sealed frame it is in."""
        frames = self._frame[places]
        share = self._frame_length[frames] / np.maximum(self._frame_size[frames], 1)
        return np.asarray(self._length[places] * share, np.float64)

    def packs_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which pack each chunk is in, as a place in `packs`."""
        return self._frame_pack[self._frame[places]].astype(np.int64)

    def locate(self, place: int) -> tuple[int, int, int]:
        """The number of the frame that a chunk is in, and its start and length inside it."""
        return int(self._frame[place]), int(self._start[place]), int(self._length[place])

    def frame(self, number: int) -> Frame:
        """A frame by its number in this index."""
        return Frame(
            pack=self.packs[int(self._frame_pack[number])],
            number=int(self._frame_number[number]),
            offset=int(self._frame_offset[number]),
            length=int(self._frame_length[number]),
            size=int(self._frame_size[number]),
        )


def _joined(parts: Sequence[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *parts]).astype(kind, copy=False)


def load_index(
    storage: Storage,
    keys: Keys,
    sizes: Mapping[str, int] | None = None,
    *,
    with_damaged: bool = False,
) -> ChunkIndex:
    """Read the trailers of all packs, or of those in `sizes`, which gives their bytes.

    Damaged trailers are passed over and named in the index. For `with_damaged`, see `ChunkIndex`.
    """
    packs: list[str] = []
    trailers: list[Trailer] = []
    unreadable: list[str] = []
    for pack, size in sorted((packs_in_place(storage) if sizes is None else sizes).items()):
        try:
            trailers.append(read_trailer(storage, keys, pack, size))
            packs.append(pack)
        except RepositoryDamaged:
            unreadable.append(pack)
    damaged = damaged_frames(storage)
    return ChunkIndex(packs, trailers, damaged, tuple(unreadable), with_damaged=with_damaged)


def packs_in_place(storage: Storage) -> dict[str, int]:
    """The packs that stand in their own place, which copies and stray files do not; their bytes."""
    found = {}
    for name, size in storage.list("packs"):
        pack = name.rpartition("/")[2]
        if name == object_name(pack) and len(pack) == 2 * NAME_LENGTH:
            found[pack] = size
    return found


def damaged_frames(storage: Storage) -> set[tuple[str, int]]:
    """The frames that were found damaged."""
    found = set()
    for name, _ in storage.list("damaged"):
        pack, _, number = name.rpartition("/")[2].rpartition("-")
        if number.isdigit():
            found.add((pack, int(number)))
    return found
