"""The other indexes of a restored table, built page by page from the rows in its leaves.

Rows are sorted as SQLite compares them: NULL before numbers before text, integers by their value,
text by its bytes, equal rows by their rowids. The ranks of the rows in each column are found once;
those of an index's columns and the row's place make one number, and these numbers are sorted.

An index b-tree keeps each entry once: the last of each page but the last page's stands on the level
above. In a page the cells lie in their order, one behind the other, up to its end.

What is not known here, SQLite has to build: indexes over rows that go on on other pages, over real
numbers or blobs, and those whose entries are so long that they would go on on other pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.pages.btree import (
    INDEX_INTERIOR,
    INDEX_LEAF,
    Bytes,
    Ints,
    leaf_records,
    local_payload,
    most_in_index,
    serial_sizes,
    varints,
)
from engine.pages.index import rowid_serials, rowid_widths

MOST_BYTES = 32 << 20  # of all entries of an index, each counted as long as the longest
_FEWEST = 4  # entries that a page must have room for
_ROWID = 8  # bytes that are copied for a rowid, whatever it takes
_CHILD = 4  # bytes of a child's number before a cell of an interior page
_KEPT = np.array([0, *((1 << 64) - (1 << 8 * (8 - n)) for n in range(1, 9))], np.uint64)


Keys = NDArray[np.int64] | NDArray[np.uint64]


class Unbuildable(Exception):
    """SQLite has to build this index."""


class Field(NamedTuple):
    """A column of all rows: where each value stands, how long it is, and its type's number."""

    at: Ints
    length: Ints
    serial: Ints


class Ranks(NamedTuple):
    """The rank of each row in a column, from 0, the same for equal values; how many there are."""

    rank: Ints
    values: int


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of a table, its rows by ascending rowids. `data` has a page to spare at its end."""

    data: Bytes
    rowids: Ints
    fields: dict[int, Field]
    ranks: dict[int, Ranks]


def read_table(pages: Bytes, columns: Iterable[int]) -> Table:
    """Read columns, which are given by their places in a record, from table leaves.

    `pages` has the shape (pages, page size). A row that lacks a column has NULL there. Raises
    `Unbuildable` where a row is not whole in its page, and `NotCanonical` where a page is no leaf.
    """
    page_size = pages.shape[1]
    data = np.concatenate([pages.reshape(-1), np.zeros(page_size, np.uint8)])
    every = np.arange(pages.shape[0], dtype=np.int64)
    payload, rowids, record, counts = leaf_records(data, page_size, every)
    ends = np.repeat((every + 1) * page_size, counts)
    inside = (local_payload(payload, page_size) == payload) & (record + payload <= ends)
    if not bool(inside.all()):
        raise Unbuildable
    order = np.argsort(rowids, kind="stable")
    rowids, record = rowids[order], record[order]
    ends = record + payload[order]
    header, types = varints(data, record)
    body = at = record + header
    wanted = set(columns)
    fields = {}
    for column in range(max(wanted, default=-1) + 1):
        lacking = types >= body  # the row was written before the table had the column
        serial, behind = varints(data, types)
        serial, types = np.where(lacking, 0, serial), np.where(lacking, types, behind)
        length = serial_sizes(serial)
        if bool((at + length > ends).any()):
            raise Unbuildable
        if column in wanted:
            fields[column] = Field(at, length, serial)
        at = at + length
    return Table(data, rowids, fields, {column: _ranks(data, fields[column]) for column in wanted})


def _ranks(data: Bytes, field: Field) -> Ranks:
    """How SQLite orders the values of a column. Raises `Unbuildable` for reals and blobs."""
    serial = field.serial
    is_text = (serial >= 13) & (serial & 1 == 1)
    is_number = ((serial >= 1) & (serial <= 6)) | (serial == 8) | (serial == 9)
    kind = is_number + 2 * is_text.astype(np.int64)
    if bool(((kind == 0) & (serial != 0)).any()):
        raise Unbuildable
    keys: list[Keys] = []
    if not (bool(is_text.all()) or bool(is_number.all())):
        keys.append(kind)
    if bool(is_number.any()):
        keys.append(_numbers(data, field, is_number))
    if bool(is_text.any()):
        keys += _words(data, field, is_text)
    return _dense(keys, serial.size)


def _numbers(data: Bytes, field: Field, is_number: NDArray[np.bool_]) -> Ints:
    """The integers of a column, 0 for what is none."""
    at = np.where(is_number, field.at, 0)
    found = _spans(data, 8)[at].view(">i8").astype(np.int64)
    found >>= 8 * (8 - np.where(field.length > 0, field.length, 8)) * is_number
    constant = field.serial - 8
    return np.where(is_number, np.where(field.length > 0, found, constant), 0)


def _words(data: Bytes, field: Field, is_text: NDArray[np.bool_]) -> list[Keys]:
    """The texts of a column as numbers of eight bytes each, and then their lengths."""
    length = np.where(is_text, field.length, 0)
    words = -(-int(length.max()) // 8)
    if words * 8 * length.size > MOST_BYTES or words * 8 > data.size:
        raise Unbuildable
    at = np.where(is_text, field.at, 0)
    keys: list[Keys] = []
    for word in range(words):
        kept = _KEPT[np.clip(length - 8 * word, 0, 8)]
        where = np.minimum(at + 8 * word, data.size - 8)
        keys.append(_spans(data, 8)[where].view(">u8").astype(np.uint64) & kept)
    return [*keys, length]


def _dense(keys: Sequence[Keys], rows: int) -> Ranks:
    """The rows' ranks by several keys, the first being the most significant."""
    order: Ints | None = None  # None while the rows are in order
    opens = np.zeros(max(rows - 1, 0), np.bool_)  # where a value differs from the one before it
    for key in keys:
        ordered = key if order is None else key[order]
        falls = (ordered[1:] < ordered[:-1]) & ~opens
        if bool(falls.any()):
            group = np.concatenate([[0], np.cumsum(opens)])
            if opens.any():
                inner = np.lexsort((ordered, group))
            else:
                inner = np.argsort(ordered, kind="stable")
            order = inner if order is None else order[inner]
            ordered = ordered[inner]
        opens |= ordered[1:] != ordered[:-1]
    ranks = np.concatenate([np.zeros(min(rows, 1), np.int64), np.cumsum(opens)])
    if order is not None:
        unordered = np.empty_like(ranks)
        unordered[order] = ranks
        ranks = unordered
    return Ranks(ranks, int(opens.sum()) + 1)


