"""Completing a restored device's database: what the backup left out, and the checks."""

from __future__ import annotations

import sqlite3
import struct
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from engine.model import LeaveOut
from engine.pages.accounting import LEAF
from engine.pages.btree import PADDING
from engine.pages.canonical import apply, plan_image
from engine.pages.freelist import read_freelist, write_freelist
from engine.pages.header import FREELIST_FIELDS, PAGE_COUNT_FIELD, NotCanonical
from engine.pages.ids import PREFIX_LENGTH, Runs, merge_runs, write_ids
from engine.pages.index import build_index, plan_tree
from engine.pages.shape import Shape, read_shape
from engine.rebuild.pages import Pages

_BATCH = 8 << 20  # bytes that are renewed at once
_HAS_ID = "SELECT name FROM pragma_table_info('data') WHERE name = 'id'"


def complete(pages: Pages, parts: list[Runs], prefix: bytes, left_out: tuple[str, ...]) -> None:
    """Build the indexes that an image lacks. `parts` hold the rowids of the table, in any order.

    Raises `NotCanonical` where the database is not the image that it should be.
    """
    try:
        runs = merge_runs(parts)  # leaves rarely lie in the order of their rows
    except ValueError as error:
        raise NotCanonical(str(error)) from error
    with pages.connect() as connection:
        shape = read_shape(connection)
    known = {index.name for index in shape.left_out(LeaveOut.ALL)}
    if shape.primary_key.name not in left_out or not known.issuperset(left_out):
        raise NotCanonical("its indexes are not those that the backup names")
    _build_primary_key(pages, shape, runs, prefix)
    others = [name for name in left_out if name != shape.primary_key.name]
    if others:
        with pages.connect(write=True) as connection:
            for name in others:
                connection.execute(f"REINDEX {_quoted(name)}")


def _build_primary_key(pages: Pages, shape: Shape, runs: Runs, prefix: bytes) -> None:
    """Write the primary key's index into free pages, and into new ones where they are too few."""
    header = pages.header()
    size = header.page_size
    free = read_freelist(pages.read, header)
    largest = int(runs.start[-1] + runs.length[-1] - 1) if runs.start.size else 0
    tree = plan_tree(runs.rows, largest, size)
    taken = free[: tree.pages - 1]
    more = tree.pages - 1 - taken.size
    new = np.arange(header.page_count + 1, header.page_count + 2 + more, dtype=np.int64)
    new = new[new != header.lock_page][:more]
    page_count = int(new[-1]) if new.size else header.page_count
    pages.resize(page_count)
    numbers = np.concatenate([taken, new, [shape.primary_key.root]])
    with ThreadPoolExecutor(1, "write-index") as pool:  # some pages are written, more are built
        writing: Future[None] | None = None
        for own, built in build_index(tree, runs, prefix, numbers):
            if writing is not None:
                writing.result()
            writing = pool.submit(pages.write, own, built)
        if writing is not None:
            writing.result()
    first_trunk, trunks = write_freelist(free[taken.size :], size)
    for number, trunk in trunks.items():
        pages.patch((number - 1) * size, trunk)
    fields = struct.pack(">II", first_trunk, free.size - taken.size)
    pages.patch(FREELIST_FIELDS.start, fields)
    pages.patch(PAGE_COUNT_FIELD.start, struct.pack(">I", page_count))


def renew_pages(pages: Pages, prefix: bytes) -> None:
    """Give new ids to a database that was kept as it is, and rebuild its primary key.

    Raises `NotCanonical` where its shape does not allow that; what is there then is of no use.
    """
    with pages.connect() as connection:
        shape = read_shape(connection)
    header = pages.header()
    size = header.page_size
    first_page = pages.read(np.ones(1, np.int64))[0].tobytes()
    plan = plan_image(pages.read, header, shape, LeaveOut.PRIMARY_KEY, first_page)
    parts = []
    for first in range(1, plan.page_count + 1, _BATCH // size):
        count = min(_BATCH // size, plan.page_count + 1 - first)
        numbers = np.arange(first, first + count, dtype=np.int64)
        flat = np.concatenate([pages.read(numbers).reshape(-1), np.zeros(PADDING, np.uint8)])
        apply(plan, first, flat)
        leaves = np.flatnonzero(plan.kinds_of(first, count) == LEAF)
        parts.append(write_ids(flat, size, leaves, shape.id_column, prefix))
        pages.write(numbers, flat[: count * size].reshape(count, size))
    complete(pages, parts, prefix, (shape.primary_key.name,))


def renew_by_sql(pages: Pages, prefix: bytes) -> None:
    """Give new ids through SQLite, for tables of any shape. Rows are counted off in their order."""
    with pages.connect(write=True) as connection:
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


def check_trees(pages: Pages) -> None:
    """Check that the b-trees of a finished database are sound. Raises `NotCanonical`."""
    with pages.connect() as connection:
        connection.execute("PRAGMA cell_size_check = ON")
        verdict = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
        if verdict != ["ok"]:
            raise NotCanonical("SQLite finds it malformed: " + "; ".join(verdict)[:300])


def check_rows(pages: Pages, rows: int) -> None:
    """Check that a table and its primary key both have `rows` entries. Raises `NotCanonical`."""
    with pages.connect() as connection:
        counts = {connection.execute("SELECT count(*) FROM data NOT INDEXED").fetchone()[0]}
        for (name,) in connection.execute(
            "SELECT name FROM pragma_index_list('data') WHERE origin = 'pk' AND partial = 0"
        ).fetchall():
            counts.add(_entries(connection, name))
        if counts != {rows}:
            found = " and ".join(str(count) for count in sorted(counts))
            raise NotCanonical(f"it has {found} rows where the backup has {rows}")


def _entries(connection: sqlite3.Connection, index: str) -> int:
    """How many entries an index has; SQLite answers count(*) from whatever b-tree is smallest."""
    try:
        (count,) = connection.execute(
            f"SELECT total(1) FROM data INDEXED BY {_quoted(index)}"  # noqa: S608  # quoted
        ).fetchone()
    except sqlite3.OperationalError:  # WITHOUT ROWID: the primary key is the table
        (count,) = connection.execute("SELECT count(*) FROM data").fetchone()
    return int(count)


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
