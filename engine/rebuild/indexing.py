"""Tasks that plan the indexes of a large database, and finish them: `sorting` fills their leaves.

`prepare` looks at a database whose pages are written, `arrange` gives every part of every index its
pages, `join` writes what stands above them. What they tell each other of pages is spooled.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.pages.btree import Ints, PageNumbers
from engine.pages.header import NotCanonical
from engine.pages.ids import Runs as Rowids
from engine.pages.index import Tree
from engine.pages.records import Unbuildable
from engine.pages.secondary import fill, lay_out, leaf_pages, most_above, pack_interior, room
from engine.pages.shape import Index
from engine.rebuild import complete, sorting
from engine.rebuild.databases import Slice, named, spool_of
from engine.rebuild.gathering import follow
from engine.rebuild.pages import PagesInFile
from engine.rebuild.results import Arranged, Arrangement, Divided, Limits, Plan, Rebuild
from engine.rebuild.sorting import Above, Part, Runs, Splitters
from engine.rebuild.space import Space
from engine.spool import Spooled, take

_MOST_RUNS = 512  # of an index: `arrange` has the sizes of all of them in memory
_JOINED = 16  # parts of an index whose upper entries are in memory together
_UNEVEN = 4  # times the size that a part should have: then SQLite builds the index


class PrimaryKey(NamedTuple):
    """The primary key's index: its shape, the rowids of the table, and its pages."""

    tree: Tree
    rowids: Rowids
    numbers: Ints


