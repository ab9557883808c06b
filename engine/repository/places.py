"""Names of chunks, sorted, with where each chunk is: in memory, or in a file where there are many.

What is in the file is mapped: a search reads a few pages of it, and the kernel takes their memory
back when somebody else needs it. It is filled without ever having more than a part of the names in
memory, as long as these are spread as hashes are.
"""

from __future__ import annotations

import mmap
import os
import weakref
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.syncing import write_all

MOST_IN_MEMORY = 1 << 16  # rows
PLACE = np.dtype(
    [
        ("high", np.uint64),  # the name's first half, which decides the order
        ("low", np.uint64),
        ("frame", np.uint32),
        ("start", np.uint32),
        ("length", np.uint32),
        ("behind", np.bool_),  # found only where no other has its name
    ],
    align=True,
)

Names = NDArray[np.uint8]  # shape (chunks, 16)
Words = NDArray[np.uint64]
Rows = NDArray[np.void]
Flags = NDArray[np.bool_]


class Places(NamedTuple):
    """Rows of `PLACE`, sorted by name; `high` is the first half of each name once more."""

    high: Words
    rows: Rows

    def find(self, names: Names) -> NDArray[np.int64]:
        """Where names are: -1 for nowhere, and of several that are the same the first."""
        return find(self.high, self.rows["low"], *halves(names))

    def first_copies(self) -> NDArray[np.int64]:
        """For every place, the place at which `find` finds its name."""
        return find(self.high, self.rows["low"], self.high, self.rows["low"])


def halves(names: Names) -> tuple[Words, Words]:
    """Names as two numbers each."""
    words = np.ascontiguousarray(names).view(">u8").reshape(-1, 2)
    return words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64)


def find(all_high: Words, all_low: Words, high: Words, low: Words) -> NDArray[np.int64]:
    """Where names are among all others, which are sorted by their first halves; -1 for nowhere."""
    place = np.searchsorted(all_high, high)
    result = np.full(place.size, -1, np.int64)
    unsure = np.arange(place.size)
    while unsure.size:  # nearly always one turn: names that share 64 bits follow each other
        unsure = unsure[place[unsure] < all_high.size]
        at = place[unsure]
        same_high = all_high[at] == high[unsure]
        same = same_high & (all_low[at] == low[unsure])
        result[unsure[same]] = at[same]
        unsure = unsure[same_high & ~same]
        place[unsure] += 1
    return result


class _Builder:
    """Takes rows, and writes a run of them where there are more than `most` in memory."""

    def __init__(self, kind: np.dtype[Any], folder: Path | None, most: int) -> None:
        self._kind = kind
        self._folder = folder
        self._most = most
        self._room: _Room | None = None
        self._recent: list[Rows] = []
        self._count = 0  # of recent rows
        self._runs: list[tuple[int, int]] = []  # in the file: where, and how many rows

    def add(self, rows: Rows) -> None:
        """Take some rows."""
        self._recent.append(rows)
        self._count += rows.size
        if self._folder is not None and self._count > self._most:
            self._room = self._room or _Room(self._folder)
            self._write_run(self._room)

    def _write_run(self, room: _Room) -> None:
        run = self._recent_rows()
        self._runs.append((room.put(run), run.size))
        self._recent, self._count = [], 0

    def _recent_rows(self) -> Rows:
        return np.concatenate([np.empty(0, self._kind), *self._recent])


class RowsBuilder(_Builder):
    """Takes rows of one kind, which are in a file where there are more than `most`.

    In `folder`, which is private, is room for a file without a name; without a folder all rows are
    in memory. Raises OSError where the file cannot be written.
    """

    def __init__(
        self, kind: np.dtype[Any], folder: Path | None = None, most: int = MOST_IN_MEMORY
    ) -> None:
        super().__init__(kind, folder, most)

    def done(self) -> Rows:
        """All rows, in the order in which they were added."""
        if self._room is None:
            return self._recent_rows()
        self._write_run(self._room)
        total = sum(count for _, count in self._runs)
        return _look(self._room.mapped(), self._kind, total, at=0)


