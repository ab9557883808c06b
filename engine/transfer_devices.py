"""The devices of two projects, and new ones in a target: tasks of child processes."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from engine.errors import Failed
from engine.project.device_database import MUTABLE, create_device_database, make_tables
from engine.project.ids import new_object_id
from engine.project.tables import database_errors, quote, read_columns, read_text

MUTABLE_LIMIT = 50_000  # rows, at which TagoCore takes no more for a mutable device
_BUSY = "PRAGMA busy_timeout = 5000"
# what is the source's own: where its code is, and what it has seen
_NOT_COPIED = frozenset(
    {"id", "payload_parser", "last_input", "last_output", "inspected_at", "last_retention"}
)


_LOOK_EVERY = 10_000  # instructions of SQLite's
# from one to the next by the index, however many rows each has
_VARIABLES = (
    "WITH RECURSIVE each(name) AS (SELECT min(variable) FROM data UNION ALL "
    "SELECT (SELECT min(variable) FROM data WHERE variable > name) FROM each "
    "WHERE name IS NOT NULL) SELECT name FROM each WHERE typeof(name) = 'text'"
)


class DeviceRow(NamedTuple):
    """A device as its project's main database describes it."""

    id: str
    name: str
    active: bool
    mutable: bool
    period: str  # of its chunks; '' for none
    retention: int | None  # how many of them are kept


def devices_of(database: str) -> list[DeviceRow]:
    """All devices of a project, by the path of its data.db."""
    columns = ("id", "name", "active", "type", "chunk_period", "chunk_retention")
    with database_errors("data.db"), closing(_reader(database)) as connection:
        rows = read_columns(connection, "device", columns)
    return [
        DeviceRow(
            key,
            name or "",
            active is None or active not in ("0", "0.0"),
            kind == MUTABLE,
            period or "" if kind != MUTABLE else "",
            int(kept) if kept is not None and kept.isdecimal() else None,
        )
        for key, name, active, kind, period, kept in rows
        if key is not None
    ]


def variables_of(files: Sequence[str], seconds: float) -> tuple[list[str], int]:
    """The variables in devices' databases, sorted, and how many of the files were looked into.

    It ends after `seconds`. A file that is not there, or that cannot be read, has none: whatever
    moves its rows tells so.
    """
    found: set[str] = set()
    until = time.monotonic() + seconds
    for number, file in enumerate(files):
        if time.monotonic() >= until:
            return sorted(found), number
        with contextlib.suppress(sqlite3.Error), closing(_reader(file)) as connection:
            # without its index this would be slow
            connection.set_progress_handler(lambda: time.monotonic() >= until, _LOOK_EVERY)
            connection.text_factory = read_text
            found |= {name for (name,) in connection.execute(_VARIABLES) if isinstance(name, str)}
    return sorted(found), len(files)


def count_rows(path: str) -> int:
    """How many rows a device's database holds."""
    with database_errors(Path(path).name), closing(_reader(path)) as database:
        (count,) = database.execute("SELECT count(*) FROM data").fetchone()
    return int(count)


def full_reason() -> str:
    """Why a mutable device takes no more."""
    return f"a mutable device holds {MUTABLE_LIMIT:,} rows at most"


class Made(NamedTuple):
    """A device that was made."""

    id: str
    tokens: int
    had_parser: bool


def make_device(
    source: str,
    target: str,
    devices: str,
    device: str,
    held: Mapping[str, str | int | None],
    now: datetime,
) -> Made:
    """Make a device of a source's data.db in the target's, without rows, with tokens of its own.

    It keeps its id unless the target knows that for another device. `devices` is the folder of the
    target's device files, `held` the settings that a quiet source holds back. Raises `Failed` where
    the file of a device that was deleted is in the way.
    """
    mend(source)
    uri = f"{Path(target).absolute().as_uri()}?mode=rw"
    with (
        database_errors("data.db"),
        closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection,
    ):
        connection.execute(_BUSY)
        connection.execute("ATTACH ? AS source", (f"{Path(source).absolute().as_uri()}?mode=ro",))
        connection.execute("BEGIN IMMEDIATE")
        try:
            made = _make(connection, Path(devices), device, held, now)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return made


