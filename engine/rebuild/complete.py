"""Completing a restored device's database: what the backup left out, and the checks."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np

from engine.model import LeaveOut
from engine.pages.accounting import LEAF
from engine.pages.btree import PADDING, Ints, walk
from engine.pages.canonical import apply, plan_image
from engine.pages.entries import EntryMaker
from engine.pages.header import NotCanonical
from engine.pages.ids import PREFIX_LENGTH, Runs, merge_runs, write_ids
from engine.pages.index import Tree, build_index, plan_tree
from engine.pages.order import Sorter
from engine.pages.records import Others, Unbuildable, read_fields, read_rows
from engine.pages.secondary import fill, lay_out
from engine.pages.shape import Index, Shape, read_shape
from engine.pages.slices import slices
from engine.project.tables import quote
from engine.rebuild.pages import Pages
from engine.rebuild.space import Space

_BATCH = 8 << 20  # bytes that are renewed at once
_SORTED_IN_MEMORY = 32 << 20  # bytes that SQLite sorts at once
_HAS_ID = "SELECT name FROM pragma_table_info('data') WHERE name = 'id'"


def complete(pages: Pages, parts: list[Runs], prefix: bytes, left_out: tuple[str, ...]) -> None:
    """Build the indexes that an image lacks. `parts` hold the rowids of the table, in any order.

    What is built is held in memory, except for the primary key's index. Raises `NotCanonical` where
    the database is not the image that it should be.
    """
    shape, runs, others = look_at(pages, parts, left_out)
    space = Space(pages)
    tree = plan_primary_key(runs, pages.header().page_size)
    numbers = np.append(space.take(tree.pages - 1), shape.primary_key.root)
    space.grow()
    write_primary_key(pages, tree, runs, prefix, numbers)
    left = _build_others(pages, space, shape, others)
    space.settle()
    build_by_sqlite(pages, left)


def look_at(
    pages: Pages, parts: list[Runs], left_out: tuple[str, ...]
) -> tuple[Shape, Runs, list[Index]]:
    """An image's shape, its rowids in their order, and the indexes to build besides the first.

    Raises `NotCanonical` where the database is not the image that it should be.
    """
    try:
        runs = merge_runs(parts)  # leaves rarely lie in the order of their rows
    except ValueError as error:
        raise NotCanonical(str(error)) from error
    with pages.connect() as connection:
        shape = read_shape(connection)
    others = [index for index in shape.others if index.name in left_out]
    if set(left_out) != {shape.primary_key.name, *(index.name for index in others)}:
        raise NotCanonical("its indexes are not those that the backup names")
    return shape, runs, others


def plan_primary_key(runs: Runs, page_size: int) -> Tree:
    """The shape of the primary key's index."""
    largest = int(runs.start[-1] + runs.length[-1] - 1) if runs.start.size else 0
    return plan_tree(runs.rows, largest, page_size)


def write_primary_key(pages: Pages, tree: Tree, runs: Runs, prefix: bytes, numbers: Ints) -> None:
    """Write the primary key's index to the pages `numbers`, its root the last."""
    for own, built in build_index(tree, runs, prefix, numbers):
        pages.write(own, built)


def _build_others(
    pages: Pages, space: Space, shape: Shape, indexes: Sequence[Index]
) -> list[Index]:
    """Write other indexes, as far as that can be done here; gives those that SQLite has to build.

    Raises `NotCanonical` where the table is none.
    """
    columns = {column for index in indexes for column in index.columns or ()}
    if not columns:
        return list(indexes)
    header = pages.header()
    leaves = walk(pages.read, shape.table_root, header.page_count, index=False).leaves
    try:
        rows, _ = read_rows(
            pages.read(leaves.astype(np.int64)), Others(pages.read, header.page_count)
        )
        fields = read_fields(rows, columns)
    except Unbuildable:
        return list(indexes)
    maker, sorter = EntryMaker(rows, fields, header.page_size), Sorter(rows.data, fields)
    left = []
    for index in indexes:
        try:
            if index.columns is None:
                raise Unbuildable
            entries, order = maker.entries(index.columns), sorter.order(index.columns)
            layout = lay_out(entries, order, header.page_size)
        except Unbuildable:
            left.append(index)
        else:
            numbers = np.append(space.take(layout.pages - 1), index.root)
            space.grow()
            pages.write(numbers, fill(layout, numbers))
    return left


def build_by_sqlite(pages: Pages, indexes: Sequence[Index]) -> None:
    """Have SQLite build indexes; it sorts in files, as its memory is limited."""
    if not indexes:
        return
    with pages.connect(write=True) as connection:
        connection.execute("PRAGMA temp_store = FILE")
        connection.execute(f"PRAGMA cache_size = -{_SORTED_IN_MEMORY >> 10}")
        for index in indexes:
            connection.execute(f"REINDEX {quote(index.name)}")


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
    for first, count in slices(plan.page_count, _BATCH // size):
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
        with _without_triggers(connection):
            connection.execute(
                "UPDATE data SET id = ? || printf('%010x', new.n) FROM"  # noqa: S608  # constants
                f" (SELECT {key} AS old, row_number() OVER (ORDER BY {key}) AS n FROM data) AS new"
                f" WHERE data.{key} = new.old",
                (prefix[:PREFIX_LENGTH].decode("ascii"),),
            )


@contextlib.contextmanager
def _without_triggers(connection: sqlite3.Connection) -> Iterator[None]:
    """Take the triggers on the rows away for a while: they are for what their owner changes."""
    triggers = connection.execute(
        "SELECT name, sql FROM sqlite_schema"
        " WHERE type = 'trigger' AND lower(tbl_name) = 'data' ORDER BY rowid"
    ).fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {quote(name)}")
    yield
    for _, statement in triggers:
        connection.execute(statement)


def check_all(pages: Pages, rows: int, *, indexes: bool = False) -> None:
    """`check_rows`, and `check_trees` or, with `indexes`, `check_indexes`."""
    with pages.connect() as connection:
        _check_rows(connection, rows)
        _check(connection, "integrity_check" if indexes else "quick_check")


def check_trees(pages: Pages) -> None:
    """Check that the b-trees of a finished database are sound. Raises `NotCanonical`."""
    with pages.connect() as connection:
        _check(connection, "quick_check")


def check_indexes(pages: Pages) -> None:
    """`check_trees`, and every index against its table, which takes longer."""
    with pages.connect() as connection:
        _check(connection, "integrity_check")


def check_rows(pages: Pages, rows: int) -> None:
    """Check that a table and its primary key both have `rows` entries. Raises `NotCanonical`."""
    with pages.connect() as connection:
        _check_rows(connection, rows)


def _check(connection: sqlite3.Connection, pragma: str) -> None:
    connection.execute("PRAGMA cell_size_check = ON")
    if pragma == "integrity_check":  # it looks through an index at random
        connection.execute("PRAGMA cache_size = -32768")
    verdict = [str(row[0]) for row in connection.execute(f"PRAGMA {pragma}(3)")]
    if verdict != ["ok"]:
        raise NotCanonical("SQLite finds it malformed: " + "; ".join(verdict)[:300])


def _check_rows(connection: sqlite3.Connection, rows: int) -> None:
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
            f"SELECT total(1) FROM data INDEXED BY {quote(index)}"  # noqa: S608  # quoted
        ).fetchone()
    except sqlite3.OperationalError:  # WITHOUT ROWID: the primary key is the table
        (count,) = connection.execute("SELECT count(*) FROM data").fetchone()
    return int(count)
