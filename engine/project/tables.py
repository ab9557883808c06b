"""The tables of a small SQLite database: their shape, and their rows with nothing lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine.errors import Busy, Damaged, SourceDamaged, StorageFailed


@dataclass(frozen=True, slots=True)
class BrokenText:
    """A TEXT value whose bytes are not UTF-8: kept as it is."""

    raw: bytes


Value = int | float | str | bytes | BrokenText | None
Row = tuple[Value, ...]


class Table(NamedTuple):
    """One table: its columns in their order, and what names one row of it.

    `key` is the name of the row number, or the primary key's columns where there is none.
    `row` is what a copy reads and writes: the row number, if there is one, then the columns.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    row: tuple[str, ...]  # quoted

    @property
    def quoted(self) -> str:
        """The name as SQL takes it."""
        return quote(self.name)

    def place(self, column: str) -> int | None:
        """Where in `row` a column stands (its name in lower case), or None if it has none.

        The row number is called ``rowid``.
        """
        if column == "rowid" and len(self.row) > len(self.columns):
            return 0
        names = [name.lower() for name in self.columns]
        if column not in names:
            return None
        return len(self.row) - len(names) + names.index(column)


def open_unchanging(database: Path) -> sqlite3.Connection:
    """SQLite on a database that nobody changes meanwhile: it is only read.

    No lock is taken, and no file is made beside it (sqlite.org/uri.html, "immutable").
    """
    address = f"{database.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, isolation_level=None)


def quote(name: str) -> str:
    """An identifier as SQL takes it, whatever characters it holds."""
    return '"' + name.replace('"', '""') + '"'


def read_text(raw: bytes) -> str | BrokenText:
    """A text factory that loses nothing: text that is not UTF-8 stays as bytes."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return BrokenText(raw)


def read_tables(connection: sqlite3.Connection) -> tuple[Table, ...]:
    """The ordinary tables of a database in their order, without SQLite's own."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
        "ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY rowid"
    ).fetchall()
    return tuple(_read_table(connection, checked_name(name)) for (name,) in found)


def checked_name(value: object) -> str:
    """A name or statement of a schema, raising `SourceDamaged` where it is not text."""
    if not isinstance(value, str):
        raise SourceDamaged("The schema of a database holds a name that is not text.")
    return value


def read_columns(
    connection: sqlite3.Connection, table: str, columns: Sequence[str]
) -> list[tuple[str | None, ...]]:
    """The rows of one table, in their order, as the texts of the columns named in lower case.

    Where the table is not there, there are no rows; where a column is not, its texts are None.
    """
    with texts_kept(connection):
        known = {found.name.lower(): found for found in read_tables(connection)}
        shape = known.get(table)
        if shape is None:
            return []
        row = ", ".join(shape.row)
        reader = connection.execute(
            f"SELECT {row} FROM {shape.quoted} ORDER BY {', '.join(shape.key)}"  # noqa: S608  # quoted
        )
        places = [shape.place(column) for column in columns]
        return [
            tuple(None if place is None else as_text(values[place]) for place in places)
            for values in reader
        ]


def as_text(value: Value) -> str | None:
    """A value as text: bytes as the characters of the same numbers; None stays None."""
    if isinstance(value, BrokenText):
        value = value.raw
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return None if value is None else str(value)


@contextmanager
def texts_kept(connection: sqlite3.Connection) -> Iterator[None]:
    """Read text as `read_text` does for as long as the context lasts."""
    before = connection.text_factory
    connection.text_factory = read_text
    try:
        yield
    finally:
        connection.text_factory = before


def _read_table(connection: sqlite3.Connection, name: str) -> Table:
    described = connection.execute(f"PRAGMA table_xinfo({quote(name)})").fetchall()
    # hidden columns are computed from the others and cannot be written
    columns = tuple(checked_name(column) for _, column, *_, hidden in described if not hidden)
    primary = sorted(
        (place, checked_name(column)) for _, column, *_, place, _ in described if place
    )
    alias = _row_number(connection, name, {column.lower() for column in columns})
    quoted = tuple(quote(column) for column in columns)
    if alias:
        return Table(name, columns, (alias,), (alias, *quoted))
    key = tuple(quote(column) for _, column in primary) or quoted
    return Table(name, columns, key, quoted)


def _row_number(connection: sqlite3.Connection, name: str, columns: set[str]) -> str | None:
    """A name for the row number that no column hides; None in a table WITHOUT ROWID."""
    for alias in ("rowid", "_rowid_", "oid"):
        if alias not in columns:
            try:
                connection.execute(f"SELECT {alias} FROM {quote(name)} LIMIT 0")  # noqa: S608  # quoted
            except sqlite3.OperationalError:
                return None
            return alias
    return None


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where Python itself raised the error."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextmanager
def database_errors(name: str, damaged: type[Damaged] = SourceDamaged) -> Iterator[None]:
    """Turn what SQLite raises while `name` is read or written into errors for its owner.

    `damaged` is what a database that cannot be read means here.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = primary_code(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Busy(f"{name} is locked by another program.") from error
        if code in (
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_READONLY,
        ):
            raise StorageFailed(f"{name} cannot be read or written: {error}.") from error
        raise damaged(f"{name} cannot be read: {error}.") from error