def _make(
    connection: sqlite3.Connection,
    devices: Path,
    device: str,
    held: Mapping[str, str | int | None],
    now: datetime,
) -> Made:
    known = "SELECT 1 FROM main.device WHERE id = ?"
    key = device
    while connection.execute(known, (key,)).fetchone():
        key = new_object_id(now)
    moment = int(now.timestamp() * 1000)
    both = [name for name in _columns(connection, "device") if name not in _NOT_COPIED]
    listed = ", ".join(map(quote, both))
    connection.execute(
        f"INSERT INTO main.device (id, {listed}) SELECT ?, {listed} FROM source.device "  # noqa: S608  # quoted
        "WHERE id = ?",
        (key, device),
    )
    changes: dict[str, str | int | None] = {"created_at": moment, "updated_at": moment, **held}
    for name, value in changes.items():
        if name in both:
            connection.execute(
                f"UPDATE main.device SET {quote(name)} = ? WHERE id = ?",  # noqa: S608  # quoted
                (value, key),
            )
    tokens = connection.execute(
        "SELECT name, permission, expire_time FROM source.device_token WHERE device_id = ? "
        "ORDER BY rowid",
        (device,),
    ).fetchall()
    connection.executemany(
        "INSERT INTO main.device_token (token, name, permission, expire_time, device_id, "
        "created_at) VALUES (?, ?, ?, ?, ?, ?)",
        [(str(uuid4()), *token, key, moment) for token in tokens],
    )
    if _columns(connection, "device_params"):
        for row in connection.execute(
            'SELECT "key", value, sent FROM source.device_params WHERE device_id = ? '
            "ORDER BY rowid",
            (device,),
        ).fetchall():
            connection.execute(
                'INSERT INTO main.device_params (id, "key", value, sent, device_id) '
                "VALUES (?, ?, ?, ?, ?)",
                (new_object_id(now), *row, key),
            )
    (kind, parser) = connection.execute(
        f"SELECT type, {'payload_parser' if _has_parser(connection) else 'NULL'} "  # noqa: S608  # ours
        "FROM source.device WHERE id = ?",
        (device,),
    ).fetchone()
    _make_file(devices / f"{key}.db", str(kind))
    return Made(key, len(tokens), bool(parser))


def make_file(path: str, mutable: bool) -> None:
    """Make the database that a device of the target lacks, as TagoCore would by itself."""
    _make_file(Path(path), MUTABLE if mutable else "immutable")


def _make_file(path: Path, kind: str) -> None:
    """Make a device's database; an empty one, which an interrupted transfer left, is taken."""
    try:
        create_device_database(path, kind)
    except FileExistsError:
        if not _is_unused(path, kind):
            raise Failed(
                f"The file {path.name} of a device that was deleted is in the way."
            ) from None


def _is_unused(path: Path, kind: str) -> bool:
    """Whether a device's database has no rows. One without a table was cut short: it gets its own.

    It is opened to be written: a journal of what was cut short is rolled back by that.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.execute(_BUSY)
            if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None:
                return connection.execute("SELECT 1 FROM data LIMIT 1").fetchone() is None
        make_tables(path, kind)
    except sqlite3.Error:
        return False
    return True


def _has_parser(connection: sqlite3.Connection) -> bool:
    return "payload_parser" in _names(connection, "device", "source")


def _columns(connection: sqlite3.Connection, table: str) -> Sequence[str]:
    """The columns of a table that both projects have."""
    theirs = _names(connection, table, "main")
    return [name for name in _names(connection, table, "source") if name in theirs]


def _names(connection: sqlite3.Connection, table: str, schema: str) -> list[str]:
    found = connection.execute("SELECT name FROM pragma_table_info(?, ?)", (table, schema))
    return [str(name).lower() for (name,) in found]


def mend(database: str) -> None:
    """Roll back what a program that was killed left half-done, as whoever opens it to write does.

    A connection that only reads cannot, and would fail.
    """
    if Path(f"{database}-journal").exists():
        uri = f"{Path(database).absolute().as_uri()}?mode=rw"
        with contextlib.suppress(sqlite3.Error), closing(sqlite3.connect(uri, uri=True)) as opened:
            opened.execute(_BUSY)
            opened.execute("SELECT 1 FROM sqlite_master").fetchone()


def _reader(database: str) -> sqlite3.Connection:
    mend(database)
    uri = f"{Path(database).absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    connection.execute(_BUSY)
    return connection
