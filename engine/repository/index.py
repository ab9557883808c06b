"""Which chunks a repository holds, and where: built from the trailers of its packs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import RepositoryDamaged
from engine.repository.keys import Keys
from engine.repository.packs import HEAD, NAME_LENGTH, Trailer, object_name, read_trailer
from engine.repository.places import (
    MOST_IN_MEMORY,
    PLACE,
    Names,
    Places,
    PlacesBuilder,
    RowsBuilder,
    halves,
)
from engine.repository.storage import Storage


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its pack, its number in it, where it lies; `size` is the bytes of its chunks."""

    pack: str
    number: int
    offset: int
    length: int
    size: int


# What a frame is, in the order of packs: its pack, its number there, where it lies sealed, the
# bytes of its chunks, and whether it is marked as damaged.
_FRAME = np.dtype(
    [
        ("offset", np.int64),
        ("size", np.int64),
        ("length", np.uint32),
        ("pack", np.uint32),
        ("number", np.uint32),
        ("marked", np.bool_),
    ],
    align=True,
)


class ChunkIndex:
    """All chunks of a repository, sorted by name: 40 bytes for each; see `IndexBuilder`.

    `unreadable` names the packs whose trailers could not be read; their chunks count as lost.
    """

    def __init__(
        self,
        packs: list[str],
        frames: NDArray[np.void],
        places: Places,
        unreadable: tuple[str, ...] = (),
    ) -> None:
        self.packs = packs
        self.unreadable = unreadable
        self._frames = frames
        self._places = places

    def find(self, names: Names) -> NDArray[np.int64]:
        """The places of chunks in this index, -1 for those it does not have."""
        return self._places.find(names)

    @property
    def size(self) -> int:
        """How many places there are; a chunk that is stored several times has several."""
        return self._places.high.size

    def first_copies(self) -> NDArray[np.int64]:
        """For every place, the place at which `find` finds its chunk."""
        return self._places.first_copies()

    def as_stored(self) -> NDArray[np.int64]:
        """All places in the order in which the chunks lie in the packs, pack by pack."""
        return np.lexsort((self._places.rows["start"], self._places.rows["frame"]))

    def marked(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these places are in frames that are marked as damaged."""
        marked = self._frames["marked"][self._places.rows["frame"][places]]
        return np.asarray(marked, np.bool_)

    def packs_marked(self) -> NDArray[np.bool_]:
        """Which packs have a frame that is marked as damaged."""
        marked = np.zeros(len(self.packs), bool)
        marked[self._frames["pack"][self._frames["marked"]]] = True
        return marked

    def pack_bytes(self) -> NDArray[np.float64]:
        """The bytes of all frames in each pack."""
        sums = np.bincount(self._frames["pack"], self._frames["length"], len(self.packs))
        return np.asarray(sums, np.float64)

    def stored_bytes(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """What each chunk occupies in the repository: its share of the sealed frame it is in."""
        frames = self._frames[self._places.rows["frame"][places]]
        share = frames["length"] / np.maximum(frames["size"], 1)
        return np.asarray(self._places.rows["length"][places] * share, np.float64)

    def packs_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which pack each chunk is in, as a place in `packs`."""
        packs = self._frames["pack"][self._places.rows["frame"][places]]
        return np.asarray(packs, np.int64)

    def locate(self, place: int) -> tuple[int, int, int]:
        """The number of the frame that a chunk is in, and its start and length inside it."""
        row = self._places.rows[place]
        return int(row["frame"]), int(row["start"]), int(row["length"])

    def frame(self, number: int) -> Frame:
        """A frame by its number in this index."""
        frame = self._frames[number]
        return Frame(
            pack=self.packs[int(frame["pack"])],
            number=int(frame["number"]),
            offset=int(frame["offset"]),
            length=int(frame["length"]),
            size=int(frame["size"]),
        )


class IndexBuilder:
    """Makes an index of the trailers of packs, one after the other.

    Chunks in frames that are marked as `damaged` count as lost, unless `with_damaged`: then they
    are found where there is no other copy. `folder` is where an index of more than `most` chunks
    is kept; see `RowsBuilder`.
    """

    def __init__(
        self,
        damaged: Collection[tuple[str, int]] = (),
        *,
        with_damaged: bool = False,
        folder: Path | None = None,
        most: int = MOST_IN_MEMORY,
    ) -> None:
        self._damaged = damaged
        self._with_damaged = with_damaged
        self._packs: list[str] = []
        self._frames = RowsBuilder(_FRAME, folder, most)
        self._frame_count = 0
        self._places = PlacesBuilder(folder, most)

    def add(self, pack: str, trailer: Trailer) -> None:
        """Take what a pack holds."""
        frames = np.zeros(trailer.frame_lengths.size, _FRAME)
        frames["pack"] = len(self._packs)
        frames["number"] = np.arange(frames.size)
        frames["length"] = trailer.frame_lengths
        ends = np.cumsum(trailer.frame_lengths, dtype=np.int64)
        frames["offset"] = ends - trailer.frame_lengths + len(HEAD)
        if self._damaged:
            frames["marked"] = [(pack, number) in self._damaged for number in range(frames.size)]

        per_frame = trailer.frame_chunks.astype(np.int64)
        first = np.cumsum(per_frame) - per_frame
        lengths = np.append(trailer.chunk_lengths, np.uint32(0))
        starts = np.cumsum(lengths, dtype=np.int64) - lengths
        frames["size"] = np.add.reduceat(lengths, first, dtype=np.int64)
        frames["size"][per_frame == 0] = 0

        own = np.repeat(np.arange(frames.size), per_frame)
        within = starts[:-1] - starts[first][own]
        marked = frames["marked"][own]
        these = slice(None) if self._with_damaged or not marked.any() else np.flatnonzero(~marked)
        places = np.zeros(own[these].size, PLACE)
        places["high"], places["low"] = halves(trailer.names[these])
        places["frame"] = own[these] + self._frame_count
        places["start"] = within[these].astype(np.uint32)
        places["length"] = trailer.chunk_lengths[these]
        places["behind"] = marked[these]
        self._places.add(places)
        self._frames.add(frames)
        self._frame_count += frames.size
        self._packs.append(pack)

    def done(self, unreadable: tuple[str, ...] = ()) -> ChunkIndex:
        """The index of all packs that were added."""
        return ChunkIndex(self._packs, self._frames.done(), self._places.done(), unreadable)


def load_index(
    storage: Storage,
    keys: Keys,
    sizes: Mapping[str, int] | None = None,
    *,
    with_damaged: bool = False,
    folder: Path | None = None,
) -> ChunkIndex:
    """Read the trailers of all packs, or of those in `sizes`, which gives their bytes.

    Damaged trailers are passed over and named in the index. For `with_damaged` and `folder`, see
    `IndexBuilder`.
    """
    builder = IndexBuilder(damaged_frames(storage), with_damaged=with_damaged, folder=folder)
    unreadable: list[str] = []
    for pack, size in sorted((packs_in_place(storage) if sizes is None else sizes).items()):
        try:
            trailer = read_trailer(storage, keys, pack, size)
        except RepositoryDamaged:
            unreadable.append(pack)
        else:
            builder.add(pack, trailer)
    return builder.done(tuple(unreadable))


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
