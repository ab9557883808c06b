"""The other indexes of a restored table, laid out and filled page by page.

An index b-tree keeps each entry once: the last of each page but the last page's stands on the level
above. In a page the entries lie in their order, one behind the other, up to its end.

What is not known here, SQLite has to build: indexes whose entries are so long that they would go on
on other pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.pages.btree import INDEX_INTERIOR, INDEX_LEAF, Bytes, Ints, most_in_index
from engine.pages.index import rowid_serials, rowid_widths
from engine.pages.records import Field, Rows, Unbuildable, spans

_FEWEST = 4  # entries that a page must have room for
_ROWID = 8  # bytes that are copied for a rowid, whatever it takes
_WORD = 8  # bytes that are written at once
_CHILD = 4  # bytes of a child's number before an entry of an interior page
_SHORT = 256  # bytes: longer entries are made apart, for others would take as much room
_MOST_BYTES = 8 << 20  # of entries that are made at once, each counted as long as the longest


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of an index, as they stand in leaves: where each starts in `data`, and its length.

    There are as many bytes to spare at the end of `data` as the longest takes.
    """

    data: Bytes
    at: Ints
    sizes: Ints

    @property
    def longest(self) -> int:
        """The bytes of the longest entry."""
        return int(self.sizes.max(initial=0))


def make_entries(rows: Rows, fields: Sequence[Field], page_size: int) -> Entries:
    """The entries of all rows in an index over these columns. Raises `Unbuildable`."""
    width = rowid_widths(rows.rowids)
    header = np.full(width.size, 2, np.int64)  # its own length, and the rowid's type
    payload = width.copy()
    for field in fields:
        header += 1 + (field.serial >= 0x80)
        payload += field.length
    payload += header
    if width.size and (int(header.max()) >= 0x80 or int(payload.max()) > most_in_index(page_size)):
        raise Unbuildable
    sizes = payload + 1 + (payload >= 0x80)
    if int(sizes.max(initial=0)) <= _SHORT:
        data, stride = _made(rows, fields, header, payload, width)
        return Entries(data, np.arange(sizes.size, dtype=np.int64) * stride, sizes)
    at = np.empty_like(sizes)
    parts: list[Bytes] = []
    begin = 0
    for these in _alike(sizes):
        some = [Field(*(values[these] for values in field)) for field in fields]
        of = Rows(rows.data, rows.rowids[these], rows.at[these], rows.ends[these])
        data, stride = _made(of, some, header[these], payload[these], width[these])
        at[these] = begin + np.arange(these.size, dtype=np.int64) * stride
        parts.append(data)
        begin += data.size
    spare = np.empty(int(sizes.max()), np.uint8)
    return Entries(np.concatenate([*parts, spare]), at, sizes)


