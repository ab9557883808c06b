"""Tasks of child processes that write databases.

A file of up to `SLICE` bytes is made by one task, `rebuild`. A larger one takes several: `create`,
then `write_slice` for each part in whatever child is free, then `finish`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.errors import RepositoryDamaged
from engine.pages.btree import PADDING
from engine.pages.header import NotCanonical
from engine.pages.ids import Runs, merge_runs, table_leaves, to_runs, write_ids
from engine.rebuild.child import SLICE, setup
from engine.rebuild.complete import check, complete, renew_by_sql, renew_pages
from engine.repository.manifest import LIST_NAMES, Image
from engine.repository.repository import ChunkLost


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A device's database to be made of an image: where, with which ids, and what must be in it."""

    image: Image
    path: str
    prefix: bytes = field(repr=False)
    rows: int
    what: str  # how an error names it


def is_small(image: Image) -> bool:
    """Whether an image is made by one task."""
    return image.size <= SLICE


def rebuild(job: Rebuild) -> None:
    """Make a database. Raises `RepositoryDamaged`, naming it, where that cannot be done."""
    create(job)
    finish(job, [write_slice(job, first, count) for first, count in slices(job.image)])


def slices(image: Image) -> Iterator[tuple[int, int]]:
    """The parts of an image: page number and count of pages."""
    pages = SLICE // image.page_size
    for first in range(1, image.page_count + 1, pages):
        yield first, min(pages, image.page_count + 1 - first)


def create(job: Rebuild) -> None:
    """Make the file, all zeros; it must not be there yet."""
    create_file(Path(job.path), job.image.size)


def create_file(path: Path, size: int) -> None:
    """Make a new private file of `size` zero bytes."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(file, 0o600)
        os.ftruncate(file, size)
    finally:
        os.close(file)


def write_slice(job: Rebuild, first: int, count: int) -> Runs:
    """Write `count` pages from page number `first` on, with new ids; gives their rowids."""
    image = job.image
    size, column = image.page_size, image.id_column
    flat = setup.buffer[: count * size + PADDING]
    try:
        written = _read_pages(image, first, count)
        runs = to_runs(np.empty(0, np.int64))
        if column is not None:
            lookalikes = np.array(image.lookalikes, np.int64)
            leaves = table_leaves(flat, size, count, first, lookalikes)
            runs = write_ids(flat, size, leaves, column, job.prefix)
    except (ChunkLost, NotCanonical) as error:
        raise RepositoryDamaged(f"{job.what} cannot be restored: {error}") from error
    _write(job.path, flat[: count * size].data, (first - 1) * size, written)
    return runs


def _read_pages(image: Image, first: int, count: int) -> list[tuple[int, int]]:
    """Read pages into the buffer; gives the spans of bytes that are not all zeros."""
    chunk = setup.repository.chunk_length(image.page_size)
    offset, end = (first - 1) * image.page_size, (first - 1 + count) * image.page_size
    low, high = offset // chunk, -(-end // chunk)
    lists = [
        setup.reader.read_list(image, number)
        for number in range(low // LIST_NAMES, (high - 1) // LIST_NAMES + 1)
    ]
    skip = low - low // LIST_NAMES * LIST_NAMES
    names = np.frombuffer(b"".join(lists), np.uint8).reshape(-1, 16)[skip : skip + high - low]
    setup.buffer[: end - offset + PADDING] = 0
    setup.reader.read_into(names, chunk, setup.buffer[: end - offset].data)
    filled = np.concatenate([[False], names.any(axis=1), [False]])
    edges = np.flatnonzero(np.diff(filled.astype(np.int8)))
    return [
        (begin * chunk, min(stop * chunk, end - offset)) for begin, stop in edges.reshape(-1, 2)
    ]


def _write(path: str, data: memoryview, offset: int, spans: list[tuple[int, int]]) -> None:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        for begin, stop in spans:
            part, at = data[begin:stop], offset + begin
            while part:
                written = os.pwrite(file, part, at)
                part, at = part[written:], at + written
    finally:
        os.close(file)


def finish(job: Rebuild, parts: list[Runs]) -> None:
    """Complete a database whose slices are all written: indexes, checks, and on to disk."""
    path = Path(job.path)
    try:
        if job.image.id_column is not None:
            complete(path, merge_runs(parts), job.prefix, job.image.left_out)
        else:
            try:
                renew_pages(path, job.prefix)
            except NotCanonical:
                path.unlink()
                create(job)
                for first, count in slices(job.image):
                    write_slice(job, first, count)
                renew_by_sql(path, job.prefix)
        check(path, job.rows)
    except (NotCanonical, ValueError) as error:
        raise RepositoryDamaged(f"{job.what} cannot be restored: {error}.") from error


def restore_as_is(image: Image, path: str, what: str) -> None:
    """Make a database just as its image is: the main database, or a plugin's storage."""
    create_file(Path(path), image.size)
    for first, count in slices(image):
        try:
            spans = _read_pages(image, first, count)
        except ChunkLost as error:
            raise RepositoryDamaged(f"{what} cannot be restored: {error}") from error
        data = setup.buffer[: count * image.page_size].data
        _write(path, data, (first - 1) * image.page_size, spans)
