"""Canonical images: a file without what need not be kept.

In the image of a device's database the pages of the indexes that are left out, and the free pages,
are zero and stand in the list of free pages; the roots of those indexes are empty; and every row's
id is zeros, for a restore gives new ones. (What SQLite left of deleted or moved rows in the unused
space of a leaf stays as it is.) The image is a sound SQLite database that lacks those entries of
indexes: anyone who has it can open it and read every row. Once the ids differ again, REINDEX makes
it whole; until then the primary key cannot be rebuilt, for it must be unique.

What becomes of a page depends on that page and on its kind in the plan, and on nothing else. So a
page whose bytes and kind did not change needs no second look, whatever happened around it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import numpy as np

from engine.model import LeaveOut
from engine.pages.btree import (
    ID_LENGTH,
    PADDING,
    TABLE_LEAF,
    Bytes,
    Ints,
    ReadPages,
    Tree,
    index_overflow,
    leaf_cells,
    walk,
)
from engine.pages.freelist import read_freelist, write_freelist
from engine.pages.header import FREELIST_FIELDS, Header, NotCanonical
from engine.pages.shape import Shape, check_header

KEPT, LEAF, EMPTY = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of each page. `kinds[0]` is the kind of the page with the number `first`.

    `written` holds whole pages that the image has in place of the file's: the first page, empty
    roots, and the list of free pages. `id_column` is None where the file is kept as it is.
    """

    page_size: int
    page_count: int
    kinds: Bytes
    written: dict[int, bytes]
    id_column: int | None
    first: int = 1

    def kinds_of(self, first: int, count: int) -> Bytes:
        """The kinds of `count` pages from page number `first` on."""
        start = first - self.first
        return self.kinds[start : start + count]

    def cut(self, first: int, count: int) -> Plan:
        """The part of this plan that concerns `count` pages from page number `first` on."""
        written = {n: page for n, page in self.written.items() if first <= n < first + count}
        kinds = self.kinds_of(first, count)
        return replace(self, kinds=kinds, written=written, first=first)


def keep_as_is(header: Header, table: Tree | None) -> Plan:
    """The plan of a file that is kept as it is; rows are counted where the table is known."""
    kinds = np.zeros(header.page_count, np.uint8)
    if table is not None:
        kinds[table.leaves - 1] = LEAF
    return Plan(header.page_size, header.page_count, kinds, {}, None)


def plan_image(
    read: ReadPages, header: Header, shape: Shape, leave_out: LeaveOut, first_page: bytes
) -> Plan:
    """Plan the canonical image of a file at one committed moment.

    `read` gives pages of that moment and `first_page` is page 1 of it. Reads interior pages only,
    unless indexes with long entries are left out. Raises `NotCanonical` where the file has to be
    kept as it is.
    """
    check_header(header)
    count = header.page_count
    table = walk(read, shape.table_root, count, index=False)
    left_out = shape.left_out(leave_out)
    trees = [walk(read, index.root, count, index=True) for index in left_out]
    free = read_freelist(read, header)

    kinds = np.zeros(count, np.uint8)
    kinds[free - 1] = EMPTY
    for tree in trees:
        kinds[tree.interior - 1] = EMPTY
        kinds[tree.leaves - 1] = EMPTY
    if leave_out is LeaveOut.ALL and _has_more_pages(header, table, trees, free):
        for index, tree in zip(left_out, trees, strict=True):
            if index != shape.primary_key:
                kinds[_overflow_pages(read, header, tree) - 1] = EMPTY
    if bool(kinds[table.interior - 1].any()) or bool(kinds[table.leaves - 1].any()):
        raise NotCanonical("a page belongs to two b-trees")
    roots = np.array([index.root for index in left_out], dtype=np.int64)
    kinds[roots - 1] = KEPT
    if header.lock_page <= count:
        kinds[header.lock_page - 1] = KEPT
    empty = np.flatnonzero(kinds == EMPTY) + 1
    kinds[table.leaves - 1] = LEAF
    if header.lock_page <= count:
        kinds[header.lock_page - 1] = EMPTY

    first_trunk, written = write_freelist(empty, header.page_size)
    for root in roots.tolist():
        written[root] = empty_index_root(header.page_size)
    page = bytearray(first_page)
    page[FREELIST_FIELDS] = struct.pack(">II", first_trunk, empty.size)
    written[1] = bytes(page)
    return Plan(header.page_size, count, kinds, written, shape.id_column)


