"""What an export tells of devices, actions, analyses and accounts: only what is no secret.

Columns are chosen one by one, so that what a later TagoCore adds is left out until it is looked at.
Addresses and headers that actions call, and the values of analyses' variables, are as good as
passwords, and left out, too.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from engine.errors import RepositoryDamaged
from engine.model import HeldItem, iso
from engine.project.tables import database_errors, open_unchanging, read_columns

_JSON = frozenset({"tags", "trigger", "device_info", "action", "variables"})
_TIMES = frozenset({"created_at", "updated_at", "last_run", "last_triggered"})
_FLAGS = frozenset({"active", "lock"})
_OF_AN_ACTION = ("type", "script", "to", "number", "subject", "message")
_COLUMNS = {
    "actions": (
        "action",
        *("id", "name", "type", "active", "lock", "tags", "trigger", "device_info", "action"),
        *("last_triggered", "created_at", "updated_at"),
    ),
    "analyses": (
        "analysis",
        *("id", "name", "active", "tags", "variables", "last_run", "created_at", "updated_at"),
    ),
    "accounts": ("account", "id", "name", "username", "created_at"),
}
_DEVICE = (
    *("id", "name", "type", "active", "tags", "created_at", "updated_at", "last_input"),
    *("last_output", "chunk_period", "chunk_retention", "data_retention", "connector", "network"),
)


class DeviceFacts(NamedTuple):
    """A device as its project's main database has it: texts as they are stored there.

    `params` is JSON text: a list of the configuration parameters.
    """

    id: str | None
    name: str | None
    type: str | None
    active: str | None
    tags: str | None
    created_at: str | None
    updated_at: str | None
    last_input: str | None
    last_output: str | None
    chunk_period: str | None
    chunk_retention: str | None
    data_retention: str | None
    connector: str | None
    network: str | None
    params: str | None


def devices(database: Path, held: Sequence[HeldItem]) -> list[DeviceFacts]:
    """All devices, with the settings that they had before they were held. Blocks."""
    was = _before(held)
    with _reading(database) as connection:
        params: dict[str, list[dict[str, object]]] = {}
        columns = ("device_id", "key", "value", "sent")
        for device, key, value, sent in read_columns(connection, "device_params", columns):
            one = {"key": key, "value": value, "sent": _flag(sent)}
            params.setdefault(device or "", []).append(one)
        found = []
        for row in read_columns(connection, "device", _DEVICE):
            identity = row[0] or ""
            values = [
                was.get((identity, column), value)
                for column, value in zip(_DEVICE[1:], row[1:], strict=True)
            ]
            told = json.dumps(params.get(identity, []))
            found.append(DeviceFacts._make((identity, *values, told)))
    return found


def lists(database: Path, held: Sequence[HeldItem]) -> dict[str, bytes]:
    """The JSON documents of actions, analyses and accounts, by the name of each. Blocks."""
    was = _before(held)
    with _reading(database) as connection:
        return {
            what: json.dumps(_list(connection, table, columns, was), indent=1).encode() + b"\n"
            for what, (table, *columns) in _COLUMNS.items()
        }


def _list(
    connection: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    was: Mapping[tuple[str, str], str | None],
) -> list[dict[str, object]]:
    return [
        {
            column: _told(column, was.get((row[0] or "", column), value))
            for column, value in zip(columns, row, strict=True)
        }
        for row in read_columns(connection, table, columns)
    ]


def _reading(database: Path) -> closing[sqlite3.Connection]:
    with database_errors(database.name, RepositoryDamaged):
        return closing(open_unchanging(database))


def _before(held: Sequence[HeldItem]) -> dict[tuple[str, str], str | None]:
    return {(item.id, item.column): None if item.was is None else str(item.was) for item in held}


def _told(column: str, value: str | None) -> object:
    if value is None:
        return None
    if column in _FLAGS:
        return _flag(value)
    if column in _TIMES:
        return _moment(value)
    if column not in _JSON:
        return value
    found = _json(value)
    if column == "variables":  # of an analysis: each has a key, and a value that may be a password
        each = found if isinstance(found, list) else []
        return [one["key"] for one in each if isinstance(one, dict) and "key" in one]
    if column == "action":
        known = found if isinstance(found, dict) else {}
        return {key: known[key] for key in _OF_AN_ACTION if key in known}
    return found


def _flag(value: str | None) -> object:
    return {"1": True, "0": False}.get(value, value) if value is not None else None


def _moment(value: str) -> object:
    try:
        return iso(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(value)))
    except (ValueError, OverflowError):
        return value


def _json(text: str) -> object:
    """What a JSON text holds; the text itself where it is none that every reader takes."""
    try:
        found = json.loads(text)
        json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return found
