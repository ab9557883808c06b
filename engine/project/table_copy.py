"""A copy of a small SQLite database, table by table, into a fresh file.

A copy holds the same tables and indexes in the same order and the same rows under the same row
numbers, values of every type unchanged. It is written from nothing, so that no page of it ever
held what was left out, and the same source gives the same bytes.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from engine.errors import StorageFailed
from engine.names import shown, shown_path
from engine.project.tables import (
    BrokenText,
    Row,
    Table,
    checked_name,
    database_errors,
    read_tables,
    texts_kept,
)

BATCH_ROWS = 256
_KEPT = ("CREATE TABLE ", "CREATE INDEX ", "CREATE UNIQUE INDEX ")  # as SQLite begins them
_WIDE_BATCH_ROWS = 8
_WIDE_BYTES = 4_000_000  # a batch beyond this is followed by small ones: memory stays flat


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds: rows per table, and what of the schema was left out."""

    rows: tuple[tuple[str, int], ...]
    left_out: tuple[str, ...]  # such as "view totals"


Change = Callable[[Table, list[Row]], list[Row]]


def copy_tables(
    source: sqlite3.Connection,
    target: Path,
    change: Change,
    *,
    empty: frozenset[str] = frozenset(),
) -> Copied:
    """Write the tables of `source` into a new file at `target` (0600), rows passed by `change`.

    Tables named in `empty` (lower case) get no rows. Triggers, views and virtual tables are left
    out: nothing that could run by itself is carried along. Rows stream in small batches. The
    caller syncs the file. Raises `SourceDamaged` when the source cannot be read, `StorageFailed`
    when the target cannot be written; the half-made file is then removed.
    """
    _create(target)
    try:
        with (
            texts_kept(source),
            database_errors(target.name),
            closing(sqlite3.connect(target, isolation_level=None)) as fresh,
        ):
            _prepare(source, fresh)
            fresh.execute("BEGIN")
            left_out = _copy_schema(source, fresh)
            rows = tuple(
                (table.name, _copy_rows(source, fresh, table, change, table.name.lower() in empty))
                for table in read_tables(source)
            )
            _copy_sequence(source, fresh)
            fresh.execute("COMMIT")
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Copied(rows, left_out)


def _create(target: Path) -> None:
    try:
        handle = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(handle, 0o600)  # whatever the umask
        finally:
            os.close(handle)
    except OSError as error:
        raise StorageFailed(f"{shown_path(target)} cannot be made: {error.strerror}.") from error


def _prepare(source: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    # the file is thrown away when anything fails, and what is stored was checked where it came from
    for setting in (
        "journal_mode = OFF",
        "synchronous = OFF",
        "secure_delete = ON",
        "foreign_keys = OFF",
        "ignore_check_constraints = ON",
        "trusted_schema = OFF",
    ):
        fresh.execute(f"PRAGMA {setting}")
    for setting in ("page_size", "encoding", "user_version", "application_id"):
        (value,) = source.execute(f"PRAGMA {setting}").fetchone()
        fresh.execute(f"PRAGMA {setting} = '{value}'")


def _copy_schema(source: sqlite3.Connection, fresh: sqlite3.Connection) -> tuple[str, ...]:
    left_out = []
    for kind, name, sql in source.execute(
        "SELECT type, name, sql FROM sqlite_master ORDER BY rowid"
    ).fetchall():
        if checked_name(name).lower().startswith("sqlite_"):
            continue  # SQLite makes its own
        if checked_name(sql).startswith(_KEPT):
            fresh.execute(sql)
        else:
            left_out.append(f"{'virtual ' if kind == 'table' else ''}{kind} {shown(name)}")
    return tuple(left_out)


def _copy_rows(
    source: sqlite3.Connection,
    fresh: sqlite3.Connection,
    table: Table,
    change: Change,
    empty: bool,
) -> int:
    if empty:
        return 0
    row = ", ".join(table.row)
    # ordered by the key, or SQLite might read along an index and pack the pages differently
    reader = source.execute(
        f"SELECT {row} FROM {table.quoted} ORDER BY {', '.join(table.key)}"  # noqa: S608  # quoted
    )
    insert = f"INSERT INTO {table.quoted} ({row}) VALUES"
    written = 0
    size = _WIDE_BATCH_ROWS  # until it is known how wide the rows are
    while rows := reader.fetchmany(size):
        size = _WIDE_BATCH_ROWS if _width(rows) > _WIDE_BYTES else BATCH_ROWS
        _insert(fresh, insert, change(table, rows))
        written += len(rows)
    return written


def _width(rows: Sequence[Row]) -> int:
    """About how many bytes of text and blobs the rows hold."""
    # type() and a list, not isinstance() and a generator: this runs once per value, millions long
    values = chain.from_iterable(rows)
    return sum([len(value) for value in values if type(value) is str or type(value) is bytes])


def _insert(fresh: sqlite3.Connection, insert: str, rows: list[Row]) -> None:
    if BrokenText not in set(map(type, chain.from_iterable(rows))):
        marks = ", ".join("?" * len(rows[0]))
        fresh.executemany(f"{insert} ({marks})", rows)
        return
    for row in rows:
        broken = [type(value) is BrokenText for value in row]
        marks = ", ".join("CAST(? AS TEXT)" if flag else "?" for flag in broken)
        fresh.execute(
            f"{insert} ({marks})",
            [value.raw if isinstance(value, BrokenText) else value for value in row],
        )


def _copy_sequence(source: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    """The numbers at which AUTOINCREMENT goes on, as they are in the source."""
    there = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"
    if not (source.execute(there).fetchone() and fresh.execute(there).fetchone()):
        return
    fresh.execute("DELETE FROM sqlite_sequence")
    fresh.executemany(
        "INSERT INTO sqlite_sequence (rowid, name, seq) VALUES (?, ?, ?)",
        source.execute("SELECT rowid, name, seq FROM sqlite_sequence ORDER BY rowid").fetchall(),
    )
