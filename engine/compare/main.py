"""What differs between two main databases, in the owner's terms.

What changes by itself is no difference: when a device was last heard of, when an action last ran.
Values are not told, for some are secret: only what they are called.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from engine.model import Thing, Things
from engine.project.tables import read_columns

_DEVICE = {
    "name": "name",
    "active": "active",
    "tags": "tags",
    "connector": "connector",
    "network": "network",
    "payload_parser": "payload parser",
    "chunk_period": "chunk period",
    "chunk_retention": "data retention",
    "data_retention": "data retention",
    "encoder_stack": "encoders",
    "type": "type",
}
_ACTION = {
    "name": "name",
    "active": "active",
    "tags": "tags",
    "action": "what it does",
    "device_info": "devices",
    "trigger": "trigger",
    "type": "type",
    "lock": "lock",
}
_ANALYSIS = {
    "name": "name",
    "active": "active",
    "tags": "tags",
    "binary_path": "program",
    "file_path": "code file",
    "options": "options",
    "variables": "environment variables",
}
_ACCOUNT = {
    "name": "name",
    "username": "username",
    "password": "password",
    "password_hint": "password hint",
}
_TOKEN = ("name", "permission", "expire_time", "network_id", "serie_number", "token")
_PARAMETER = ("key", "value")


class MainChanges(NamedTuple):
    """What differs between two main databases."""

    devices: Things
    actions: Things
    analyses: Things
    accounts: Things


class _Kept(NamedTuple):
    """Something that has an id: its name, and what is to be compared, by what it is called."""

    name: str
    facets: Mapping[str, tuple[object, ...]]


def changes_between(before: sqlite3.Connection, after: sqlite3.Connection) -> MainChanges:
    """Compare two main databases as they are stored: with marks in the place of tokens."""

    def both(read: Callable[[sqlite3.Connection], dict[str, _Kept]]) -> Things:
        return _things(read(before), read(after))

    return MainChanges(
        devices=both(_devices),
        actions=both(lambda database: _plain(database, "action", _ACTION)),
        analyses=both(lambda database: _plain(database, "analysis", _ANALYSIS)),
        accounts=both(lambda database: _plain(database, "account", _ACCOUNT)),
    )


def _things(before: Mapping[str, _Kept], after: Mapping[str, _Kept]) -> Things:
    changed = []
    for key in after:
        if key in before:
            ours, theirs = before[key].facets, after[key].facets
            words = [word for word in theirs if ours.get(word) != theirs[word]]
            if words:
                changed.append(Thing(key, after[key].name, tuple(words)))
    return Things(
        added=tuple(Thing(key, each.name) for key, each in after.items() if key not in before),
        removed=tuple(Thing(key, each.name) for key, each in before.items() if key not in after),
        changed=tuple(changed),
    )


def _plain(database: sqlite3.Connection, table: str, words: Mapping[str, str]) -> dict[str, _Kept]:
    """The rows of a table by their ids."""
    columns = tuple(words)
    found = {}
    for key, *values in read_columns(database, table, ("id", *columns)):
        facets: dict[str, tuple[object, ...]] = {}
        for column, value in zip(columns, values, strict=True):
            word = words[column]
            facets[word] = (*facets.get(word, ()), value)
        found[key or ""] = _Kept(values[0] or "", facets)
    return found


def _devices(database: sqlite3.Connection) -> dict[str, _Kept]:
    devices = _plain(database, "device", _DEVICE)
    tokens = _of_devices(database, "device_token", _TOKEN)
    parameters = _of_devices(database, "device_params", _PARAMETER)
    return {
        key: kept._replace(
            facets={
                **kept.facets,
                "tokens": tokens.get(key, ()),
                "configuration parameters": parameters.get(key, ()),
            }
        )
        for key, kept in devices.items()
    }


def _of_devices(
    database: sqlite3.Connection, table: str, columns: tuple[str, ...]
) -> dict[str, tuple[object, ...]]:
    """What belongs to each device, in an order of its own."""
    found = defaultdict(list)
    for device, *values in read_columns(database, table, ("device_id", *columns)):
        found[device or ""].append([value or "" for value in values])
    return {device: tuple(map(tuple, sorted(rows))) for device, rows in found.items()}
