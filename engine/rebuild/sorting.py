"""Tasks that build the other indexes of a table that is too large to be sorted in memory.

Each index is divided into parts by a few rows of the table, its *splitters*: part n of an index has
the entries from splitter n on, up to the next. `sample` chooses them. `divide` makes the entries of
some of the table's leaves and puts them in order, those of one part together, at the end of a file
of runs beside the database, one for each index and process. `collect` then brings the runs of one
part together, puts them in order, and fills leaves of the index; `above_of` gives what stands
above them. So every part of every index is work for any child, and none needs more memory than a
part or some leaves take, however large the table is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.pages.btree import Bytes, Ints, PageNumbers
from engine.pages.entries import Entries, EntryMaker
from engine.pages.order import Sorter
from engine.pages.records import (
    Others,
    Rows,
    Unbuildable,
    entry_fields,
    join_rows,
    read_fields,
    read_rows,
    spans,
)
from engine.pages.secondary import fill_leaves, pack, room
from engine.rebuild.databases import named, spool_of
from engine.rebuild.pages import PagesInFile, read_into
from engine.rebuild.results import Columns, Divided, Limits, Rebuild
from engine.spool import Spooled, take
from engine.syncing import write_all

_LEAVES_PER_PART = 16  # that are looked at for splitters
_ROWS_PER_PART = 128  # of these leaves
_LEAVES_AT_ONCE = 256  # of them that are in memory
_FEWEST = 4  # of these rows to a part, so that none is empty
_SPARE = 16  # bytes behind entries that are read back: a number is read as eight bytes

Counts = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Splitters:
    """Rows that divide indexes, by ascending rowids, and for each index which of them divide it."""

    rows: Rows
    of: tuple[NDArray[np.bool_], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """The entries of one index from some leaves, in order, as they stand in a file of runs.

    The file has the length of each as two bytes from `at` on, and then the entries. `rows` and
    `bytes` are how many of both come before each part, and how many there are. `longest` is the
    bytes of the longest entry.
    """

    file: str
    at: int
    rows: Counts
    bytes: Counts
    longest: int


@dataclass(frozen=True, slots=True)
class Pieces:
    """What the runs of an index have for one part: places and lengths in the files of runs.

    `file` are places in `files`; the others are the bytes before the entries' lengths, how many
    entries there are, the bytes before the entries, and their bytes.
    """

    files: tuple[str, ...]
    file: Ints
    sizes_at: Ints
    rows: Ints
    at: Ints
    bytes: Ints


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an index that is to be filled: its pages, and how; see `collect`."""

    pieces: Pieces
    columns: int
    longest: int
    numbers: Ints
    closed: bool


class Above(NamedTuple):
    """Entries that stand above leaves: their lengths, two bytes each, and the entries."""

    lengths: bytes
    entries: bytes