def prepare(job: Rebuild, written: Sequence[Spooled[Slice]], limits: Limits) -> Plan:
    """A task: look at a database whose pages are written, and plan its indexes."""
    spool = spool_of(job)
    with named(job):
        pages = PagesInFile(Path(job.path), job.image.page_size)
        shape, rowids, others = complete.look_at(
            pages, [take(each).rowids for each in written], job.image.left_out
        )
        header = pages.header()
        if (header.page_size, header.page_count) != (job.image.page_size, job.image.page_count):
            raise NotCanonical("it tells of another size than it has")
        moves = (take(each).moves for each in written)
        leaves, space = follow(pages, shape.table_root, moves)
        tree = complete.plan_primary_key(rowids, header.page_size)
        numbers = np.append(space.take(tree.pages - 1), shape.primary_key.root)
        primary_key = spool.put(PrimaryKey(tree, rowids, numbers))
        to_build = [index for index in others if index.columns is not None]
        divisions: list[tuple[Spooled[Ints], Spooled[Splitters]]] = []
        try:
            if rowids.rows and to_build:
                of = [index.columns or () for index in to_build]
                splitters = spool.put(sorting.sample(pages, leaves, rowids.rows, of, limits))
                each = max(1, limits.leaves // header.page_size, leaves.size // _MOST_RUNS)
                divisions = [(spool.put(part), splitters) for part in _parts(leaves, each)]
        except Unbuildable:
            to_build = []
    left = tuple(index for index in others if index not in to_build)
    # An index of no rows is there already.
    filled = tuple(to_build) if divisions else ()
    return Plan(primary_key, filled, left, tuple(divisions), spool.put(space))


def _parts(numbers: PageNumbers, each: int) -> Iterator[Ints]:
    for first in range(0, numbers.size, each):
        yield numbers[first : first + each].astype(np.int64)


def write_primary_key(job: Rebuild, primary_key: Spooled[PrimaryKey]) -> None:
    """A task: write the primary key's index."""
    tree, rowids, numbers = take(primary_key)
    pages = PagesInFile(Path(job.path), job.image.page_size)
    complete.write_primary_key(pages, tree, rowids, job.prefix, numbers)


def arrange(
    job: Rebuild, plan: Plan, divided: Sequence[Divided | None], limits: Limits
) -> Arrangement:
    """A task: give the parts of all indexes their pages."""
    space = take(plan.space)
    with named(job):
        _check_order(divided)
    arranged: list[Arranged] = []
    left = list(plan.left)
    for number, index in enumerate(plan.others):
        spooled = [each.runs[number] for each in divided if each is not None]
        runs = [take(run) for run in spooled if run is not None]
        try:
            if len(runs) < len(divided):
                raise Unbuildable
            arranged.append(_arranged(job, index, Runs(runs), space, limits))
        except Unbuildable:
            left.append(index)
    return Arrangement(tuple(arranged), tuple(left), spool_of(job).put(space))


def _check_order(divided: Sequence[Divided | None]) -> None:
    """Raise `NotCanonical` where the rows of one part of the table are not behind another's."""
    edges = [(each.first, each.last) for each in divided if each and each.first <= each.last]
    if any(last >= first for (_, last), (first, _) in itertools.pairwise(edges)):
        raise NotCanonical("the rows of its table are not in their order")


def _arranged(job: Rebuild, index: Index, runs: Runs, space: Space, limits: Limits) -> Arranged:
    """The parts of one index, with pages for all of it. Raises `Unbuildable`."""
    page_size = job.image.page_size
    rows, sizes = runs.rows(), runs.bytes()
    if int(rows.max()) > _UNEVEN * limits.rows or int(sizes.max()) > _UNEVEN * limits.bytes:
        raise Unbuildable
    if rows.size > 1 and int(rows.min()) < 2:
        raise Unbuildable
    room_of_page = room(runs.longest, page_size)
    leaves = [leaf_pages(size, room_of_page) for size in (sizes + 2 * rows).tolist()]
    above = most_above(sum(leaves), runs.longest, page_size, groups=len(_groups(len(leaves))))
    alone = sum(leaves) == 1
    numbers = np.array([index.root], np.int64) if alone else space.take(sum(leaves))
    spool = spool_of(job)
    parts = []
    first = 0
    for part, count in enumerate(leaves):
        own = numbers[first : first + count]
        closed = part < len(leaves) - 1
        columns = len(index.columns or ())
        parts.append(spool.put(Part(runs.pieces(part), columns, runs.longest, own, closed)))
        first += count
    rest = space.take(max(0, above - 1))
    return Arranged(index.root, runs.files, tuple(parts), spool.put(numbers), spool.put(rest))


def join(job: Rebuild, index: Arranged, above: Sequence[Spooled[Above]]) -> Spooled[Ints]:
    """A task: write what stands above the leaves of an index; gives the pages that are not used.

    `above` is what `collect` left for each part.
    """
    page_size = job.image.page_size
    pages = PagesInFile(Path(job.path), page_size)
    below, numbers = take(index.leaves), take(index.above)
    groups = _groups(len(above))
    if len(groups) == 1:
        upper = [take(each) for each in above]
    else:  # the lowest level, a group at a time: there is an entry for every leaf
        upper, used = [], []
        for first, last in groups:
            entries = sorting.above_of([take(each) for each in above[first:last]])
            is_last = last == len(above)
            layout, lifted = pack_interior(entries, page_size, closed=not is_last)
            own, numbers = np.split(numbers, [layout.pages])
            children, below = np.split(below, [entries.sizes.size + is_last])
            pages.write(own, fill(layout, own, children))
            upper.append(sorting.picked(entries, lifted))
            used.append(own)
        below = np.concatenate(used)
    if below.size > 1:
        entries = sorting.above_of(upper)
        layout = lay_out(entries, np.arange(entries.sizes.size), page_size, interior=True)
        own, numbers = np.split(numbers, [layout.pages - 1])
        own = np.append(own, index.root)
        pages.write(own, fill(layout, own, below))
    return spool_of(job).put(numbers)


def _groups(parts: int) -> list[tuple[int, int]]:
    """The parts of an index whose upper entries are in memory together: from one up to another."""
    edges = [*range(0, parts, _JOINED)[: max(1, parts // _JOINED)], parts]
    return list(itertools.pairwise(edges))


def finish(job: Rebuild, arranged: Arrangement, unused: Sequence[Spooled[Ints]]) -> None:
    """A task: tell what is free, and have SQLite build what is left."""
    space = take(arranged.space)
    for each in unused:
        space.give_back(take(each))
    with named(job):
        space.settle()
        complete.build_by_sqlite(PagesInFile(Path(job.path), job.image.page_size), arranged.left)
