"""The manifest.json of an export: what is in it, what is not, and what is held back in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from engine.exporting.archive import Member
from engine.model import ExportFormat, HeldItem, MissingCode, iso
from engine.project.content import CONTENT, NOT_INCLUDED
from engine.project.quiet import is_ours
from engine.project.yaml_file import LIMIT
from engine.repository.manifest import DeviceEntry, Manifest

MANIFEST = "manifest.json"
KIND = "backstay-export"
VERSION = 1
_LONGEST = 64 * LIMIT  # bytes; 10,000 devices take some
_NOT_IN_PARQUET = (
    "Passwords",
    "Addresses and headers that actions call",
    "Values of analyses' variables",
    "Statistics",
    "Plugin storage",
    "Settings",
    "Ids of variables",
)


class TokenFacts(NamedTuple):
    """A token that a device had, but for the token itself."""

    device: str
    name: str
    permission: str
    expires: str


class Described(NamedTuple):
    """What is told of an export. `files` gives the path of each device's file in it."""

    form: ExportFormat
    manifest: Manifest
    made: datetime
    files: Mapping[str, str]
    tokens: Sequence[TokenFacts]
    held: Sequence[HeldItem]
    analyses: Sequence[MissingCode]
    parsers: Sequence[MissingCode]
    notes: Sequence[str]


def not_included(form: ExportFormat) -> tuple[str, ...]:
    """What of a project an export does not hold, in the owner's words."""
    never = (*(line.what for line in CONTENT if line.treatment == NOT_INCLUDED), "Device tokens")
    return (*never, *_NOT_IN_PARQUET) if form is ExportFormat.PARQUET else never


def render(described: Described, members: Sequence[Member]) -> bytes:
    """The document, in ASCII; `members` are the other files."""
    manifest = described.manifest
    document = {
        "kind": KIND,
        "version": VERSION,
        "format": described.form.value,
        "backup": {
            "id": manifest.backup,
            "date": iso(manifest.date),
            "kind": manifest.kind.value,
            "project": manifest.project,
            "project_name": manifest.project_name,
        },
        "made": iso(described.made),
        "devices": [_device(device, described.files.get(device.id)) for device in manifest.devices],
        "tables": dict(manifest.main.tables) | {"device_token": 0},
        "not_included": list(not_included(described.form)),
        "device_tokens": [token._asdict() for token in described.tokens],
        "held": [item._asdict() for item in described.held],
        "analyses_without_code": [code._asdict() for code in described.analyses],
        "parsers_without_code": [code._asdict() for code in described.parsers],
        "notes": list(described.notes),
        "files": [member._asdict() for member in members],
    }
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def _device(device: DeviceEntry, file: str | None) -> dict[str, object]:
    return {
        "id": device.id,
        "name": device.name,
        "rows": device.rows,
        "first": iso(device.first_moment),
        "last": iso(device.last_moment),
        "file": file,
        "missing": device.missing or None,
    }


def held_in(root: Path) -> tuple[HeldItem, ...]:
    """What is held back in a folder that was unpacked from an export; nothing for any other.

    Blocks. The file may be anybody's: only settings that a restore would hold are believed.
    """
    try:
        with (root / MANIFEST).open("rb") as file:
            content = file.read(_LONGEST + 1)
        document = json.loads(content) if len(content) <= _LONGEST else None
    except (OSError, ValueError, RecursionError):
        return ()
    if not isinstance(document, dict) or document.get("kind") != KIND:
        return ()
    held = document.get("held")
    items = [_item(each) for each in held] if isinstance(held, list) else []
    return tuple(item for item in items if item is not None)


def _item(value: object) -> HeldItem | None:
    if not isinstance(value, dict) or set(value) != set(HeldItem._fields):
        return None
    kind, identity, name, column, was, held = (value[field] for field in HeldItem._fields)
    if not all(isinstance(text, str) for text in (kind, identity, name, column)):
        return None
    if not all(number is None or _is_plain(number) for number in (was, held)):
        return None
    item = HeldItem(kind, identity, name, column, was, held)
    return item if is_ours(item) else None


def _is_plain(value: object) -> bool:
    """Whether SQLite could hold it as it is."""
    if isinstance(value, bool):
        return False
    return isinstance(value, str) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 63)
