"""Making one large database: its pages, new ids and indexes, in all children at once."""

from __future__ import annotations

import asyncio
import glob
import itertools
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np

from engine.children import together
from engine.pages.btree import Ints
from engine.pages.header import NotCanonical
from engine.pages.ids import Runs as Rowids
from engine.pages.index import Tree
from engine.pages.records import Unbuildable
from engine.pages.secondary import fill, leaf_pages, most_above, room
from engine.pages.shape import Index
from engine.rebuild import databases, sorting
from engine.rebuild.complete import (
    build_by_sqlite,
    look_at,
    plan_primary_key,
    write_primary_key,
)
from engine.rebuild.databases import Rebuild, Slice, named
from engine.rebuild.gathering import all_of, before, follow
from engine.rebuild.pages import PagesInFile
from engine.rebuild.sorting import Divided, Limits, Part, Runs, Splitters
from engine.rebuild.space import Space
from engine.rebuild.tasks import slices

P = ParamSpec("P")
T = TypeVar("T")

_USUAL = Limits()
_MOST_RUNS = 512  # of an index: all of them are known to this process
_COLLECTED = 4  # parts of which it is told at a time what the runs have for them
_UNEVEN = 4  # times the size that a part should have: then SQLite builds the index


class Runner(Protocol):
    """Where tasks are run, as `Children.run` does."""

    async def run(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a task and give its result."""


async def make(
    children: Runner, job: Rebuild, write: Callable[[int, int], Coroutine[Any, Any, Slice]]
) -> None:
    """Make a large database, which is then to be checked.

    `write` has a child do `databases.write_slice` for so many pages from a page number on. Files
    are left beside the database for `remove_runs`: that takes a while, and can be done meanwhile.
    Raises `RepositoryDamaged`, naming the database, where it cannot be made.
    """
    await children.run(databases.create, job)
    written = await together(write(first, count) for first, count in slices(job.image))
    if job.image.id_column is None:
        await children.run(databases.renew, job)
        return
    await build_indexes(children, job, written)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What has to be built. `left` are the indexes that SQLite has to build.

    `leaves` are those of the table, in the order of the rows. `primary` are the pages of the
    primary key's index.
    """

    rowids: Rowids
    tree: Tree
    primary: Ints
    others: tuple[Index, ...]
    left: tuple[Index, ...]
    leaves: Ints
    splitters: Splitters | None
    space: Space

    @property
    def columns(self) -> tuple[tuple[int, ...], ...]:
        """What the others are over."""
        return tuple(index.columns or () for index in self.others)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of an index, its number, and the pages for its leaves; `closed` if more follow."""

    runs: Runs
    number: int
    columns: int
    numbers: Ints
    closed: bool

    def filled(self) -> Part:
        """What a child is told to fill its leaves."""
        pieces = self.runs.pieces(self.number)
        return Part(pieces, self.columns, self.runs.longest, self.numbers, self.closed)


async def build_indexes(
    children: Runner, job: Rebuild, written: Sequence[Slice], limits: Limits = _USUAL
) -> None:
    """Build the indexes of a large image whose slices are all written, with new ids."""
    size = job.image.page_size
    plan = await children.run(prepare, job, written, limits)
    primary = children.run(primary_key, job, plan.tree, plan.rowids, plan.primary)
    splitters = plan.splitters
    if splitters is None:
        await primary
        await children.run(finish, job, plan.space, plan.left)
        return
    divided: list[Divided | None] = []

    async def divide() -> None:
        each = max(1, limits.leaves // size, plan.leaves.size // _MOST_RUNS)
        divided.extend(
            await together(
                children.run(
                    sorting.divide,
                    job,
                    plan.leaves[first : first + each],
                    plan.columns,
                    splitters,
                )
                for first in range(0, plan.leaves.size, each)
            )
        )

    await together([primary, divide()])
    with named(job):
        parts, left = _arrange(plan, divided, size, limits)

    turns = asyncio.Semaphore(_COLLECTED)

    async def collect(part: _Part) -> tuple[bytes, bytes]:
        async with turns:
            return await children.run(sorting.collect, job, part.filled())

    async def fill_index(index: Index, of: list[_Part], above: Ints) -> None:
        entries = await together(collect(part) for part in of)
        leaves = np.concatenate([part.numbers for part in of])
        if leaves.size > 1:
            used = await children.run(join, job, index.root, leaves, entries, above)
            plan.space.give_back(above[used:])

    await together(fill_index(index, *found) for index, found in parts.items())
    await children.run(finish, job, plan.space, [*plan.left, *left])


def _arrange(
    plan: _Plan, divided: Sequence[Divided | None], page_size: int, limits: Limits
) -> tuple[dict[Index, tuple[list[_Part], Ints]], list[Index]]:
    """The parts of the indexes and pages above their leaves, and what SQLite has to build.

    Raises `NotCanonical` where rows are not in their order.
    """
    found = [each for each in divided if each is not None]
    if len(found) < len(divided):
        return {}, list(plan.others)
    filled = [each for each in found if each.first <= each.last]
    if any(each.last >= after.first for each, after in itertools.pairwise(filled)):
        raise NotCanonical("the rows of its table are not in their order")
    arranged: dict[Index, tuple[list[_Part], Ints]] = {}
    for number, index in enumerate(plan.others):
        runs = [each.runs[number] for each in found]
        whole = [run for run in runs if run is not None]
        if len(whole) == len(runs):
            try:
                arranged[index] = _parts(plan, number, Runs(whole), page_size, limits)
            except Unbuildable:
                continue
    return arranged, [index for index in plan.others if index not in arranged]


def _parts(
    plan: _Plan, number: int, runs: Runs, page_size: int, limits: Limits
) -> tuple[list[_Part], Ints]:
    """The parts of one index, and enough pages for above their leaves. Raises `Unbuildable`."""
    index = plan.others[number]
    rows, sizes = runs.rows(), runs.bytes()
    if int(rows.max()) > _UNEVEN * limits.rows or int(sizes.max()) > _UNEVEN * limits.bytes:
        raise Unbuildable
    if rows.size > 1 and int(rows.min()) < 2:
        raise Unbuildable
    room_of_page = room(runs.longest, page_size)
    leaves = [leaf_pages(size, room_of_page) for size in (sizes + 2 * rows).tolist()]
    above = most_above(sum(leaves), runs.longest, page_size)
    alone = sum(leaves) == 1
    numbers = np.array([index.root], np.int64) if alone else plan.space.take(sum(leaves))
    parts = []
    first = 0
    for part, count in enumerate(leaves):
        own = numbers[first : first + count]
        closed = part < len(leaves) - 1
        parts.append(_Part(runs, part, len(index.columns or ()), own, closed))
        first += count
    return parts, plan.space.take(max(0, above - 1))


def prepare(job: Rebuild, written: Sequence[Slice], limits: Limits) -> _Plan:
    """A task: look at a database whose pages are written, and plan its indexes."""
    with named(job):
        pages = PagesInFile(Path(job.path), job.image.page_size)
        rowids = [each.rowids for each in written]
        shape, merged, others = look_at(pages, rowids, job.image.left_out)
        header = pages.header()
        if (header.page_size, header.page_count) != (job.image.page_size, job.image.page_count):
            raise NotCanonical("it tells of another size than it has")
        moves = all_of([each.moves for each in written])
        space = Space(pages, before(pages, moves))
        leaves = follow(pages, shape.table_root, moves, space)
        tree = plan_primary_key(merged, header.page_size)
        primary = np.append(space.take(tree.pages - 1), shape.primary_key.root)
        buildable = [index for index in others if index.columns is not None]
        splitters = None
        if buildable and merged.rows:
            of = [index.columns or () for index in buildable]
            try:
                splitters = sorting.sample(pages, leaves, merged.rows, of, limits)
            except Unbuildable:
                buildable = []
        left = tuple(index for index in others if index not in buildable)
        return _Plan(merged, tree, primary, tuple(buildable), left, leaves, splitters, space)


def primary_key(job: Rebuild, tree: Tree, rowids: Rowids, numbers: Ints) -> None:
    """A task: write the primary key's index."""
    pages = PagesInFile(Path(job.path), job.image.page_size)
    write_primary_key(pages, tree, rowids, job.prefix, numbers)


def join(
    job: Rebuild, root: int, leaves: Ints, above: Sequence[tuple[bytes, bytes]], numbers: Ints
) -> int:
    """A task: write what stands above leaves to some of the pages `numbers`; gives how many.

    `above` is what `collect` gave for each part.
    """
    layout = sorting.lay_out_above(above, job.image.page_size)
    own = np.append(numbers[: layout.pages - 1], root)
    PagesInFile(Path(job.path), job.image.page_size).write(own, fill(layout, own, leaves))
    return layout.pages - 1


def finish(job: Rebuild, space: Space, left: Sequence[Index]) -> None:
    """A task: tell what is free, and have SQLite build what is left."""
    with named(job):
        space.settle()
        build_by_sqlite(PagesInFile(Path(job.path), job.image.page_size), left)


def remove_runs(path: Path) -> None:
    """Remove what `make` left beside a database. Blocks."""
    for file in path.parent.glob(f"{glob.escape(path.name)}.*.*"):
        file.unlink()
