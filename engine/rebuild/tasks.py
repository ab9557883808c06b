"""What a parent may ask of a child process during a restore, a proof or an export.

Importing this is cheap, for the parent does: what a task needs is imported where it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from engine.pages.slices import slices as page_slices
from engine.repository.manifest import Image
from engine.repository.repository import Repository
from engine.spool import Spooled

if TYPE_CHECKING:
    from engine.pages.btree import Ints
    from engine.rebuild.databases import Slice
    from engine.rebuild.indexing import PrimaryKey
    from engine.rebuild.results import (
        Arranged,
        Arrangement,
        Columns,
        Divided,
        Limits,
        Plan,
        Rebuild,
    )
    from engine.rebuild.sorting import Above, Part, Splitters

T = TypeVar("T")

SLICE = 8 << 20  # bytes of a database that are made at once


def is_small(image: Image) -> bool:
    """Whether a database is made by one task; others are made in slices."""
    return image.size <= SLICE


def slices(image: Image) -> Iterator[tuple[int, int]]:
    """The slices of an image: page number and count of pages."""
    return page_slices(image.page_count, SLICE // image.page_size)


# A child process


def configure(repository: Repository, scratch: str) -> None:
    """See `engine.rebuild.child.configure`."""
    from engine.rebuild import child

    child.configure(repository, scratch)


def flush() -> None:
    """See `engine.rebuild.child.flush`."""
    from engine.rebuild import child

    child.flush()


def again(task: Callable[..., T], path: str | None, *arguments: object) -> T:
    """See `engine.rebuild.child.again`."""
    from engine.rebuild import child

    return child.again(task, path, *arguments)


# Whole databases


def restore_as_is(image: Image, path: str, what: str) -> None:
    """See `engine.rebuild.databases.restore_as_is`."""
    from engine.rebuild import databases

    databases.restore_as_is(image, path, what)


def read_all(image: Image, what: str) -> None:
    """See `engine.rebuild.databases.read_all`."""
    from engine.rebuild import databases

    databases.read_all(image, what)


def rebuild(job: Rebuild) -> None:
    """See `engine.rebuild.databases.rebuild`."""
    from engine.rebuild import databases

    databases.rebuild(job)


def prove(job: Rebuild) -> None:
    """See `engine.rebuild.databases.prove`."""
    from engine.rebuild import databases

    databases.prove(job)


def rebuild_in_scratch(job: Rebuild) -> None:
    """See `engine.rebuild.databases.rebuild_in_scratch`."""
    from engine.rebuild import databases

    databases.rebuild_in_scratch(job)


# Large databases, a part at a time


def create(job: Rebuild) -> None:
    """See `engine.rebuild.databases.create`."""
    from engine.rebuild import databases

    databases.create(job)


def write_slice(job: Rebuild, first: int, count: int) -> Spooled[Slice]:
    """See `engine.rebuild.databases.write_slice`."""
    from engine.rebuild import databases

    return databases.write_slice(job, first, count)


def renew(job: Rebuild) -> None:
    """See `engine.rebuild.databases.renew`."""
    from engine.rebuild import databases

    databases.renew(job)


def prepare(job: Rebuild, written: Sequence[Spooled[Slice]], limits: Limits) -> Plan:
    """See `engine.rebuild.indexing.prepare`."""
    from engine.rebuild import indexing

    return indexing.prepare(job, written, limits)


def write_primary_key(job: Rebuild, primary_key: Spooled[PrimaryKey]) -> None:
    """See `engine.rebuild.indexing.write_primary_key`."""
    from engine.rebuild import indexing

    indexing.write_primary_key(job, primary_key)


def divide(
    job: Rebuild, of: Sequence[Columns], leaves: Spooled[Ints], splitters: Spooled[Splitters]
) -> Divided | None:
    """See `engine.rebuild.sorting.divide`."""
    from engine.rebuild import sorting

    return sorting.divide(job, of, leaves, splitters)


def arrange(
    job: Rebuild, plan: Plan, divided: Sequence[Divided | None], limits: Limits
) -> Arrangement:
    """See `engine.rebuild.indexing.arrange`."""
    from engine.rebuild import indexing

    return indexing.arrange(job, plan, divided, limits)


def collect(job: Rebuild, part: Spooled[Part]) -> Spooled[Above]:
    """See `engine.rebuild.sorting.collect`."""
    from engine.rebuild import sorting

    return sorting.collect(job, part)


def join(job: Rebuild, index: Arranged, above: Sequence[Spooled[Above]]) -> Spooled[Ints]:
    """See `engine.rebuild.indexing.join`."""
    from engine.rebuild import indexing

    return indexing.join(job, index, above)


def finish(job: Rebuild, arranged: Arrangement, unused: Sequence[Spooled[Ints]]) -> None:
    """See `engine.rebuild.indexing.finish`."""
    from engine.rebuild import indexing

    indexing.finish(job, arranged, unused)


def check_trees_of(job: Rebuild) -> None:
    """See `engine.rebuild.databases.check_trees_of`."""
    from engine.rebuild import databases

    databases.check_trees_of(job)


def check_indexes_of(job: Rebuild) -> None:
    """See `engine.rebuild.databases.check_indexes_of`."""
    from engine.rebuild import databases

    databases.check_indexes_of(job)


def check_rows_of(job: Rebuild) -> None:
    """See `engine.rebuild.databases.check_rows_of`."""
    from engine.rebuild import databases

    databases.check_rows_of(job)
