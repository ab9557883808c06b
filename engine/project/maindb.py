"""The main database on its way into a backup: the rows that belong there, and no token."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from engine.names import shown
from engine.project.instance import names_file
from engine.project.marks import Scrubber
from engine.project.table_copy import copy_tables
from engine.project.tables import (
    Row,
    Table,
    Value,
    as_text,
    database_errors,
    read_columns,
)

EMPTY_TABLES = frozenset({"account_token", "analysis_log"})
_DEVICE_COLUMNS = {"device": "id", "device_token": "device_id", "device_params": "device_id"}
_KNOWN_TABLES = EMPTY_TABLES | {
    "account",
    "action",
    "analysis",
    "device",
    "device_params",
    "device_token",
    "migrations",
    "migrations_lock",
    "statistic",
}


class DeviceRow(NamedTuple):
    """A device as data.db knows it. Its id comes from there: it may hold anything."""

    id: str
    name: str
    type: str  # mutable | immutable


class MainFacts(NamedTuple):
    """What a copy of data.db holds.

    `unusable` are ids of devices that cannot be names of files, or are those of another's: such
    devices are left out, with their tokens. `rows` gives the rows of every table, to be checked at
    a restore. `scrub` takes the tokens out of any other text of the same instance.
    """

    devices: tuple[DeviceRow, ...]
    unusable: tuple[str, ...]
    actions: int
    analyses: int
    accounts: int
    rows: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
    scrub: Scrubber


def copy_main(source: sqlite3.Connection, target: Path, mark_prefix: str) -> MainFacts:
    """Write what of data.db belongs in a backup to a new file at `target` (0600).

    `source` is an open connection on a private copy that nobody changes meanwhile. Console logs
    and log-in tokens get no rows; every token is replaced by a mark wherever it stands. The
    prefix must be one that nobody can guess: marks become tokens again. The same source and
    prefix give the same bytes. Raises `SourceDamaged` when the source cannot be read and
    `StorageFailed` when the target cannot be written; no file is left then.
    """
    with database_errors("data.db"):
        scrub = _learn(source, mark_prefix)
        devices, unusable = _devices(source)
    notes: list[str] = []

    def change(table: Table, rows: list[Row]) -> list[Row]:
        device = _DEVICE_COLUMNS.get(table.name.lower())
        if unusable and device is not None:
            rows = _without(table, rows, device, unusable)
        scrubbed = scrub.rows(rows)
        match table.name.lower():
            case "device_token":
                return _with_marks(table, rows, scrubbed, scrub)
            case "action":
                return _without_lost_fallbacks(table, scrubbed, scrub, notes)
        return scrubbed

    copied = copy_tables(source, target, change, empty=EMPTY_TABLES)
    counts = {name.lower(): count for name, count in copied.rows}
    notes += (f"The {what} is not in the backup." for what in copied.left_out)
    notes += (
        f"The table {shown(name)} is none of TagoCore's own; it is in the backup with {count} rows."
        for name, count in copied.rows
        if name.lower() not in _KNOWN_TABLES
    )
    if scrub.short_tokens:
        notes.append(
            f"{scrub.short_tokens} tokens are shorter than TagoCore makes them. They are not in "
            "the backup as tokens, but the same words may stand in other texts."
        )
    return MainFacts(
        devices=devices,
        unusable=unusable,
        actions=counts.get("action", 0),
        analyses=counts.get("analysis", 0),
        accounts=counts.get("account", 0),
        rows=copied.rows,
        notes=tuple(notes),
        scrub=scrub,
    )


def copy_plugin_storage(source: sqlite3.Connection, target: Path, scrub: Scrubber) -> None:
    """Write a plugin's storage to a new file at `target` (0600), with marks for the tokens.

    `source` and the errors are as for `copy_main`; `scrub` is what that gave.
    """
    copy_tables(source, target, lambda _, rows: scrub.rows(rows))


def _learn(source: sqlite3.Connection, mark_prefix: str) -> Scrubber:
    device, account = (
        [
            (int(number) if number else place, token)
            for place, (number, token) in enumerate(
                read_columns(source, table, ("rowid", "token")), start=1
            )
            if token
        ]
        for table in ("device_token", "account_token")
    )
    return Scrubber(mark_prefix, device, account)


def _devices(source: sqlite3.Connection) -> tuple[tuple[DeviceRow, ...], tuple[str, ...]]:
    """The devices, and the ids of those that can have no file of their own."""
    devices: dict[str, DeviceRow] = {}  # by what a file system may take for the same name
    unusable = []
    for identity, name, kind in read_columns(source, "device", ("id", "name", "type")):
        device = DeviceRow(identity or "", name or "", kind or "")
        if names_file(device.id) and device.id.casefold() not in devices:
            devices[device.id.casefold()] = device
        else:
            unusable.append(device.id)
    return tuple(devices.values()), tuple(unusable)


def _without(table: Table, rows: list[Row], column: str, devices: tuple[str, ...]) -> list[Row]:
    """The rows of a table that are not of these devices."""
    place = table.place(column)
    if place is None:
        return rows
    return [row for row in rows if (as_text(row[place]) or "") not in devices]


def _with_marks(table: Table, rows: list[Row], scrubbed: list[Row], scrub: Scrubber) -> list[Row]:
    """Rows of device_token, each with a mark of its own, however its token is written.

    The last authorization goes too: it may hold a part of a token.
    """
    token, authorization = table.place("token"), table.place("last_authorization")

    def kept(row: Row, place: int, value: Value) -> Value:
        if place == authorization:
            return None
        text = as_text(row[place]) if place == token else None
        return scrub.mark_of(text) if text else value

    return [
        tuple(kept(row, place, value) for place, value in enumerate(clean))
        for row, clean in zip(rows, scrubbed, strict=True)
    ]


def _without_lost_fallbacks(
    table: Table, rows: list[Row], scrub: Scrubber, notes: list[str]
) -> list[Row]:
    """Rows of action without fallback tokens of devices that are gone; each is told in a note."""
    name = table.place("name")
    changed: list[Row] = []
    for row in rows:
        values, lost = [], False
        for value in row:
            text, unknown = scrub.fallback(value) if isinstance(value, str) else (value, False)
            values.append(text)
            lost = lost or unknown
        changed.append(tuple(values))
        if lost:
            called = as_text(row[name]) if name is not None else None
            notes.append(
                f"The action {shown(called or '')} has a fallback token that no device has; "
                "it is not in the backup."
            )
    return changed
