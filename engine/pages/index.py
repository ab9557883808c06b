"""The primary key's index of a restored table, built page by page without a sort.

New ids ascend with the rows, so the index's entries are known in order before any is written. The
entries are spread evenly: every leaf holds as many as every other, give or take one.

An index b-tree keeps each entry once: between two neighbouring pages of a level stands one entry on
the level above. So with L leaves, L - 1 entries stand on interior pages.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.pages.btree import ID_LENGTH, ID_SERIAL, INDEX_INTERIOR, INDEX_LEAF, Bytes, Ints
from engine.pages.ids import Runs, id_digits
from engine.pages.writing import put_heads, put_right_children, to_be32

_RECORD_HEADER = 3  # its own size, the id's type, the rowid's type
BATCH = 256  # pages that are built at once


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the tree: page p holds the slots from edges[p] up to edges[p + 1].

    On the leaf level a slot is an entry, and one more at the very end that is none; the last slot
    of each page is the entry that stands above. On interior levels a slot is a child page.
    """

    pages: int
    slots: int

    def edges(self, first: int, last: int) -> Ints:
        """Where the pages from `first` up to and with `last` begin, in slots."""
        return np.arange(first, last + 1, dtype=np.int64) * self.slots // self.pages


@dataclass(frozen=True, slots=True)
class Tree:
    """The shape of an index over `rows` entries: its levels, leaves first, the root's last."""

    page_size: int
    rows: int
    levels: tuple[Level, ...]

    @property
    def pages(self) -> int:
        """How many pages the index takes."""
        return sum(level.pages for level in self.levels)


def plan_tree(rows: int, largest_rowid: int, page_size: int) -> Tree:
    """Plan the index of a table with `rows` rows, none negative or above `largest_rowid`."""
    entry = 1 + _RECORD_HEADER + ID_LENGTH + rowid_widths(np.array([largest_rowid]))[0]
    in_leaf = (page_size - 8) // int(entry + 2)
    in_interior = (page_size - 12) // int(entry + 4 + 2)
    levels = [Level(max(1, -(-(rows + 1) // (in_leaf + 1))), rows + 1)]
    while levels[-1].pages > 1:
        below = levels[-1].pages
        levels.append(Level(-(-below // (in_interior + 1)), below))
    return Tree(page_size, rows, tuple(levels))


def build_index(
    tree: Tree, runs: Runs, prefix: bytes, numbers: Ints
) -> Iterator[tuple[Ints, Bytes]]:
    """Build the pages of an index, some at a time: page numbers, and an array (pages, page size).

    `runs` are the table's rowids, ascending. `numbers` are the page numbers to use, as many as the
    tree has pages: leaves first, then level by level, the root's number last.
    """
    ends = np.cumsum(runs.length)
    first_of_level = np.cumsum([0, *(level.pages for level in tree.levels)])
    for depth, level in enumerate(tree.levels):
        own = numbers[first_of_level[depth] : first_of_level[depth + 1]]
        for first in range(0, level.pages, BATCH):
            last = min(first + BATCH, level.pages)
            edges = level.edges(first, last)
            if depth == 0:
                children = None
                ordinals = np.arange(edges[0], edges[-1] - 1, dtype=np.int64)
                above = edges[1:-1] - 1 - edges[0]
                entries = np.delete(ordinals, above)
            else:
                below = numbers[first_of_level[depth - 1] : first_of_level[depth]]
                children = below[edges[0] : edges[-1]]
                entries = _entries_above(tree, depth, edges)
            rowids = _rowids(runs, ends, entries)
            pages = _fill(tree.page_size, rowids, np.diff(edges) - 1, prefix, children)
            yield own[first:last], pages


def _entries_above(tree: Tree, depth: int, edges: Ints) -> Ints:
    """Which entries stand between the children in each page, leaving out those between pages."""
    slots = np.arange(edges[0] + 1, edges[-1], dtype=np.int64)
    slots = np.delete(slots, edges[1:-1] - 1 - edges[0])
    for level in reversed(tree.levels[:depth]):
        slots = slots * level.slots // level.pages
    return slots - 1


def _rowids(runs: Runs, ends: Ints, ordinals: Ints) -> Ints:
    """The rowids of the rows that stand at `ordinals`, counting from 0."""
    run = np.searchsorted(ends, ordinals, side="right")
    return runs.start[run] + (ordinals - (ends[run] - runs.length[run]))


def _fill(
    page_size: int, rowids: Ints, counts: Ints, prefix: bytes, children: Ints | None
) -> Bytes:
    """Fill index pages, `counts[p]` entries in page p, interior ones where there are children."""
    pages = np.zeros((counts.size, page_size), np.uint8)
    flat = pages.reshape(-1)
    kind, lead = (INDEX_LEAF, 0) if children is None else (INDEX_INTERIOR, 4)
    width = rowid_widths(rowids)
    used = np.concatenate([[0], np.cumsum(lead + 1 + _RECORD_HEADER + ID_LENGTH + width)])

    every = np.arange(counts.size, dtype=np.int64)
    first = np.cumsum(counts) - counts
    content = page_size - (used[first + counts] - used[first])  # where a page's last entry begins
    # Entries lie in a page from its end on, so the first one's last byte is the page's.
    start = np.repeat((every + 1) * page_size + used[first], counts) - used[1:]
    put_heads(pages, kind, counts, content, start)
    left = None if children is None else put_right_children(pages, counts, children)
    digits = id_digits(rowids)
    edges = [0, *(np.flatnonzero(np.diff(width)) + 1).tolist(), width.size]
    for begin, end in itertools.pairwise(edges):  # entries of one width: rowids ascend
        if begin == end:
            continue
        these, each = slice(begin, end), int(width[begin])
        head_of_entry = [_RECORD_HEADER + ID_LENGTH + each, _RECORD_HEADER, ID_SERIAL, 0, *prefix]
        cells = np.empty((end - begin, lead + 1 + _RECORD_HEADER + ID_LENGTH + each), np.uint8)
        if left is not None:
            cells[:, :4] = to_be32(left[these])
        cells[:, lead : lead + len(head_of_entry)] = head_of_entry
        cells[:, lead + 3] = rowid_serials(rowids[these], width[these])
        behind = lead + 4 + ID_LENGTH
        cells[:, behind - digits.shape[1] : behind] = digits[these]
        octets = rowids[these].astype(">i8").view(np.uint8).reshape(-1, 8)
        cells[:, behind:] = octets[:, 8 - each :]
        spans = np.ndarray(
            (flat.size - cells.shape[1] + 1,), f"V{cells.shape[1]}", flat.data, strides=(1,)
        )
        spans[start[these]] = cells.view(spans.dtype).reshape(-1)
    return pages


def rowid_widths(rowids: Ints) -> Ints:
    """How many bytes a rowid takes in a record."""
    width = np.zeros(rowids.shape, np.int64)
    for bound, bytes_above in ((1, 1), (0x7F, 2), (0x7FFF, 3), (0x7FFFFF, 4), (0x7FFFFFFF, 6)):
        width[rowids > bound] = bytes_above
    return width


def rowid_serials(rowids: Ints, width: Ints) -> Ints:
    """The types of rowids that take `width` bytes each: 0 and 1 have types of their own."""
    types = np.array([8, 1, 2, 3, 4, 0, 5], np.int64)
    return np.where(width == 0, rowids, 0) + types[width]