class _Level(NamedTuple):
    """One level of an index: which entries it has, in order, and how many stand in each page.

    A page of an interior level has a child before each of its entries, and one behind the last.
    """

    entries: Ints
    counts: Ints


@dataclass(frozen=True, slots=True)
class Layout:
    """An index that is laid out: what it takes, before it is known which pages it gets."""

    page_size: int
    cells: Bytes  # all entries by rowid: (rows, longest and more)
    sizes: Ints
    levels: tuple[_Level, ...]  # leaves first, the root's last

    @property
    def pages(self) -> int:
        """How many pages the index takes."""
        return sum(level.counts.size for level in self.levels)


def lay_out(table: Table, columns: Sequence[int], page_size: int) -> Layout:
    """Lay the index over these columns out. Raises `Unbuildable`."""
    cells, sizes = _cells(table, columns, page_size)
    entries = _order(table, columns)
    longest = int(sizes.max(initial=0))
    levels = []
    head, lead = 8, 0
    while True:
        # Whatever stands in a page ends within `room` of it, and may have begun before.
        each = longest + lead + 2
        room = page_size - head - each
        if room < (_FEWEST - 1) * each:
            raise Unbuildable
        page = (np.cumsum(sizes[entries] + lead + 2) - 1) // room
        last = np.flatnonzero(np.diff(page))  # of each page but the last page
        counts = np.diff(last, prepend=-1, append=entries.size - 1)
        counts[:-1] -= 1
        levels.append(_Level(np.delete(entries, last), counts))
        if not last.size:
            return Layout(page_size, cells, sizes, tuple(levels))
        entries = entries[last]
        head, lead = 12, _CHILD


def _order(table: Table, columns: Sequence[int]) -> Ints:
    """The places of the rows, ordered by these columns."""
    ranks = [table.ranks[column] for column in columns]
    rows = table.rowids.size
    place = max(rows - 1, 0).bit_length()
    widths = [(each.values - 1).bit_length() for each in ranks]
    if sum(widths) + place > 63:
        return np.lexsort([each.rank for each in reversed(ranks)])
    key = np.zeros(rows, np.int64)
    for each, width in zip(ranks, widths, strict=True):
        key = (key << width) | each.rank
    key = (key << place) | np.arange(rows, dtype=np.int64)
    key.sort()
    return key & ((1 << place) - 1)


