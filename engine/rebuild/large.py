"""Making one large database: its pages, new ids and indexes, in all children at once.

This process only says whose turn it is: what is told of pages and rows goes from task to task
through files beside the database, so that it needs no more memory for a larger one.
"""

from __future__ import annotations

import asyncio
import glob
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from engine.children import together
from engine.rebuild import tasks
from engine.rebuild.results import Arranged, Divided, Limits, Rebuild
from engine.spool import Spooled

if TYPE_CHECKING:
    from engine.pages.btree import Ints
    from engine.rebuild.databases import Slice

P = ParamSpec("P")
T = TypeVar("T")

_USUAL = Limits()


class Runner(Protocol):
    """Where tasks are run, as `Children.run` does."""

    async def run(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a task and give its result."""


async def make(
    children: Runner, job: Rebuild, write: Callable[[int, int], Coroutine[Any, Any, Spooled[Slice]]]
) -> None:
    """Make a large database, which is then to be checked.

    `write` has a child do `tasks.write_slice` for so many pages from a page number on. Files
    are left beside the database for `remove_scratch`: that takes a while, and can be done
    meanwhile. Raises `RepositoryDamaged`, naming the database, where it cannot be made.
    """
    await children.run(tasks.create, job)
    written = await together(write(first, count) for first, count in tasks.slices(job.image))
    if job.image.id_column is None:
        await children.run(tasks.renew, job)
        return
    await build_indexes(children, job, written)


async def build_indexes(
    children: Runner, job: Rebuild, written: Sequence[Spooled[Slice]], limits: Limits = _USUAL
) -> None:
    """Build the indexes of a large image whose slices are all written, with new ids."""
    plan = await children.run(tasks.prepare, job, written, limits)
    divided: list[Divided | None] = []

    async def divide() -> None:
        divided.extend(
            await together(
                children.run(tasks.divide, job, plan.columns, leaves, splitters)
                for leaves, splitters in plan.divisions
            )
        )

    await together([children.run(tasks.write_primary_key, job, plan.primary_key), divide()])
    arranged = await children.run(tasks.arrange, job, plan, divided, limits)

    async def fill(index: Arranged) -> Spooled[Ints]:
        above = await together(children.run(tasks.collect, job, part) for part in index.parts)
        # Now, for the memory that they are in is what the next indexes take.
        await asyncio.to_thread(_remove, index.files)
        return await children.run(tasks.join, job, index, above)

    unused = await together(fill(index) for index in arranged.indexes)
    await children.run(tasks.finish, job, arranged, unused)


def _remove(files: Iterable[str]) -> None:
    for file in files:
        Path(file).unlink()


def remove_scratch(path: Path) -> None:
    """Remove what `make` left beside a database. Blocks."""
    for file in path.parent.glob(f"{glob.escape(path.name)}.*.*"):
        file.unlink()
