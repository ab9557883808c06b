"""The other indexes of a restored table, laid out and filled page by page.

An index b-tree keeps each entry once: the last of each page but the last page's stands on the level
above. In a page the entries lie in their order, one behind the other, up to its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.pages.btree import INDEX_INTERIOR, INDEX_LEAF, Bytes, Ints
from engine.pages.entries import Entries
from engine.pages.records import Unbuildable, spans
from engine.pages.writing import put_heads, put_right_children, to_be32

_FEWEST = 4  # entries that a page must have room for
_CHILD = 4  # bytes of a child's number before an entry of an interior page


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


def most_above(leaves: int, longest: int, page_size: int, *, groups: int = 1) -> int:
    """How many pages stand above so many leaves, at most. Raises `Unbuildable`.

    `groups` is how many parts the lowest of these levels is packed in, each by itself.
    """
    pages, level, more = 0, leaves, groups - 1
    while level > 1:
        size = (level - 1) * (longest + _CHILD + 2)
        level = leaf_pages(size, room(longest, page_size, interior=True)) + more
        pages, more = pages + level, 0
    return pages


def pack_interior(entries: Entries, page_size: int, *, closed: bool) -> tuple[Layout, Ints]:
    """Lay out one interior level of entries that are in their order; see `pack`."""
    room_of_page = room(entries.longest, page_size, interior=True)
    order = np.arange(entries.sizes.size)
    level, above = pack(entries.sizes, order, room_of_page, _CHILD, closed=closed)
    return Layout(page_size, entries, (level,)), above


def pack(
    sizes: Ints, order: Ints, room_of_page: int, lead: int = 0, *, closed: bool = False
) -> tuple[Level, Ints]:
    """Divide entries into pages; gives the level, and the entries that stand above it.

    With `closed` more pages follow, so that an entry stands above the last page, too. Raises
    `Unbuildable` where that leaves none for the page.
    """
    ends = np.cumsum(sizes[order] + lead + 2)
    pages = leaf_pages(int(ends[-1]) if ends.size else 0, room_of_page)
    full = np.arange(1, pages, dtype=np.int64) * room_of_page
    last = np.searchsorted(ends, full, side="right") - 1  # of each page but the last page
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
    kind, lead = (INDEX_INTERIOR, _CHILD) if below.size else (INDEX_LEAF, 0)
    longest = entries.longest
    counts = level.counts
    pages = flat[: counts.size * page_size].reshape(-1, page_size)
    every = np.arange(counts.size, dtype=np.int64)
    first = np.cumsum(counts) - counts
    used = np.concatenate([[0], np.cumsum(entries.sizes[level.entries] + lead)])
    content = page_size - (used[first + counts] - used[first])
    at = used[:-1] + np.repeat(every * page_size + content - used[first], counts)
    if level.entries.size:
        # In this order: what is too much of an entry is overwritten by the one behind it.
        found = spans(entries.data, longest)[entries.at[level.entries]]
        spans(flat[: pages.size + longest], longest)[at + lead] = found
        pages[:, :longest][np.arange(longest) < content[:, None]] = 0
    put_heads(pages, kind, counts, content, at)
    if lead:
        left = to_be32(put_right_children(pages, counts, below))
        spans(pages.reshape(-1), _CHILD)[at] = left.view(f"V{_CHILD}").reshape(-1)
