"""Completing a restored device's database: what the backup left out, and the checks.

Nobody else knows the file yet, so it is edited with plain file calls, and SQLite opens it only when
no plain handle is open.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.model import LeaveOut
from engine.pages.btree import PADDING, Bytes, Ints, ReadPages
from engine.pages.canonical import LEAF, apply, plan_image
from engine.pages.freelist import read_freelist, write_freelist
from engine.pages.header import (
    FREELIST_FIELDS,
    HEADER_SIZE,
    PAGE_COUNT_FIELD,
    Header,
    NotADatabase,
    NotCanonical,
    parse_header,
)
from engine.pages.ids import PREFIX_LENGTH, Runs, merge_runs, write_ids
from engine.pages.index import build_index, plan_tree
from engine.pages.shape import Shape, read_shape

_BATCH = 8 << 20
_HAS_ID = "SELECT name FROM pragma_table_info('data') WHERE name = 'id'"


@contextlib.contextmanager
def opened(path: Path, *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """SQLite on a file that is ours alone: no locks, no journal, nothing synced."""
    mode = "rw" if write else "ro&immutable=1"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        if write:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        yield connection
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise NotCanonical(f"SQLite says: {error}") from error
    finally:
        connection.close()


def complete(path: Path, runs: Runs, prefix: bytes, left_out: tuple[str, ...]) -> None:
    """Build the indexes that an image lacks. `runs` are the rowids of the table, ascending.

    Raises `NotCanonical` where the file is not the image that it should be.
    """
    with opened(path) as connection:
        shape = read_shape(connection)
    known = {index.name for index in shape.left_out(LeaveOut.ALL)}
    if shape.primary_key.name not in left_out or not known.issuperset(left_out):
        raise NotCanonical("its indexes are not those that the backup names")
    _build_primary_key(path, shape, runs, prefix)
    others = [name for name in left_out if name != shape.primary_key.name]
    if others:
        with opened(path, write=True) as connection:
            for name in others:
                quoted = name.replace('"', '""')
                connection.execute(f'REINDEX "{quoted}"')


def _build_primary_key(path: Path, shape: Shape, runs: Runs, prefix: bytes) -> None:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        header = _header(file)
        size = header.page_size
        free = read_freelist(_reader(file, size), header)
        largest = int(runs.start[-1] + runs.length[-1] - 1) if runs.start.size else 0
        tree = plan_tree(runs.rows, largest, size)
        taken = free[: tree.pages - 1]
        more = tree.pages - 1 - taken.size
        new = np.arange(header.page_count + 1, header.page_count + 2 + more, dtype=np.int64)
        new = new[new != header.lock_page][:more]
        numbers = np.concatenate([taken, new, [shape.primary_key.root]])
        for own, pages in build_index(tree, runs, prefix, numbers):
            _write_pages(file, size, own, pages)
        first_trunk, trunks = write_freelist(free[taken.size :], size)
        for number, page in trunks.items():
            os.pwrite(file, page, (number - 1) * size)
        page_count = int(new[-1]) if new.size else header.page_count
        fields = struct.pack(">II", first_trunk, free.size - taken.size)
        os.pwrite(file, fields, FREELIST_FIELDS.start)
        os.pwrite(file, struct.pack(">I", page_count), PAGE_COUNT_FIELD.start)
        os.ftruncate(file, page_count * size)
    finally:
        os.close(file)


def renew_pages(path: Path, prefix: bytes) -> None:
    """Give new ids to a file that was kept as it is, page by page, and rebuild its primary key.

    Raises `NotCanonical` where its shape does not allow that; the file is then of no use.
    """
    with opened(path) as connection:
        shape = read_shape(connection)
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        header = _header(file)
        size = header.page_size
        read = _reader(file, size)
        first_page = read(np.ones(1, np.int64))[0].tobytes()
        plan = plan_image(read, header, shape, LeaveOut.PRIMARY_KEY, first_page)
        parts = []
        for first in range(1, plan.page_count + 1, _BATCH // size):
            count = min(_BATCH // size, plan.page_count + 1 - first)
            flat = np.zeros(count * size + PADDING, np.uint8)
            _read_into(file, flat.data[:-PADDING], (first - 1) * size)
            apply(plan, first, flat)
            leaves = np.flatnonzero(plan.kinds[first - 1 : first - 1 + count] == LEAF)
            parts.append(write_ids(flat, size, leaves, shape.id_column, prefix))
            _pwrite(file, flat.data[:-PADDING], (first - 1) * size)
    finally:
        os.close(file)
    try:
        runs = merge_runs(parts)
    except ValueError as error:
        raise NotCanonical(str(error)) from error
    complete(path, runs, prefix, (shape.primary_key.name,))


def renew_by_sql(path: Path, prefix: bytes) -> None:
    """Give new ids through SQLite, for tables of any shape. Rows are counted off in their order."""
    with opened(path, write=True) as connection:
        if connection.execute(_HAS_ID).fetchone() is None:
            return  # a table without ids has none to renew
        without_rowid = connection.execute(
            "SELECT wr FROM pragma_table_list('data') WHERE schema = 'main'"
        ).fetchone()
        key = "id" if without_rowid == (1,) else "rowid"
        connection.execute(
            "UPDATE data SET id = ? || printf('%010x', new.n) FROM"  # noqa: S608  # two constants
            f" (SELECT {key} AS old, row_number() OVER (ORDER BY {key}) AS n FROM data) AS new"
            f" WHERE data.{key} = new.old",
            (prefix[:PREFIX_LENGTH].decode("ascii"),),
        )


def check(path: Path, rows: int) -> None:
    """Check a finished database, and bring it to disk.

    Its b-trees must be sound, and its table and its primary key must both have `rows` entries.
    Raises `NotCanonical`, saying what is wrong.
    """
    with opened(path) as connection:
        connection.execute("PRAGMA cell_size_check = ON")
        verdict = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
        if verdict != ["ok"]:
            raise NotCanonical("SQLite finds it malformed: " + "; ".join(verdict)[:300])
        counts = {connection.execute("SELECT count(*) FROM data NOT INDEXED").fetchone()[0]}
        for (name,) in connection.execute(
            "SELECT name FROM pragma_index_list('data') WHERE origin = 'pk' AND partial = 0"
        ).fetchall():
            counts.add(_entries(connection, name))
        if counts != {rows}:
            found = " and ".join(str(count) for count in sorted(counts))
            raise NotCanonical(f"it has {found} rows where the backup has {rows}")
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _entries(connection: sqlite3.Connection, index: str) -> int:
    quoted = index.replace('"', '""')
    try:
        (count,) = connection.execute(
            f'SELECT count(*) FROM data INDEXED BY "{quoted}"'  # noqa: S608  # quoted
        ).fetchone()
    except sqlite3.OperationalError:  # WITHOUT ROWID: the primary key is the table
        (count,) = connection.execute("SELECT count(*) FROM data").fetchone()
    return int(count)


def _header(file: int) -> Header:
    try:
        return parse_header(os.pread(file, HEADER_SIZE, 0), os.fstat(file).st_size)
    except NotADatabase as error:
        raise NotCanonical(f"it {error}") from error


def _reader(file: int, size: int) -> ReadPages:
    def read(numbers: Ints) -> Bytes:
        pages = np.empty((numbers.size, size), np.uint8)
        for row, number in zip(pages, numbers.tolist(), strict=True):
            _read_into(file, row.data, (number - 1) * size)
        return pages

    return read


def _read_into(file: int, buffer: memoryview, offset: int) -> None:
    while buffer:
        got = os.preadv(file, [buffer], offset)
        if not got:
            raise NotCanonical("it is cut short")
        buffer, offset = buffer[got:], offset + got


def _write_pages(file: int, size: int, numbers: Ints, pages: Bytes) -> None:
    """Write pages, neighbours together."""
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    for part, own in zip(np.split(pages, breaks), np.split(numbers, breaks), strict=True):
        _pwrite(file, part.reshape(-1).data, (int(own[0]) - 1) * size)


def _pwrite(file: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written