def _alike(sizes: Ints) -> list[Ints]:
    """The places of the entries in parts that can be made at once: the short ones, and others."""
    parts = [np.flatnonzero(sizes <= _SHORT)]
    long = np.flatnonzero(sizes > _SHORT)
    each = max(1, _MOST_BYTES // (2 * int(sizes.max())))
    parts += [long[first : first + each] for first in range(0, long.size, each)]
    return [part for part in parts if part.size]


def _made(
    rows: Rows, fields: Sequence[Field], header: Ints, payload: Ints, width: Ints
) -> tuple[Bytes, int]:
    """The entries of some rows, so many bytes apart.

    Each part is copied in the length of the longest of its kind; what is too much of it is
    overwritten by the part behind it.
    """
    lengths = [int(field.length.max(initial=0)) for field in fields]
    stride = int(payload.max(initial=0)) + 2 + max(_ROWID, *lengths)
    data = np.empty((width.size + 1) * stride, np.uint8)
    at = np.arange(width.size, dtype=np.int64) * stride
    numbers = [payload, header, *(field.serial for field in fields)]
    at = _put_numbers(data, at, [*numbers, rowid_serials(rows.rowids, width)])
    for field, longest in zip(fields, lengths, strict=True):
        if longest:
            spans(data, longest)[at] = spans(rows.data, longest)[field.at]
        at = at + field.length
    shifted = rows.rowids << 8 * (8 - np.maximum(width, 1))
    spans(data, _ROWID)[at] = shifted.astype(">i8").view(f"V{_ROWID}")
    return data, stride


def _put_numbers(flat: Bytes, at: Ints, numbers: Sequence[Ints]) -> Ints:
    """Write numbers below 16,384, or those of longer texts, one behind the other.

    Gives the places behind them. Where all take one byte, eight are written at once.
    """
    if len(numbers) <= _WORD and all(int(each.max(initial=0)) < 0x80 for each in numbers):
        word = np.zeros(at.size, np.int64)
        for each in reversed(numbers):
            word = (word << 8) | each
        spans(flat, _WORD)[at] = word.astype("<i8", copy=False).view(f"V{_WORD}")
        return at + len(numbers)
    for each in numbers:
        at = _put_varints(flat, at, each)
    return at


def _put_varints(flat: Bytes, at: Ints, values: Ints) -> Ints:
    is_long = values >= 0x80
    if not bool(is_long.any()):
        flat[at] = values
        return at + 1
    flat[at] = np.where(is_long, values >> 7 | 0x80, values)
    flat[at + 1] = values & 0x7F
    return at + 1 + is_long


class Level(NamedTuple):
    """One level of an index: which entries it has, in order, and how many stand in each page.

    A page of an interior level has a child before each of its entries, and one behind the last.
    """

    entries: Ints
    counts: Ints


@dataclass(frozen=True, slots=True)
class Layout:
    """Levels of an index that are laid out, before it is known which pages they get."""

    page_size: int
    entries: Entries
    levels: tuple[Level, ...]  # the lowest first, the root's last

    @property
    def pages(self) -> int:
        """How many pages they take."""
        return sum(level.counts.size for level in self.levels)


def room(longest: int, page_size: int, *, interior: bool = False) -> int:
    """Within how many bytes an entry has to end for a page to have it, see `leaf_pages`.

    Whatever begins in a page may end beyond, by as much as the longest entry takes. Raises
    `Unbuildable` where a page would have too few.
    """
    head, lead = (12, _CHILD) if interior else (8, 0)
    each = longest + lead + 2
    found = page_size - head - each
    if found < (_FEWEST - 1) * each:
        raise Unbuildable
    return found


def leaf_pages(size: int, room_of_page: int) -> int:
    """How many leaves entries take that are `size` bytes long, with 2 for each one's pointer."""
    return max(size - 1, 0) // room_of_page + 1


def most_above(leaves: int, longest: int, page_size: int) -> int:
    """How many pages stand above so many leaves, at most. Raises `Unbuildable`."""
    pages, level = 0, leaves
    while level > 1:
        size = (level - 1) * (longest + _CHILD + 2)
        level = leaf_pages(size, room(longest, page_size, interior=True))
        pages += level
    return pages


def pack(
    sizes: Ints, order: Ints, room_of_page: int, lead: int = 0, *, closed: bool = False
) -> tuple[Level, Ints]:
    """Divide entries into pages; gives the level, and the entries that stand above it.

    With `closed` more pages follow, so that an entry stands above the last page, too. Raises
    `Unbuildable` where that leaves none for the page.
    """
    page = (np.cumsum(sizes[order] + lead + 2) - 1) // room_of_page
    last = np.flatnonzero(np.diff(page))  # of each page but the last page
    counts = np.diff(last, prepend=-1, append=order.size - 1)
    if closed:
        if counts[-1] < 2 and last.size:
            last[-1] -= 1
            counts[-2:] += (-1, 1)
        if counts[-1] < 2:
            raise Unbuildable
        last = np.append(last, order.size - 1)
    counts[: last.size] -= 1
    return Level(np.delete(order, last), counts), order[last]


def lay_out(entries: Entries, order: Ints, page_size: int, *, interior: bool = False) -> Layout:
    """Lay entries out from the leaves up, or from the lowest interior level. Raises `Unbuildable`.

    `order` are the places of the entries in their order.
    """
    longest = entries.longest
    levels = []
    while True:
        lead = _CHILD if interior else 0
        level, order = pack(entries.sizes, order, room(longest, page_size, interior=interior), lead)
        levels.append(level)
        if not order.size:
            return Layout(page_size, entries, tuple(levels))
        interior = True


def fill(layout: Layout, numbers: Ints, below: Ints | None = None) -> Bytes:
    """The pages of an index, shape (pages, page size).

    `numbers` are those that the pages get, as many as the layout has: level by level, the root's
    number last. `below` are those of the pages under the lowest level, unless these are leaves.
    """
    size = layout.page_size
    longest = layout.entries.longest
    flat = np.zeros(layout.pages * size + longest, np.uint8)
    below = numbers[:0] if below is None else below
    done = 0
    for level in layout.levels:
        count = level.counts.size
        _fill_level(layout.entries, level, below, flat[done * size :], size)
        below = numbers[done : done + count]
        done += count
    return flat[: layout.pages * size].reshape(-1, size)


def fill_leaves(entries: Entries, level: Level, page_size: int) -> Bytes:
    """The pages of a level of leaves, shape (pages, page size)."""
    size = level.counts.size * page_size
    flat = np.zeros(size + entries.longest, np.uint8)
    _fill_level(entries, level, np.empty(0, np.int64), flat, page_size)
    return flat[:size].reshape(-1, page_size)


def _fill_level(entries: Entries, level: Level, below: Ints, flat: Bytes, page_size: int) -> None:
    """Fill the pages of a level; `below` are the numbers of the pages that it stands on."""
    head, lead = (12, _CHILD) if below.size else (8, 0)
    longest = entries.longest
    counts = level.counts
    pages = flat[: counts.size * page_size].reshape(-1, page_size)
    first = np.cumsum(counts) - counts
    page = np.repeat(np.arange(counts.size, dtype=np.int64), counts)
    used = np.concatenate([[0], np.cumsum(entries.sizes[level.entries] + lead)])
    content = page_size - (used[first + counts] - used[first])
    start = content[page] + used[:-1] - used[first][page]
    at = page * page_size + start
    if level.entries.size:
        # In this order: what is too much of an entry is overwritten by the one behind it.
        found = spans(entries.data, longest)[entries.at[level.entries]]
        spans(flat[: pages.size + longest], longest)[at + lead] = found
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
        spans(pages.reshape(-1), _CHILD)[at] = children[~is_right]