class Runs:
    """All runs of one index, in the order of the rows."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.longest = max((run.longest for run in runs), default=0)
        self._rows = np.stack([run.rows for run in runs])
        self._bytes = np.stack([run.bytes for run in runs])
        self._at = np.array([run.at for run in runs], np.int64)
        self.files = tuple(sorted({run.file for run in runs}))
        self._file = np.array([self.files.index(run.file) for run in runs], np.int64)

    def rows(self) -> Ints:
        """How many entries each part has."""
        found: Ints = np.diff(self._rows.sum(axis=0, dtype=np.int64))
        return found

    def bytes(self) -> Ints:
        """How many bytes the entries of each part take."""
        found: Ints = np.diff(self._bytes.sum(axis=0, dtype=np.int64))
        return found

    def pieces(self, part: int) -> Pieces:
        """What there is for a part."""
        begin, end = (self._rows[:, each].astype(np.int64) for each in (part, part + 1))
        these = np.flatnonzero(begin < end)
        begin, rows = begin[these], (end - begin)[these]
        at, after = (self._bytes[these, each].astype(np.int64) for each in (part, part + 1))
        lengths = self._at[these]
        entries = lengths + 2 * self._rows[these, -1].astype(np.int64)
        return Pieces(
            self.files, self._file[these], lengths + 2 * begin, rows, entries + at, after - at
        )


def sample(
    pages: PagesInFile, leaves: PageNumbers, rows: int, of: Sequence[Columns], limits: Limits
) -> Splitters:
    """Choose rows of a table that divide indexes over these columns into parts of about one size.

    Raises `Unbuildable` where its rows are too long.
    """
    header = pages.header()
    parts = rows // limits.rows + 1
    looked_at = np.linspace(0, leaves.size - 1, min(leaves.size, _LEAVES_PER_PART * parts))
    found = _short_rows(pages, leaves[looked_at.astype(np.int64)], _ROWS_PER_PART * parts)
    fields = read_fields(found, {column for columns in of for column in columns})
    maker, sorter = EntryMaker(found, fields, header.page_size), Sorter(found.data, fields)
    chosen = []
    for columns in of:
        try:
            entries, order = maker.entries(columns), sorter.order(columns)
        except Unbuildable:  # `divide` will come upon that, too
            chosen.append(np.empty(0, np.int64))
            continue
        total = rows * float(entries.sizes.mean()) if order.size else 0
        wanted = max(rows // limits.rows, int(total) // limits.bytes) + 1
        parts = max(1, min(wanted, order.size // _FEWEST))
        chosen.append(order[np.arange(1, parts) * order.size // parts])
    places = np.unique(np.concatenate(chosen))
    return Splitters(found.pick(places), tuple(np.isin(places, each) for each in chosen))


def _short_rows(pages: PagesInFile, leaves: PageNumbers, count: int) -> Rows:
    """About `count` rows of some leaves, evenly, of those that are no longer than a page."""
    header = pages.header()
    others = Others(pages.read, header.page_count)
    picked = []
    for first in range(0, leaves.size, _LEAVES_AT_ONCE):
        some = leaves[first : first + _LEAVES_AT_ONCE].astype(np.int64)
        found, _ = read_rows(pages.read(some), others)
        short = np.flatnonzero(found.ends - found.at <= header.page_size)
        wanted = -(-count * some.size // leaves.size)
        picked.append(found.pick(short[:: max(1, short.size // wanted)]))
    return join_rows(picked, header.page_size)


def divide(
    job: Rebuild, of: Sequence[Columns], leaves: Spooled[Ints], splitters: Spooled[Splitters]
) -> Divided | None:
    """A task: write the runs of some leaves; None where their rows are too long."""
    by = take(splitters)
    size = job.image.page_size
    pages = PagesInFile(Path(job.path), size)
    try:
        with named(job):
            others = Others(pages.read, pages.header().page_count)
            rows, is_splitter = read_rows(pages.read(take(leaves)), others, by.rows)
            fields = read_fields(rows, {column for columns in of for column in columns})
    except Unbuildable:
        return None
    maker, sorter = EntryMaker(rows, fields, size), Sorter(rows.data, fields)
    places = np.flatnonzero(is_splitter)
    spool = spool_of(job)
    runs: list[Spooled[Run] | None] = []
    for number, columns in enumerate(of):
        try:
            entries, order = maker.entries(columns), sorter.order(columns)
        except Unbuildable:
            runs.append(None)
            continue
        begins = np.zeros(is_splitter.size, np.bool_)
        begins[places[by.of[number]]] = True
        is_row = ~is_splitter[order]
        before = np.cumsum(is_row, dtype=np.int64)[np.flatnonzero(begins[order])]
        run = _write_run(f"{job.path}.{number}", entries, order[is_row], before)
        runs.append(spool.put(run))
    own = rows.rowids[~is_splitter]
    first, last = (int(own[0]), int(own[-1])) if own.size else (0, -1)
    return Divided(tuple(runs), first, last)


def _write_run(name: str, entries: Entries, order: Ints, before: Ints) -> Run:
    """Add entries, in order, to this process's file of runs; `before` each part come so many."""
    sizes, packed = _joined(entries, order)
    rows = np.concatenate([[0], before, [order.size]])
    file = f"{name}.{os.getpid()}"
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        at = os.fstat(handle).st_size
        short = sizes.astype(np.uint16)
        write_all(handle, short.view(np.uint8).data, at)
        write_all(handle, packed.data, at + short.nbytes)
    finally:
        os.close(handle)
    used = np.concatenate([[0], np.cumsum(sizes)])[rows]
    longest = int(sizes.max(initial=0))
    return Run(file, at, rows.astype(np.int32), used.astype(np.int32), longest)


