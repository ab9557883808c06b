"""Whether every page of a device's database is used by something, and by one thing only.

SQLite itself looks at a page when it needs it, so a file may be damaged for a long time where
nobody looks. A plan names what each page is; each page that is read tells what it leads to; and
when all are read, an `Account` sees whether it comes out. Where it does not, the file is damaged.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.pages.btree import (
    INDEX_INTERIOR,
    INDEX_LEAF,
    PADDING,
    TABLE_INTERIOR,
    TABLE_LEAF,
    Bytes,
    Ints,
    LeafCells,
    ReadPages,
    be16,
    be32,
    index_chains,
    leaf_records,
    overflow,
    varints,
)
from engine.pages.header import Header, NotCanonical
from engine.pages.shape import Shape

# Kinds of pages in a plan. Those of the kept index n are INDEX + 2n, its leaves, and one more, its
# interior pages.
KEPT, LEAF, EMPTY, CHAIN, INDEX = 0, 1, 2, 3, 4
MOST_INDEXES = (256 - INDEX) // 2

UNSOUND = -1

# Half as wide where the numbers allow it: there are some for each page of a table.
Numbers = NDArray[np.int32] | NDArray[np.int64]

_NONE: Ints = np.empty((0, 3), np.int64)

_Found = TypeVar("_Found")


class IndexDamaged(NotCanonical):
    """What is wrong does not concern the table: an index, the list of free pages, a lost page."""


class Facts(NamedTuple):
    """What pages tell of themselves when they are read; all of it names the page.

    `told` has a number for some pages: of a kept index the count of its entries, of an overflow
    page the next one's number; `UNSOUND` where a page is not of its kind. `chains` have the page
    that leads to a chain of overflow pages, the first of these, and how many there must be; `spans`
    have a leaf of the table that is not empty, its first and its last rowid.
    """

    told: Numbers  # shape (pages, 2)
    chains: Numbers  # shape (chains, 3)
    spans: Numbers  # shape (leaves, 3)


NO_FACTS = Facts(np.empty((0, 2), np.int32), np.empty((0, 3), np.int32), np.empty((0, 3), np.int32))


def facts_of(
    flat: Bytes, page_size: int, kinds: Bytes, first: int, cells: LeafCells | None, *, chained: bool
) -> Facts:
    """What the raw pages from page number `first` on tell, given their kinds.

    `cells` are those of the table's leaves among them, where they are known. Only where the file is
    `chained`, having pages that no b-tree names, are the entries of indexes looked at one by one.
    """
    told = np.zeros(kinds.size, np.int64)
    chain = np.flatnonzero(kinds == CHAIN)
    told[chain] = be32(flat, chain * page_size)
    leaves = np.flatnonzero(kinds == LEAF)
    if cells is not None:
        spans, chains = spans_of(leaves, cells.counts, cells.rowids), [cells.chains]
    else:
        looked = _sound(leaves, told, partial(_look_at_leaves, flat, page_size))
        spans = np.concatenate([_NONE, *(own for own, _ in looked)])
        chains = [_NONE, *(own for _, own in looked)]
    index = np.flatnonzero(kinds >= INDEX)
    inner = (kinds[index] & 1).astype(bool)
    told[index] = _entries(flat, page_size, index, inner)
    if chained:
        for pages, kind in ((index[~inner], INDEX_LEAF), (index[inner], INDEX_INTERIOR)):
            chains += _sound(
                pages[told[pages] != UNSOUND], told, partial(index_chains, flat, page_size, kind)
            )
    telling = np.flatnonzero((kinds >= CHAIN) | (told == UNSOUND))
    every = np.concatenate(chains)
    every[:, 0] += first
    spans[:, 0] += first
    pairs = np.stack([telling + first, told[telling]], axis=1)
    return Facts(_narrow(pairs), _narrow(every), _narrow(spans))


def _narrow(numbers: Ints) -> Numbers:
    """The same numbers in half the memory, where they allow it."""
    narrow = numbers.astype(np.int32)
    return narrow if bool((narrow == numbers).all()) else numbers


def spans_of(leaves: Ints, counts: Ints, rowids: Ints) -> Ints:
    """Each leaf that is not empty with its first and last rowid; see `Facts`.

    Raises `NotCanonical` where the rowids of a leaf do not ascend.
    """
    filled = counts > 0
    ends = np.cumsum(counts)[filled]
    begins = ends - counts[filled]
    ascending = np.diff(rowids) > 0
    ascending[begins[1:] - 1] = True
    if not bool(ascending.all()):
        raise NotCanonical("the rows of a leaf of the table are not in order")
    return np.stack([leaves[filled], rowids[begins], rowids[ends - 1]], axis=1)


def other_pages(read: ReadPages, header: Header, shape: Shape) -> Ints:
    """The pages of the schema, page 1 among them, and those of tables of SQLite's own.

    Raises `NotCanonical` where they make no sense. They are few, and read one by one.
    """
    found: list[int] = []
    pending = [1, *shape.internal]
    while pending:
        number = pending.pop()
        if not 1 <= number <= header.page_count or len(found) > header.page_count:
            raise NotCanonical("a page of the schema is not there")
        found.append(number)
        children, chains = _small_page(read(np.array([number]))[0], 100 if number == 1 else 0)
        pending += children
        for first, length in chains:
            page = first
            for _ in range(length):
                if not 1 < page <= header.page_count or len(found) > header.page_count:
                    raise NotCanonical("an overflow page of the schema is not there")
                found.append(page)
                page = int(be32(read(np.array([page]))[0], np.zeros(1, np.int64))[0])
    if len(set(found)) != len(found):
        raise NotCanonical("a page of the schema is used twice")
    return np.array(found, np.int64)


def _small_page(page: Bytes, at: int) -> tuple[list[int], list[tuple[int, int]]]:
    """The children of one page of a table, or its chains: first page and length."""
    size, kind = page.size, page[at]
    if kind not in (TABLE_LEAF, TABLE_INTERIOR):
        raise NotCanonical("a page of the schema is none")
    flat = np.concatenate([page, np.zeros(PADDING, np.uint8)])
    pointers = at + (8 if kind == TABLE_LEAF else 12)
    count = be16(flat, np.array([at + 3]))
    if pointers + 2 * int(count[0]) > size:
        raise NotCanonical("a page of the schema claims more cells than it can hold")
    starts = be16(flat, pointers + 2 * np.arange(count[0]))
    if bool((starts >= size).any()):
        raise NotCanonical("a cell of the schema lies outside its page")
    if kind == TABLE_INTERIOR:
        return [*be32(flat, starts).tolist(), int(be32(flat, np.array([at + 8]))[0])], []
    payload, after = varints(flat, starts)
    _, record = varints(flat, after)
    chains = overflow(flat, size, np.zeros(1, np.int64), count, payload, record, TABLE_LEAF)
    return [], [(first, length) for _, first, length in chains.tolist()]


def _look_at_leaves(flat: Bytes, page_size: int, pages: Ints) -> tuple[Ints, Ints]:
    """The spans and chains of leaves of a table that may have ids of any width, or none."""
    payload, rowids, record, counts = leaf_records(flat, page_size, pages)
    chains = overflow(flat, page_size, pages, counts, payload, record, TABLE_LEAF)
    return spans_of(pages, counts, rowids), chains


def _sound(pages: Ints, told: Ints, look: Callable[[Ints], _Found]) -> list[_Found]:
    """What `look` finds on some pages; those that it raises `NotCanonical` for are told unsound."""
    try:
        return [look(pages)]
    except NotCanonical:
        found = []
        for page in pages:
            try:
                found.append(look(np.array([page])))
            except NotCanonical:
                told[page] = UNSOUND
        return found


def _entries(flat: Bytes, page_size: int, pages: Ints, inner: NDArray[np.bool_]) -> Ints:
    """How many entries pages of indexes have, or `UNSOUND` where their headers are."""
    base = pages * page_size
    counts, content, free = be16(flat, base + 3), be16(flat, base + 5), be16(flat, base + 1)
    content = np.where(content == 0, 65536, content)
    kind = np.where(inner, INDEX_INTERIOR, INDEX_LEAF)
    sound = (
        (flat[base] == kind)
        & (np.where(inner, 12, 8) + 2 * counts <= content)
        & (content <= page_size)
        & ((free == 0) | ((content <= free) & (free <= page_size - 4)))
    )
    return np.where(sound, counts, UNSOUND)


class Account:
    """What the pages of a file have told so far, given their kinds, a byte for each.

    `leaves` are the pages of the table in the order of its keys.
    """

    def __init__(self, kinds: Bytes, leaves: Numbers) -> None:
        self._kinds = kinds
        self._place = np.zeros(kinds.size + 1, np.int32)  # a file has fewer leaves than 2^31
        self._place[leaves] = np.arange(leaves.size, dtype=np.int32)
        self._filled = np.zeros(leaves.size, np.bool_)
        self._spans: Numbers = np.zeros((leaves.size, 2), np.int32)
        self._entries = np.zeros(MOST_INDEXES, np.int64)
        self._lost: set[int] = set()  # kinds of pages that are not of their kind
        self._following: list[Numbers] = []
        self._chains: list[Numbers] = []

    def add(self, facts: Facts) -> None:
        """Add what some pages told; no page may tell twice."""
        place = self._place[facts.spans[:, 0]]
        self._filled[place] = True
        if facts.spans.dtype == np.int64:  # wider than all before
            self._spans = self._spans.astype(np.int64, copy=False)
        self._spans[place] = facts.spans[:, 1:]
        if facts.told.size:
            kinds, numbers = self._kinds[facts.told[:, 0] - 1], facts.told[:, 1]
            self._lost.update(kinds[numbers == UNSOUND].tolist())
            entries = kinds >= INDEX
            index = (kinds[entries] - INDEX) >> 1
            counts = np.bincount(index, numbers[entries], MOST_INDEXES)
            self._entries += counts.astype(np.int64)
            self._following.append(facts.told[kinds == CHAIN])
        if facts.chains.size:
            self._chains.append(facts.chains)

    def check(self, rows: int) -> None:
        """See whether a file comes out of whose table `rows` were read, once all its pages told.

        Raises `IndexDamaged`, or `NotCanonical` where the table itself is damaged.
        """
        if LEAF in self._lost:
            raise NotCanonical("a page of its table is none")
        # There are many of a large file, and most often no leaf is empty: then no copy is made.
        spans = self._spans if bool(self._filled.all()) else self._spans[self._filled]
        if bool((spans[:-1, 1] >= spans[1:, 0]).any()):
            raise NotCanonical("the pages of its table are not in order")
        if self._lost:
            raise IndexDamaged("a page of an index is none")
        kept = (np.unique(self._kinds[self._kinds >= INDEX]) - INDEX) >> 1
        if bool((self._entries[kept] != rows).any()):
            raise IndexDamaged("an index has more or fewer entries than the table has rows")
        self._follow()

    def _follow(self) -> None:
        """Follow all chains of overflow pages: each such page must be used, and once."""
        pages = int(np.count_nonzero(self._kinds == CHAIN))
        if not self._chains and not pages:
            return
        chains = np.concatenate([_NONE, *self._chains])
        following = np.full(self._kinds.size + 1, UNSOUND, np.int64)
        for told in self._following:
            following[told[:, 0]] = told[:, 1]
        if int(chains[:, 2].sum()) != pages:
            raise IndexDamaged("there are more or fewer overflow pages than are used")
        level, left = chains[:, 1], chains[:, 2]
        while level.size:
            if int(level.max()) > self._kinds.size or bool((following[level] == UNSOUND).any()):
                raise IndexDamaged("an overflow page is not there")
            after, left = following[level], left - 1
            following[level] = UNSOUND
            if np.unique(level).size != level.size or bool(((after == 0) != (left == 0)).any()):
                raise IndexDamaged("a chain of overflow pages has another length")
            level, left = after[left > 0], left[left > 0]