def _cells(table: Table, columns: Sequence[int], page_size: int) -> tuple[Bytes, Ints]:
    """The cells of the rows: (rows, longest and more), and how many bytes of each count.

    Each part is copied in the length of the longest of its kind; what is too much of it is
    overwritten by the part behind it. Raises `Unbuildable`.
    """
    fields = [table.fields[column] for column in columns]
    width = rowid_widths(table.rowids)
    header = np.full(width.size, 2, np.int64)  # its own length, and the rowid's type
    payload = width.copy()
    for field in fields:
        header += 1 + (field.serial >= 0x80)
        payload += field.length
    payload += header
    if width.size and (int(header.max()) >= 0x80 or int(payload.max()) > most_in_index(page_size)):
        raise Unbuildable
    size = payload + 1 + (payload >= 0x80)
    lengths = [int(field.length.max(initial=0)) for field in fields]
    stride = int(size.max(initial=0)) + max(_ROWID, *lengths)
    if width.size * stride > MOST_BYTES:
        raise Unbuildable
    cells = np.empty(width.size * stride + stride, np.uint8)
    at = np.arange(width.size, dtype=np.int64) * stride
    at = _put_varints(cells, at, payload)
    at = _put_varints(cells, at, header)
    for field in fields:
        at = _put_varints(cells, at, field.serial)
    at = _put_varints(cells, at, rowid_serials(table.rowids, width))
    for field, longest in zip(fields, lengths, strict=True):
        if longest:
            _spans(cells, longest)[at] = _spans(table.data, longest)[field.at]
        at = at + field.length
    shifted = table.rowids << 8 * (8 - np.maximum(width, 1))
    _spans(cells, _ROWID)[at] = shifted.astype(">i8").view(f"V{_ROWID}")
    return cells[: width.size * stride].reshape(-1, stride), size


def _put_varints(flat: Bytes, at: Ints, values: Ints) -> Ints:
    """Write numbers below 16,384; gives the places behind them."""
    is_long = values >= 0x80
    if not bool(is_long.any()):
        flat[at] = values
        return at + 1
    flat[at] = np.where(is_long, values >> 7 | 0x80, values)
    flat[at + 1] = values & 0x7F
    return at + 1 + is_long


def fill(layout: Layout, numbers: Ints) -> Bytes:
    """The pages of an index, shape (pages, page size).

    `numbers` are those that the pages get, as many as the layout has: leaves first, then level by
    level, the root's number last.
    """
    size = layout.page_size
    longest = int(layout.sizes.max(initial=0))
    flat = np.zeros(layout.pages * size + longest, np.uint8)
    pages = flat[: layout.pages * size].reshape(-1, size)
    done = 0
    below = numbers[:0]
    for level in layout.levels:
        own = pages[done : done + level.counts.size]
        _fill_level(layout, level, below, own, _spans(flat[done * size :], longest))
        below = numbers[done : done + level.counts.size]
        done += level.counts.size
    return pages


def _fill_level(
    layout: Layout, level: _Level, below: Ints, pages: Bytes, spans: NDArray[np.void]
) -> None:
    """Fill the pages of a level; `below` are the numbers of the pages that it stands on."""
    head, lead = (12, _CHILD) if below.size else (8, 0)
    counts = level.counts
    first = np.cumsum(counts) - counts
    page = np.repeat(np.arange(counts.size, dtype=np.int64), counts)
    used = np.concatenate([[0], np.cumsum(layout.sizes[level.entries] + lead)])
    content = layout.page_size - (used[first + counts] - used[first])
    start = content[page] + used[:-1] - used[first][page]
    at = page * layout.page_size + start
    longest = spans.dtype.itemsize
    if level.entries.size:
        # In this order: what is too much of a cell is overwritten by the one behind it.
        spans[at + lead] = _spans(layout.cells.reshape(-1), longest)[
            level.entries * layout.cells.shape[1]
        ]
        pages[:, :longest][np.arange(longest) < content[:, None]] = 0
    pages[:, 0] = INDEX_INTERIOR if lead else INDEX_LEAF
    pages[:, 3:5] = counts.astype(">u2").view(np.uint8).reshape(-1, 2)
    pages[:, 5:7] = (content & 0xFFFF).astype(">u2").view(np.uint8).reshape(-1, 2)
    pointers = pages.view(">u2")
    pointers[page, head // 2 + np.arange(page.size) - first[page]] = start
    if lead:
        is_right = np.zeros(below.size, np.bool_)
        is_right[np.cumsum(counts + 1) - 1] = True
        children = below.astype(">u4").view(f"V{_CHILD}")
        pages[:, 8:12] = children[is_right].view(np.uint8).reshape(-1, _CHILD)
        _spans(pages.reshape(-1), _CHILD)[at] = children[~is_right]


def _spans(flat: Bytes, length: int) -> NDArray[np.void]:
    """A view of a buffer in which item n is the bytes from offset n on."""
    return np.ndarray((flat.size - length + 1,), f"V{length}", flat.data, strides=(1,))
