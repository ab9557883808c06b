"""Whether a data.db is TagoCore's, found out without disturbing a running TagoCore."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from engine.errors import Busy, NotAnInstance, SourceDamaged, StorageFailed
from engine.names import shown_path
from engine.project.tables import as_text, primary_code, read_text

BUSY_MILLISECONDS = 5000
REQUIRED_TABLES = ("account", "action", "analysis", "device", "device_token")
_LEFT_IN_CHANGE = (
    "data.db was left in the middle of a change by a program that was killed: its tables are "
    "looked at when it is backed up."
)


def main_tables(database: Path, *, locked: bool = False) -> tuple[str, ...]:
    """The names of the tables in data.db, in lower case and in their order.

    Read through SQLite, which then neither locks the file nor makes any beside it: what a running
    TagoCore is just changing may be missed. With `locked` it is read at one committed moment.
    Raises `sqlite3.DatabaseError` with what SQLite says.
    """
    uri = f"{database.absolute().as_uri()}?{'mode=ro' if locked else 'immutable=1'}"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.text_factory = read_text
        connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
        found = connection.execute(
            "SELECT lower(name) FROM sqlite_master WHERE type = 'table' ORDER BY rowid"
        )
        return tuple(as_text(name) or "" for (name,) in found)


def _missing_tables(database: Path, *, locked: bool) -> list[str]:
    present = main_tables(database, locked=locked)
    return [name for name in REQUIRED_TABLES if name not in present]


def check_tables(database: Path) -> tuple[str, ...]:
    """Check that data.db is TagoCore's; gives notes for its owner.

    Raises `NotAnInstance` when it is not SQLite or lacks tables, naming them, `Busy`,
    `StorageFailed` or `SourceDamaged` when it cannot be read.
    """
    try:
        try:
            missing = _missing_tables(database, locked=False)
        except sqlite3.DatabaseError:
            missing = list(REQUIRED_TABLES)
        if missing:  # perhaps it was being changed: now look at a committed moment
            missing = _missing_tables(database, locked=True)
    except sqlite3.DatabaseError as error:
        _refuse(database, error)
        # a hot journal or a WAL without its index: to look at it would mean to mend it
        return (_LEFT_IN_CHANGE,)
    if missing:
        raise NotAnInstance(
            f"{shown_path(database)} is not TagoCore's: it lacks the tables {', '.join(missing)}."
        )
    return ()


def _refuse(database: Path, error: sqlite3.DatabaseError) -> None:
    """Raise what the owner should read, unless the file may only need mending."""
    code = primary_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        raise Busy(
            f"{shown_path(database)} was locked by another program for 5 seconds."
        ) from error
    effective = os.access in os.supports_effective_ids
    if not os.access(database, os.R_OK, effective_ids=effective):
        raise StorageFailed(
            f"The main database {shown_path(database)} may not be read.",
            hint="Nothing was changed. Let the user that runs Backstay read it.",
        ) from error
    if code == sqlite3.SQLITE_NOTADB:
        raise NotAnInstance(f"{shown_path(database)} is not a SQLite database.") from error
    if code not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        raise SourceDamaged(f"{shown_path(database)} cannot be read: {error}.") from error
