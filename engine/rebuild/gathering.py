"""Moving a table's leaves together, so that what is built beside them gets room in one piece.

In a database that grew in use, the pages of the table and of its indexes lie among each other. Left
out, the indexes leave gaps of a page or two, and to read or write what lies in such pieces takes
several times as long. So where a slice of a large image is written, its leaves take its first free
pages (`place`); when all slices are there, the pages above the leaves follow (`follow`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.pages.btree import Bytes, Ints, PageNumbers, ReadPages, walk
from engine.pages.writing import renumber_children
from engine.rebuild.pages import Pages
from engine.rebuild.space import Space

_AT_ONCE = 256  # pages above leaves that are in memory


class Moves(NamedTuple):
    """Leaves that were moved: the numbers of the pages where they were, and where they are."""

    old: PageNumbers
    new: PageNumbers


STAYED = Moves(np.empty(0, np.uint32), np.empty(0, np.uint32))


class Placed(NamedTuple):
    """Which pages of a slice are written, by ascending numbers; the leaves among them moved."""

    pages: Ints  # places in the slice
    numbers: Ints
    moves: Moves


def place(pages: Bytes, leaves: Ints, first: int, lock_page: int) -> Placed:
    """Find places for the pages of a slice, shape (pages, page size), from page `first` on.

    `leaves` are places in the slice, ascending. Others stay where they are; pages that are all
    zeros need not be written, and are taken to be free: `follow` finds those that are not.
    """
    is_kept: NDArray[np.bool_] = np.any(pages.view(np.uint64), axis=1)
    is_room = np.logical_not(is_kept)
    is_room[leaves] = True
    if first <= lock_page < first + is_room.size:
        is_room[lock_page - first] = False
    room = np.flatnonzero(is_room)[: leaves.size]
    is_kept[leaves] = False
    rest = np.flatnonzero(is_kept)
    numbers = np.concatenate([room, rest])
    order = np.argsort(numbers)
    moved = np.flatnonzero(room != leaves)
    moves = Moves(*((each[moved] + first).astype(np.uint32) for each in (leaves, room)))
    return Placed(np.concatenate([leaves, rest])[order], numbers[order] + first, moves)


def _before(pages: Pages, moves: Moves) -> ReadPages:
    """Reads the list of free pages as it was: the last page of it may be all zeros."""
    is_taken = np.zeros(pages.header().page_count + 1, np.bool_)
    is_taken[moves.new] = True

    def read(numbers: Ints) -> Bytes:
        found = pages.read(numbers)
        found[is_taken[numbers]] = 0
        return found

    return read


def follow(pages: Pages, root: int, moves: Iterable[Moves]) -> tuple[PageNumbers, Space]:
    """Have the pages of a table name its leaves where they are, given the moves of all slices.

    Gives the leaves, in key order, and what is free then. Raises `NotCanonical` where the table is
    none.
    """
    renumbered, space = _renumbered(pages, root, moves)

    def read(numbers: Ints) -> Bytes:
        return pages.read(renumbered[numbers].astype(np.int64))

    tree = walk(read, root, renumbered.size - 1, index=False)
    for first in range(0, tree.interior.size, _AT_ONCE):
        some = tree.interior[first : first + _AT_ONCE]
        interior = pages.read(some)
        renumber_children(interior, renumbered)
        pages.write(some, interior)
    return renumbered[tree.leaves], space


def _renumbered(pages: Pages, root: int, moves: Iterable[Moves]) -> tuple[PageNumbers, Space]:
    """Where the page of each number is once all leaves have a place, and what is free then."""
    page_count = pages.header().page_count
    moved = Moves(*(np.concatenate(each) for each in zip(STAYED, *moves, strict=True)))
    space = Space(pages, _before(pages, moved))
    old, new = moved
    if bool((old == root).any()):  # a table that is one leaf: the schema names it where it was
        _move(pages, new[old == root], np.array([root]))
        old, new = old[old != root], new[old != root]
    # A page that is kept may be all zeros: a leaf that took its place goes on to another.
    taken = np.flatnonzero(~space.exchange(old, new))
    if taken.size:
        right = space.take(taken.size)
        space.grow()
        _move(pages, new[taken], right)
        new[taken] = right
    renumbered = np.arange(page_count + 1, dtype=np.uint32)
    renumbered[old] = new
    return renumbered, space


def _move(pages: Pages, old: PageNumbers, new: Ints) -> None:
    """Move pages, and leave zeros where they were."""
    found = pages.read(old.astype(np.int64))
    pages.write(new, found)
    pages.write(old.astype(np.int64), np.zeros_like(found))