def _joined(entries: Entries, which: Ints) -> tuple[Ints, Bytes]:
    """Some entries, one behind the other: their lengths and their bytes."""
    sizes = entries.sizes[which]
    ends = np.cumsum(sizes)
    total, longest = int(sizes.sum()), int(sizes.max(initial=0))
    joined = np.empty(total + longest, np.uint8)
    if longest:  # what is too much of one is overwritten by the one behind it
        spans(joined, longest)[ends - sizes] = spans(entries.data, longest)[entries.at[which]]
    return sizes, joined[:total]


def collect(job: Rebuild, spooled: Spooled[Part]) -> Spooled[Above]:
    """A task: fill the leaves of a part; gives the entries that stand above them.

    Where the part is closed one stands above each of its leaves, else above each but the last.
    """
    part = take(spooled)
    size = job.image.page_size
    sizes, data = _read_pieces(part.pieces, part.longest)
    at = np.cumsum(sizes) - sizes
    fields = entry_fields(data, at, part.columns)
    order = Sorter(data, dict(enumerate(fields))).order(range(part.columns))
    level, above = pack(sizes, order, room(part.longest, size), closed=part.closed)
    entries = Entries(data, at, sizes)
    PagesInFile(Path(job.path), size).write(part.numbers, fill_leaves(entries, level, size))
    return spool_of(job).put(picked(entries, above))


def _read_pieces(pieces: Pieces, longest: int) -> tuple[Ints, Bytes]:
    """The lengths and the entries of some pieces, one piece behind the other."""
    total = int(pieces.bytes.sum())
    short = np.empty(int(pieces.rows.sum()), np.uint16)
    data = np.empty(total + longest + _SPARE, np.uint8)
    data[total:] = 0
    lengths, entries = short.view(np.uint8).data, data.data
    with contextlib.ExitStack() as opened:
        files = [os.open(file, os.O_RDONLY | os.O_CLOEXEC) for file in pieces.files]
        for file in files:
            opened.callback(os.close, file)
        row = at = 0
        for file, sizes_at, rows, begin, length in zip(
            pieces.file.tolist(),
            pieces.sizes_at.tolist(),
            pieces.rows.tolist(),
            pieces.at.tolist(),
            pieces.bytes.tolist(),
            strict=True,
        ):
            read_into(files[file], lengths[2 * row : 2 * (row + rows)], sizes_at)
            read_into(files[file], entries[at : at + length], begin)
            row += rows
            at += length
    return short.astype(np.int64), data


def picked(entries: Entries, which: Ints) -> Above:
    """Some of the entries, to stand above others."""
    sizes, joined = _joined(entries, which)
    return Above(sizes.astype(np.uint16).tobytes(), joined.tobytes())


def above_of(parts: Sequence[Above]) -> Entries:
    """The entries that stand above the leaves of some parts, in their order."""
    lengths = b"".join(each.lengths for each in parts)
    sizes = np.frombuffer(lengths, np.uint16).astype(np.int64)
    spare = b"\0" * int(sizes.max(initial=0))
    data = np.frombuffer(b"".join([*(each.entries for each in parts), spare]), np.uint8)
    return Entries(data, np.cumsum(sizes) - sizes, sizes)