def empty_index_root(page_size: int) -> bytes:
    """An index leaf with no entries."""
    return struct.pack(">BHHHB", 0x0A, 0, 0, page_size & 0xFFFF, 0).ljust(page_size, b"\0")


def _has_more_pages(header: Header, table: Tree, trees: list[Tree], free: Ints) -> bool:
    known = 1 + table.interior.size + table.leaves.size + free.size
    known += sum(tree.interior.size + tree.leaves.size for tree in trees)
    return known + (header.lock_page <= header.page_count) != header.page_count


def _overflow_pages(read: ReadPages, header: Header, tree: Tree) -> Ints:
    """All overflow pages of an index."""
    found: list[Ints] = [np.empty(0, np.int64)]
    for pages, leaf in ((tree.interior, False), (tree.leaves, True)):
        for start in range(0, pages.size, 1024):
            batch = read(pages[start : start + 1024])
            flat = np.concatenate([batch.reshape(-1), np.zeros(PADDING, np.uint8)])
            every = np.arange(batch.shape[0], dtype=np.int64)
            found.append(index_overflow(flat, header.page_size, every, leaf=leaf))
    level, total = np.concatenate(found), 0
    found = [level]
    while level.size:
        total += level.size
        if int(level.min()) < 2 or int(level.max()) > header.page_count:
            raise NotCanonical("an overflow page is not there")
        if total > header.page_count:
            raise NotCanonical("a chain of overflow pages runs in a circle")
        following = read(level)[:, :4].copy().view(">u4").reshape(-1).astype(np.int64)
        level = following[following != 0]
        found.append(level)
    return np.concatenate(found)


def apply(plan: Plan, first: int, flat: Bytes) -> Ints:
    """Turn raw pages into those of the image, in place; gives the pages that only look like leaves.

    These are numbers of pages that are kept and start like leaves of the table, but are none.

    `flat` holds whole pages from page number `first` on, and `PADDING` bytes behind them. Raises
    `NotCanonical` where a page is not what the plan of a canonical image says; where a file is kept
    as it is, nothing is turned and nothing is raised.
    """
    size = plan.page_size
    count = (flat.size - PADDING) // size
    kinds = plan.kinds_of(first, count)
    pages = flat[: count * size].reshape(count, size)
    if plan.id_column is None:
        return np.empty(0, np.int64)
    looks = pages[:, 0] == TABLE_LEAF
    leaves = np.flatnonzero(kinds == LEAF)
    cells = leaf_cells(flat, size, leaves, plan.id_column)
    if cells.rowids.size and (int(cells.rowids.min()) < 0 or int(cells.rowids.max()) >= 1 << 40):
        raise NotCanonical("a rowid is out of the range that new ids are made for")
    texts = ids_of(flat)
    texts[cells.id_at] = np.zeros(1, texts.dtype)[0]
    pages[kinds == EMPTY] = 0
    for number, page in plan.written.items():
        if first <= number < first + count:
            pages[number - first] = np.frombuffer(page, np.uint8)
    return np.flatnonzero(looks & (kinds == KEPT)) + first


def ids_of(flat: Bytes) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """A view of a buffer in which item n is the 24 bytes from offset n on."""
    return np.ndarray(
        shape=(flat.size - ID_LENGTH + 1,), dtype=f"V{ID_LENGTH}", buffer=flat.data, strides=(1,)
    )
