"""Quiet: how a restored project starts, so that it changes nothing before its owner looks at it.

A started TagoCore fires due actions after a minute and applies data retention after ten: a backup
that is older than the retention would be empty. So actions are switched off and retention is put
far away, and what was changed is kept as `HeldItem` facts until the owner wakes the project.

Retention is never cleared. TagoCore deletes the rows whose chunk ended before ``now minus
chunk_retention periods``, and without a number that is everything but the current chunk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from engine.errors import Busy, Failed
from engine.model import HeldItem, QuietItem
from engine.project.tables import (
    Value,
    as_text,
    database_errors,
    primary_code,
    read_tables,
    texts_kept,
)

ACTION = "action"
RETENTION = "data retention"
BUSY_MILLISECONDS = 1000  # as long as TagoCore itself waits
TRIES = 5

_CENTURY = {"day": 36500, "week": 5200, "month": 1200, "quarter": 400}
_FOREVER = "forever"
# what may be held and released: the kind and column of an item, and the table it is in
_TABLES = {
    (ACTION, "active"): "action",
    (RETENTION, "chunk_retention"): "device",
    (RETENTION, "data_retention"): "device",
}

Released = tuple[tuple[QuietItem, ...], tuple[QuietItem, ...]]


def hold(connection: sqlite3.Connection) -> tuple[HeldItem, ...]:
    """Make a restored project's main database quiet, and say what was changed.

    All of it or, when anything fails, nothing; inside the caller's transaction if there is one.
    """
    connection.execute("SAVEPOINT hold")
    try:
        with texts_kept(connection):
            columns = {
                table.name.lower(): {column.lower() for column in table.columns}
                for table in read_tables(connection)
            }
            held = (
                *_hold_actions(connection, columns.get("action", set())),
                *_hold_chunks(connection, columns.get("device", set())),
                *_hold_retention(connection, columns.get("device", set())),
            )
    except BaseException:
        connection.execute("ROLLBACK TO hold")
        raise
    finally:
        connection.execute("RELEASE hold")
    return held


def release(connection: sqlite3.Connection, items: Sequence[HeldItem]) -> Released:
    """Wake a project: put back what `hold` changed, all in one transaction.

    A setting that no longer holds what `hold` put there was changed since, or its row is gone: it
    is left as it is. Gives the items put back, and those left. TagoCore may be running on the
    database. Raises `Busy`, with nothing changed, when it cannot be written for some seconds.
    """
    connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
    for _ in range(TRIES):
        try:
            return _release(connection, items)
        except sqlite3.OperationalError as error:
            if primary_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                with database_errors("data.db"):
                    raise
    raise Busy(
        "The project's main database was in use for several seconds, so it was not woken.",
        hint="It is as quiet as before. Try again in a moment.",
    )


def is_ours(item: HeldItem) -> bool:
    """Whether an item is of a kind that `hold` makes and `release` knows."""
    return (item.kind, item.column) in _TABLES


def still_held(connection: sqlite3.Connection, items: Sequence[HeldItem]) -> tuple[HeldItem, ...]:
    """The items of known kinds whose settings hold what `hold` put there."""
    return tuple(
        item
        for item in items
        if is_ours(item)
        and connection.execute(
            f"SELECT 1 FROM {_TABLES[item.kind, item.column]}"  # noqa: S608  # from our own list
            f" WHERE id = ? AND {item.column} IS ?",
            (item.id, item.held),
        ).fetchone()
    )


def quiet_item(item: HeldItem) -> QuietItem:
    """A held item as its owner reads it."""
    if item.kind == ACTION:
        was = "on"
    elif item.was is None:
        was = "not set"
    else:
        was = str(item.was)
        unit = next((unit for unit, count in _CENTURY.items() if count == item.held), "")
        if unit:
            was += f" {unit}" if was == "1" else f" {unit}s"
    return QuietItem(item.kind, item.id, item.name, was)


def _release(connection: sqlite3.Connection, items: Sequence[HeldItem]) -> Released:
    woken: list[QuietItem] = []
    left: list[QuietItem] = []
    connection.execute("BEGIN IMMEDIATE")
    try:
        for item in items:
            table = _TABLES.get((item.kind, item.column))
            if table is None:
                raise Failed(f"A held setting of the project has an unknown kind: {item.kind!r}.")
            changed = connection.execute(
                f"UPDATE {table} SET {item.column} = ? WHERE id = ? AND {item.column} IS ?",  # noqa: S608  # from our own list
                (item.was, item.id, item.held),
            ).rowcount
            (woken if changed else left).append(quiet_item(item))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return tuple(woken), tuple(left)


def _hold_actions(connection: sqlite3.Connection, columns: set[str]) -> list[HeldItem]:
    if "active" not in columns:
        return []
    found = connection.execute(
        "SELECT id, name, active FROM action WHERE active IS NOT NULL AND active <> 0 "
        "ORDER BY rowid"
    ).fetchall()
    connection.execute("UPDATE action SET active = 0 WHERE active IS NOT NULL AND active <> 0")
    return [
        HeldItem(ACTION, as_text(row) or "", as_text(name) or "", "active", _plain(active), 0)
        for row, name, active in found
    ]


def _hold_chunks(connection: sqlite3.Connection, columns: set[str]) -> list[HeldItem]:
    """Mutable devices have no chunks; whatever else has a period might be cleaned by it."""
    if not {"chunk_period", "chunk_retention"} <= columns:
        return []
    mutable = "AND coalesce(type, '') <> 'mutable'" if "type" in columns else ""
    held = []
    for number, row, name, period, retention in connection.execute(
        "SELECT rowid, id, name, chunk_period, chunk_retention FROM device "  # noqa: S608  # ours
        f"WHERE chunk_period <> '' {mutable} ORDER BY rowid"
    ).fetchall():
        far = _CENTURY.get(as_text(period) or "", _CENTURY["day"])
        if isinstance(retention, int) and retention >= far:
            continue
        connection.execute("UPDATE device SET chunk_retention = ? WHERE rowid = ?", (far, number))
        held.append(
            HeldItem(
                RETENTION,
                as_text(row) or "",
                as_text(name) or "",
                "chunk_retention",
                _plain(retention),
                far,
            )
        )
    return held


def _hold_retention(connection: sqlite3.Connection, columns: set[str]) -> list[HeldItem]:
    if "data_retention" not in columns:
        return []
    which = "data_retention <> '' AND data_retention <> 'forever'"
    found = connection.execute(
        f"SELECT id, name, data_retention FROM device WHERE {which} ORDER BY rowid"  # noqa: S608  # ours
    ).fetchall()
    connection.execute(f"UPDATE device SET data_retention = ? WHERE {which}", (_FOREVER,))  # noqa: S608  # ours
    return [
        HeldItem(
            RETENTION,
            as_text(row) or "",
            as_text(name) or "",
            "data_retention",
            _plain(retention),
            _FOREVER,
        )
        for row, name, retention in found
    ]


def _plain(value: Value) -> str | int | None:
    """A value as a held item keeps it; the column's affinity makes it what it was."""
    return value if isinstance(value, int) else as_text(value)
