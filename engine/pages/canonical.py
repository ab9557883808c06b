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

import contextlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from engine.model import LeaveOut
from engine.pages.accounting import (
    CHAIN,
    EMPTY,
    INDEX,
    KEPT,
    LEAF,
    MOST_INDEXES,
    NO_FACTS,
    Facts,
    IndexDamaged,
    Numbers,
    facts_of,
    other_pages,
)
from engine.pages.btree import (
    ID_LENGTH,
    INDEX_INTERIOR,
    INDEX_LEAF,
    PADDING,
    TABLE_LEAF,
    Bytes,
    Ints,
    PageNumbers,
    ReadPages,
    Tree,
    be32,
    index_chains,
    leaf_cells,
    table_chains,
    walk,
    walk_all,
)
from engine.pages.freelist import read_freelist, write_freelist
from engine.pages.header import FREELIST_FIELDS, Header, NotCanonical
from engine.pages.shape import Index, Shape, check_header

_FEW_PAGES = 1 << 14


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of each page. `kinds[0]` is the kind of the page with the number `first`.

    `written` holds whole pages that the image has in place of the file's: the first page, empty
    roots, and the list of free pages. `id_column` is None where the file is kept as it is.

    `leaves` are those of the table in key order (of a part of a plan: none), or None where it is
    not known what all pages are; `chained` says that there are pages that no b-tree names.
    """

    page_size: int
    page_count: int
    kinds: Bytes
    written: dict[int, bytes]
    id_column: int | None
    leaves: Numbers | None = None
    chained: bool = False
    first: int = 1

    def kinds_of(self, first: int, count: int) -> Bytes:
        """The kinds of `count` pages from page number `first` on."""
        start = first - self.first
        return self.kinds[start : start + count]

    def cut(self, first: int, count: int) -> Plan:
        """The part of this plan that concerns `count` pages from page number `first` on."""
        written = {n: page for n, page in self.written.items() if first <= n < first + count}
        kinds = self.kinds_of(first, count)
        leaves = None if self.leaves is None else self.leaves[:0]
        return replace(self, kinds=kinds, written=written, leaves=leaves, first=first)


def keep_as_is(header: Header, table: Tree | None) -> Plan:
    """The plan of a file that is kept as it is; rows are counted where the table is known."""
    kinds = np.zeros(header.page_count, np.uint8)
    if table is not None:
        kinds[table.leaves - 1] = LEAF
    return Plan(header.page_size, header.page_count, kinds, {}, None)


def check_covered(header: Header, shape: Shape) -> None:
    """Raise `NotCanonical` for files of which it cannot be known what every page is."""
    check_header(header)
    if len(shape.left_out(LeaveOut.ALL)) > MOST_INDEXES:
        raise NotCanonical("it has too many indexes")


def plan_as_is(read: ReadPages, header: Header, shape: Shape) -> Plan:
    """`keep_as_is` for a file of which it can be known what every page is.

    Raises `NotCanonical` where it cannot, and `IndexDamaged`.
    """
    check_covered(header, shape)
    table = walk(read, shape.table_root, header.page_count, index=False)
    kinds = _kinds(read, header, shape, table, ())
    kinds[kinds == EMPTY] = KEPT
    kinds[table.leaves - 1] = LEAF
    return _planned(header, kinds, {}, None, table)


def plan_image(
    read: ReadPages, header: Header, shape: Shape, leave_out: LeaveOut, first_page: bytes
) -> Plan:
    """Plan the canonical image of a file at one committed moment.

    `read` gives pages of that moment and `first_page` is page 1 of it. Reads interior pages only,
    unless indexes with long entries are left out. Raises `NotCanonical` where the file has to be
    kept as it is, and `IndexDamaged` where only its table can be.
    """
    check_covered(header, shape)
    table = walk(read, shape.table_root, header.page_count, index=False)
    left_out = shape.left_out(leave_out)
    kinds = _kinds(read, header, shape, table, left_out)
    if leave_out is LeaveOut.ALL and bool((kinds == CHAIN).any()):
        for index in left_out:
            if index != shape.primary_key:
                with _of_an_index():
                    tree = walk(read, index.root, header.page_count, index=True)
                    pages = _overflow_pages(read, header, tree)
                if bool((kinds[pages - 1] != CHAIN).any()):
                    raise IndexDamaged("an overflow page of an index is something else")
                kinds[pages - 1] = EMPTY
    return _image(header, shape, left_out, kinds, table, first_page)


def plan_table(read: ReadPages, header: Header, shape: Shape, first_page: bytes) -> Plan:
    """Plan an image in which nothing is kept but the table; all indexes are left out.

    This is for files whose indexes are damaged, and does not look at them; it reads the leaves of
    the table. Raises `NotCanonical` where the table is damaged, too, or the file has to be kept as
    it is.
    """
    check_covered(header, shape)
    table = walk(read, shape.table_root, header.page_count, index=False)
    others = other_pages(read, header, shape)
    chains = _overflow_pages(read, header, table, TABLE_LEAF)
    kinds = np.full(header.page_count, EMPTY, np.uint8)
    kinds[others - 1] = KEPT
    kinds[table.interior - 1] = KEPT
    kinds[table.leaves - 1] = LEAF
    kinds[chains - 1] = CHAIN
    left_out = shape.left_out(LeaveOut.ALL)
    roots = _roots(left_out)
    used = np.concatenate([others, table.interior, table.leaves, chains, roots])
    if np.unique(used).size != used.size or int(used.max()) > header.page_count:
        raise NotCanonical("a page is used twice")
    return _image(header, shape, left_out, kinds, table, first_page)


def _kinds(
    read: ReadPages, header: Header, shape: Shape, table: Tree, left_out: Sequence[Index]
) -> Bytes:
    """The kind of each page.

    Raises `IndexDamaged` where a page is used twice, or an index is no b-tree.
    """
    kinds = np.full(header.page_count, CHAIN, np.uint8)
    used = 0

    def use(pages: Ints | PageNumbers, kind: int) -> None:
        nonlocal used
        kinds[pages - 1] = kind
        used += pages.size

    use(other_pages(read, header, shape), KEPT)
    use(table.interior, KEPT)
    use(table.leaves, LEAF)
    indexes = shape.left_out(LeaveOut.ALL)
    # All at once is quicker; of a large file, what is known of them takes memory.
    together = len(indexes) if header.page_count <= _FEW_PAGES else 1
    with _of_an_index():
        use(read_freelist(read, header), EMPTY)
        for start in range(0, len(indexes), together):
            some = indexes[start : start + together]
            roots = [index.root for index in some]
            trees = walk_all(read, roots, header.page_count, index=True)
            for number, (index, tree) in enumerate(zip(some, trees, strict=True), start):
                kind = INDEX + 2 * number
                use(tree.leaves, EMPTY if index in left_out else kind)
                use(tree.interior, EMPTY if index in left_out else kind + 1)
    if np.count_nonzero(kinds != CHAIN) != used:
        raise IndexDamaged("a page is used twice")
    if header.lock_page <= header.page_count and kinds[header.lock_page - 1] == CHAIN:
        kinds[header.lock_page - 1] = KEPT
    return kinds


@contextlib.contextmanager
def _of_an_index() -> Iterator[None]:
    try:
        yield
    except NotCanonical as error:
        raise IndexDamaged(str(error)) from error


def _roots(indexes: Sequence[Index]) -> Ints:
    return np.array([index.root for index in indexes], dtype=np.int64)


def _image(
    header: Header,
    shape: Shape,
    left_out: Sequence[Index],
    kinds: Bytes,
    table: Tree,
    first_page: bytes,
) -> Plan:
    """The plan of an image, once it is known which pages are not kept."""
    roots = _roots(left_out)
    kinds[roots - 1] = KEPT
    if header.lock_page <= header.page_count:
        kinds[header.lock_page - 1] = KEPT
    empty = np.flatnonzero(kinds == EMPTY)
    empty += 1  # in place: of a large file there are many
    if header.lock_page <= header.page_count:
        kinds[header.lock_page - 1] = EMPTY
    first_trunk, written = write_freelist(empty, header.page_size)
    for root in roots.tolist():
        written[root] = empty_index_root(header.page_size)
    page = bytearray(first_page)
    page[FREELIST_FIELDS] = struct.pack(">II", first_trunk, empty.size)
    written[1] = bytes(page)
    return _planned(header, kinds, written, shape.id_column, table)


def _planned(
    header: Header, kinds: Bytes, written: dict[int, bytes], id_column: int | None, table: Tree
) -> Plan:
    size, count = header.page_size, header.page_count
    chained = bool((kinds == CHAIN).any())
    leaves = table.leaves.astype(np.int32)  # a file that is covered has fewer pages than 2^31
    return Plan(size, count, kinds, written, id_column, leaves, chained)


def empty_index_root(page_size: int) -> bytes:
    """An index leaf with no entries."""
    return struct.pack(">BHHHB", 0x0A, 0, 0, page_size & 0xFFFF, 0).ljust(page_size, b"\0")


def _overflow_pages(
    read: ReadPages, header: Header, tree: Tree, leaf_kind: int = INDEX_LEAF
) -> Ints:
    """All overflow pages of a b-tree, each once."""
    size = header.page_size
    chains: list[Ints] = [np.empty((0, 3), np.int64)]
    parts: list[tuple[Ints | PageNumbers, int]] = [(tree.leaves, leaf_kind)]
    if leaf_kind == INDEX_LEAF:  # the interior pages of a table have nothing but numbers
        parts.append((tree.interior, INDEX_INTERIOR))
    for pages, kind in parts:
        for start in range(0, pages.size, 1024):
            batch = read(pages[start : start + 1024].astype(np.int64))
            flat = np.concatenate([batch.reshape(-1), np.zeros(PADDING, np.uint8)])
            every = np.arange(batch.shape[0], dtype=np.int64)
            if bool((batch[:, 0] != kind).any()):
                raise NotCanonical("a page of a b-tree is none")
            look = table_chains if kind == TABLE_LEAF else partial(index_chains, kind=kind)
            chains.append(look(flat, size, pages=every))
    level, left = np.concatenate(chains)[:, 1:].T
    found, total = [np.empty(0, np.int64)], 0
    while level.size:
        total += level.size
        if int(level.min()) < 2 or int(level.max()) > header.page_count:
            raise NotCanonical("an overflow page is not there")
        if total > header.page_count:
            raise NotCanonical("a chain of overflow pages runs in a circle")
        found.append(level)
        ordered = np.sort(level)
        after = be32(read(ordered).reshape(-1), np.arange(ordered.size) * size)
        level, left = after[np.searchsorted(ordered, level)][left > 1], left[left > 1] - 1
    return np.concatenate(found)


class Applied(NamedTuple):
    """What came of some pages: what they tell, and those that only look like leaves of the table.

    These are numbers of pages that are kept and start like leaves, but are none.
    """

    facts: Facts
    lookalikes: Ints


def apply(plan: Plan, first: int, flat: Bytes) -> Applied:
    """Turn raw pages into those of the image, in place.

    `flat` holds whole pages from page number `first` on, and `PADDING` bytes behind them. Raises
    `NotCanonical` where a page is not what the plan of a canonical image says; where a file is kept
    as it is, nothing is turned and nothing is raised.
    """
    size = plan.page_size
    count = (flat.size - PADDING) // size
    kinds = plan.kinds_of(first, count)
    pages = flat[: count * size].reshape(count, size)
    if plan.leaves is None:
        return Applied(NO_FACTS, np.empty(0, np.int64))
    if plan.id_column is None:
        facts = facts_of(flat, size, kinds, first, None, chained=plan.chained)
        return Applied(facts, np.empty(0, np.int64))
    looks = pages[:, 0] == TABLE_LEAF
    leaves = np.flatnonzero(kinds == LEAF)
    cells = leaf_cells(flat, size, leaves, plan.id_column)
    if cells.rowids.size and (int(cells.rowids.min()) < 0 or int(cells.rowids.max()) >= 1 << 40):
        raise NotCanonical("a rowid is out of the range that new ids are made for")
    facts = facts_of(flat, size, kinds, first, cells, chained=plan.chained)
    texts = ids_of(flat)
    texts[cells.id_at] = np.zeros(1, texts.dtype)[0]
    pages[kinds == EMPTY] = 0
    for number, page in plan.written.items():
        if first <= number < first + count:
            pages[number - first] = np.frombuffer(page, np.uint8)
    kept = (kinds != LEAF) & (kinds != EMPTY)
    return Applied(facts, np.flatnonzero(looks & kept) + first)


def ids_of(flat: Bytes) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """A view of a buffer in which item n is the 24 bytes from offset n on."""
    return np.ndarray(
        shape=(flat.size - ID_LENGTH + 1,), dtype=f"V{ID_LENGTH}", buffer=flat.data, strides=(1,)
    )