class PlacesBuilder(_Builder):
    """Takes rows of `PLACE` in any order and sorts them; keeps them as `RowsBuilder` does."""

    def __init__(self, folder: Path | None = None, most: int = MOST_IN_MEMORY) -> None:
        super().__init__(PLACE, folder, most)

    def _recent_rows(self) -> Rows:
        return _in_order(super()._recent_rows())

    def done(self) -> Places:
        """All places; of those with the same name the first that was added is first."""
        if self._room is None:
            rows = self._recent_rows()
            return Places(rows["high"].copy(), rows)
        self._write_run(self._room)
        return self._joined(self._room)

    def _joined(self, room: _Room) -> Places:
        """Bring the runs together, a share of all possible names at a time."""
        total = sum(count for _, count in self._runs)
        bits = (2 * total // self._most).bit_length()
        edges = np.arange(1, 1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
        mapped = room.mapped()
        runs = [_look(mapped, PLACE, count, at=offset) for offset, count in self._runs]
        cuts = [[0, *np.searchsorted(run["high"], edges).tolist(), run.size] for run in runs]
        high_at = room.reserve(total * np.dtype(np.uint64).itemsize)
        rows_at = room.reserve(total * PLACE.itemsize)
        done = 0
        for share in range(1 << bits):
            parts = [run[cut[share] : cut[share + 1]] for run, cut in zip(runs, cuts, strict=True)]
            rows = _in_order(np.concatenate(parts))
            high = rows["high"].copy()
            room.write(high, high_at + done * high.itemsize)
            room.write(rows, rows_at + done * rows.itemsize)
            done += rows.size
        mapped = room.mapped()
        high = _look(mapped, np.dtype(np.uint64), total, at=high_at)
        return Places(high, _look(mapped, PLACE, total, at=rows_at))


def _in_order(rows: Rows) -> Rows:
    if rows["behind"].any():
        return rows[np.lexsort((rows["behind"], rows["high"]))]
    return rows[np.argsort(rows["high"], kind="stable")]


class _Room:
    """A file without a name, which ends with its last user."""

    def __init__(self, folder: Path) -> None:
        path = folder / f"places.{os.getpid()}"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, self._file)  # what is mapped has a handle of its own
        path.unlink()
        self._end = 0

    def reserve(self, length: int) -> int:
        """Give `length` bytes of the file: where they are."""
        offset = self._end
        self._end += length
        return offset

    def put(self, rows: NDArray[Any]) -> int:
        """Write rows behind all else; gives where they are."""
        offset = self.reserve(rows.nbytes)
        self.write(rows, offset)
        return offset

    def write(self, rows: NDArray[Any], offset: int) -> None:
        """Write rows to a place."""
        write_all(self._file, rows.view(np.uint8).data, offset)

    def mapped(self) -> mmap.mmap:
        """All that was written, to be read; it keeps the file."""
        return mmap.mmap(self._file, self._end, prot=mmap.PROT_READ)


def _look(mapped: mmap.mmap, kind: np.dtype[Any], count: int, *, at: int) -> NDArray[Any]:
    return np.frombuffer(mapped, kind, count, at)


class SeenNames:
    """A set of names, 16 bytes each, that others are added to, many at a time."""

    def __init__(self, most: int = 1 << 12) -> None:
        self._most = most
        self._recent: set[bytes] = set()
        self._runs: list[tuple[Words, Words]] = []  # each at least twice as long as the next

    def add(self, names: Names) -> Flags:
        """Add names; which of them were not there before, nor earlier among these."""
        high, low = halves(names)
        is_new = np.ones(len(names), np.bool_)
        for run in self._runs:
            is_new &= find(*run, high, low) < 0
        for number in np.flatnonzero(is_new).tolist():
            name = names[number].tobytes()
            is_new[number] = name not in self._recent
            self._recent.add(name)
        if len(self._recent) >= self._most:
            joined = np.frombuffer(b"".join(self._recent), np.uint8)
            self._runs.append(_sorted(*halves(joined.reshape(-1, names.shape[1]))))
            self._recent = set()
            self._join_runs()
        return is_new

    def _join_runs(self) -> None:
        runs = self._runs
        while len(runs) > 1 and runs[-2][0].size < 2 * runs[-1][0].size:
            high, low = (np.concatenate(columns) for columns in zip(*runs[-2:], strict=True))
            runs[-2:] = [_sorted(high, low)]


def _sorted(high: Words, low: Words) -> tuple[Words, Words]:
    order = np.argsort(high, kind="stable")
    return high[order], low[order]
