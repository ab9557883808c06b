"""Tasks of child processes that write databases.

A small database is made by one task, `rebuild`. A larger one takes several, which `large` brings
together: `create`, then `write_slice` for each part in whatever child is free.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import RepositoryDamaged
from engine.pages.btree import PADDING, Ints
from engine.pages.header import NotCanonical, lock_page_of
from engine.pages.ids import Runs, table_leaves, to_runs, write_ids
from engine.rebuild.child import create_file, setup
from engine.rebuild.complete import (
    check_all,
    check_indexes,
    check_rows,
    check_trees,
    complete,
    renew_by_sql,
    renew_pages,
)
from engine.rebuild.gathering import Moves, place
from engine.rebuild.pages import PagesInFile, PagesInMemory
from engine.rebuild.results import Rebuild
from engine.rebuild.tasks import slices
from engine.repository.chunk_reader import ChunkLost
from engine.repository.manifest import Image
from engine.spool import Spool, Spooled
from engine.syncing import write_all


def rebuild(job: Rebuild) -> None:
    """Make a small database in memory; it is written behind, until `flush`.

    Raises `RepositoryDamaged`, naming it, where that cannot be done.
    """
    pages = _made(job)
    setup.write_behind(Path(job.path), pages.data)


def prove(job: Rebuild) -> None:
    """Make a small database in memory as `rebuild` does, check all of it, and keep nothing."""
    _made(job, indexes=True)


def rebuild_in_scratch(job: Rebuild) -> None:
    """Make a small database as `rebuild` does, in a file that is read and removed soon."""
    pages = _made(job)
    path = Path(job.path)
    create_file(path, 0)
    _write(path, pages.data.data, 0)


def _made(job: Rebuild, *, indexes: bool = False) -> PagesInMemory:
    """A small database, checked; with `indexes`, these against the table, too."""
    image = job.image
    with named(job):
        _, runs = _renewed_pages(job, 1, image.page_count)
        pages = PagesInMemory(setup.buffer[: image.size], image.page_size)
        if image.id_column is not None:
            complete(pages, [runs], job.prefix, image.left_out)
        else:
            try:
                renew_pages(pages, job.prefix)
            except NotCanonical:
                _renewed_pages(job, 1, image.page_count)
                pages = PagesInMemory(setup.buffer[: image.size], image.page_size)
                renew_by_sql(pages, job.prefix)
        check_all(pages, job.rows, indexes=indexes)
    return pages


def spool_of(job: Rebuild) -> Spool:
    """Where the tasks that make a large database leave things for each other: beside its file."""
    return Spool(Path(f"{job.path}.spool"))


def create(job: Rebuild) -> None:
    """Make the file of a large database, all zeros; it must not be there yet."""
    create_file(Path(job.path), job.image.size)


@dataclass(frozen=True, slots=True)
class Slice:
    """What was written of a large database: the rowids, and the leaves that were moved."""

    rowids: Runs
    moves: Moves


def write_slice(job: Rebuild, first: int, count: int) -> Spooled[Slice]:
    """Write `count` pages from page number `first` on, with new ids and the leaves together.

    Gives what a later task has to know of them. Raises `RepositoryDamaged`, naming the database.
    """
    size = job.image.page_size
    with named(job):
        leaves, runs = _renewed_pages(job, first, count)
    pages = setup.buffer[: count * size].reshape(count, size)
    placed = place(pages, leaves, first, lock_page_of(size))
    PagesInFile(Path(job.path), size).write(placed.numbers, pages[placed.pages])
    return spool_of(job).put(Slice(runs, placed.moves))


def _renewed_pages(job: Rebuild, first: int, count: int) -> tuple[Ints, Runs]:
    """Read pages into the buffer, and give their rows new ids where that can be done here.

    Gives the places of the table's leaves among them, and their rowids.
    """
    image = job.image
    _read_pages(image, first, count)
    leaves = np.empty(0, np.int64)
    if image.id_column is None:
        return leaves, to_runs(leaves)
    flat = setup.buffer[: count * image.page_size + PADDING]
    lookalikes = np.array(image.lookalikes, np.int64)
    leaves = table_leaves(flat, image.page_size, count, first, lookalikes)
    return leaves, write_ids(flat, image.page_size, leaves, image.id_column, job.prefix)


@contextlib.contextmanager
def named(job: Rebuild) -> Iterator[None]:
    """Turn what is wrong with a database into an error that names it."""
    try:
        yield
    except (ChunkLost, NotCanonical, ValueError) as error:
        reason = str(error).rstrip(".")
        raise RepositoryDamaged(f"{job.what} cannot be restored: {reason}.") from error


def _read_pages(image: Image, first: int, count: int) -> None:
    """Read pages of an image into the buffer. Raises `ChunkLost`."""
    size = count * image.page_size
    setup.buffer[: size + PADDING] = 0
    setup.reader.read_pages(image, first, count, setup.buffer[:size].data)


def _write(path: Path, data: memoryview, offset: int) -> None:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        write_all(file, data, offset)
    finally:
        os.close(file)


def renew(job: Rebuild) -> None:
    """Give new ids to a large database that was kept as it is, once its slices are written."""
    path = Path(job.path)
    pages = PagesInFile(path, job.image.page_size)
    with named(job):
        try:
            renew_pages(pages, job.prefix)
        except NotCanonical:
            path.unlink()
            create(job)
            for first, count in slices(job.image):
                write_slice(job, first, count)
            renew_by_sql(pages, job.prefix)


def check_trees_of(job: Rebuild) -> None:
    """`check_trees` for a large database that is finished."""
    with named(job):
        check_trees(PagesInFile(Path(job.path), job.image.page_size))


def check_indexes_of(job: Rebuild) -> None:
    """`check_indexes` for a large database that is finished."""
    with named(job):
        check_indexes(PagesInFile(Path(job.path), job.image.page_size))


def check_rows_of(job: Rebuild) -> None:
    """`check_rows` for a large database that is finished."""
    with named(job):
        check_rows(PagesInFile(Path(job.path), job.image.page_size), job.rows)


def read_all(image: Image, what: str) -> None:
    """Read all of an image, and keep nothing. Raises `RepositoryDamaged`, naming it."""
    for first, count in slices(image):
        _read_or_tell(image, first, count, what)


def _read_or_tell(image: Image, first: int, count: int, what: str) -> None:
    try:
        _read_pages(image, first, count)
    except ChunkLost as error:
        raise RepositoryDamaged(f"{what} cannot be restored: {error}") from error


def restore_as_is(image: Image, path: str, what: str) -> None:
    """Make a database just as its image is: the main database, or a plugin's storage."""
    create_file(Path(path), image.size)
    for first, count in slices(image):
        _read_or_tell(image, first, count, what)
        data = setup.buffer[: count * image.page_size].data
        _write(Path(path), data, (first - 1) * image.page_size)
