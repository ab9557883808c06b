"""Manifests as JSON, checked when they come back.

A manifest may have been altered by somebody who holds the key, or damaged on the way: whatever is
read from one is checked for its type, its range and its characters before anybody uses it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from engine.errors import MANIFEST_HINT, RepositoryDamaged, TooNew
from engine.model import BackupKind
from engine.repository.manifest import (
    LIST_NAMES,
    NAME_LENGTH,
    DeviceEntry,
    Image,
    Layout,
    MainEntry,
    Manifest,
    PluginEntry,
    Stamp,
)

FORMAT = 1
MAX_PAGES = 0xFFFFFFFE

BACKUP_ID = re.compile(r"[0-9a-f]{12}")
DEVICE_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
PLUGIN_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
SETTINGS_PATH = re.compile(r"tagocore\.yml|PluginFiles/[0-9A-Za-z_-]{1,64}/settings\.yml")
PACK_ID = re.compile(r"[0-9a-f]{32}")
_TEXT = re.compile(r".{0,100000}", re.DOTALL)  # labels: shown, never used as a path
_TABLE = re.compile(r"[^\x00]{1,200}", re.DOTALL)


def encode(manifest: Manifest) -> bytes:
    """A manifest as JSON."""
    body = {
        "format": FORMAT,
        "backup": manifest.backup,
        "project": manifest.project,
        "project_name": manifest.project_name,
        "path": manifest.path,
        "owners": manifest.owners,
        "port": manifest.port,
        "date": int(manifest.date.timestamp() * 1000),
        "kind": manifest.kind.value,
        "main": {
            "image": _image_json(manifest.main.image),
            "tables": manifest.main.tables,
            "actions": manifest.main.actions,
            "analyses": manifest.main.analyses,
            "accounts": manifest.main.accounts,
            "stamps": [[path, _stamp_json(stamp)] for path, stamp in manifest.main.stamps],
        },
        "devices": [
            {
                "id": device.id,
                "name": device.name,
                "rows": device.rows,
                "first": device.first,
                "last": device.last,
                "image": _image_json(device.image) if device.image else None,
                "missing": device.missing,
                "stamp": _stamp_json(device.stamp) if device.stamp else None,
            }
            for device in manifest.devices
        ],
        "plugins": [
            {"plugin": plugin.plugin, "image": _image_json(plugin.image), "tables": plugin.tables}
            for plugin in manifest.plugins
        ],
        "settings": manifest.settings,
        "packs": manifest.packs,
        "mark_prefix": manifest.mark_prefix,
        "leave_out": manifest.leave_out,
        "size": manifest.size,
        "added": manifest.added,
        "data": manifest.data,
        "longest_lock": manifest.longest_lock,
        "notes": manifest.notes,
        "layout": _layout_json(manifest.layout),
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def _image_json(image: Image) -> dict[str, object]:
    return {
        "page_size": image.page_size,
        "page_count": image.page_count,
        "lists": base64.b64encode(b"".join(image.lists)).decode(),
        "id_column": image.id_column,
        "left_out": image.left_out,
        "lookalikes": image.lookalikes,
        "stored": image.stored,
    }


def _layout_json(layout: Layout) -> list[str]:
    return [layout.plugin, layout.database, layout.devices, layout.storage]


def _stamp_json(stamp: Stamp) -> list[int]:
    return [
        stamp.size,
        stamp.modified,
        stamp.changed,
        stamp.inode,
        stamp.counter,
        stamp.looked,
    ]


T = TypeVar("T")


class _Fields:
    """An object of a manifest; every getter checks what it gives."""

    def __init__(self, raw: object, where: str) -> None:
        self._where = where
        if not isinstance(raw, dict):
            raise self._bad("it")
        self._raw = raw

    def _bad(self, key: str) -> RepositoryDamaged:
        return RepositoryDamaged(
            f"{self._where} is damaged or forged: {key} is not acceptable.", hint=MANIFEST_HINT
        )

    def number(self, key: str, low: int = 0, high: int = 1 << 62) -> int:
        value = self._raw.get(key)
        if type(value) is not int or not low <= value <= high:
            raise self._bad(key)
        return value

    def maybe(self, key: str, get: Callable[[str], T]) -> T | None:
        return None if self._raw.get(key) is None else get(key)

    def seconds(self, key: str) -> float:
        value = self._raw.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise self._bad(key)
        return float(value)

    def text(self, key: str, pattern: re.Pattern[str] = _TEXT) -> str:
        return self.check(key, self._raw.get(key), pattern)

    def check(self, key: str, value: object, pattern: re.Pattern[str]) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self._bad(key)
        return value

    def items(self, key: str, most: int = 1 << 20) -> list[object]:
        value = self._raw.get(key)
        if not isinstance(value, list) or len(value) > most:
            raise self._bad(key)
        return value

    def texts(self, key: str, pattern: re.Pattern[str] = _TEXT) -> tuple[str, ...]:
        return tuple(self.check(key, item, pattern) for item in self.items(key))

    def numbers(self, key: str, most: int, low: int = 0, high: int = 1 << 62) -> tuple[int, ...]:
        values = self.items(key, most)
        for value in values:
            if type(value) is not int or not low <= value <= high:
                raise self._bad(key)
        return tuple(value for value in values if isinstance(value, int))

    def counts(self, key: str) -> tuple[tuple[str, int], ...]:
        pairs = []
        for item in self.items(key):
            if not isinstance(item, list) or len(item) != 2:
                raise self._bad(key)
            name, count = item
            if type(count) is not int or count < 0:
                raise self._bad(key)
            pairs.append((self.check(key, name, _TABLE), count))
        return tuple(pairs)

    def pairs(self, key: str, first: re.Pattern[str]) -> tuple[tuple[str, str], ...]:
        found = []
        for item in self.items(key):
            if not isinstance(item, list) or len(item) != 2:
                raise self._bad(key)
            found.append((self.check(key, item[0], first), self.check(key, item[1], _SETTINGS)))
        return tuple(found)

    def object(self, key: str) -> _Fields:
        return _Fields(self._raw.get(key), self._where)

    def objects(self, key: str) -> Iterable[_Fields]:
        return [_Fields(item, self._where) for item in self.items(key)]

    def packs(self, key: str) -> dict[str, int]:
        value = self._raw.get(key)
        if not isinstance(value, dict):
            raise self._bad(key)
        for pack, size in value.items():
            self.check(key, pack, PACK_ID)
            if type(size) is not int or size < 0:
                raise self._bad(key)
        return dict(value)

    def image(self, key: str, chunk_size: int) -> Image:
        fields = self.object(key)
        page_size = fields.number("page_size", 512, 65536)
        page_count = fields.number("page_count", 1, MAX_PAGES)
        try:
            joined = base64.b64decode(fields.text("lists", _LISTS), validate=True)
        except binascii.Error:
            raise self._bad("lists") from None
        lists = tuple(joined[at : at + NAME_LENGTH] for at in range(0, len(joined), NAME_LENGTH))
        chunks = -(-page_size * page_count // max(chunk_size, page_size))
        if page_size & (page_size - 1) or len(joined) != NAME_LENGTH * -(-chunks // LIST_NAMES):
            raise self._bad("lists")
        return Image(
            page_size=page_size,
            page_count=page_count,
            lists=lists,
            id_column=fields.maybe("id_column", lambda name: fields.number(name, 0, 2000)),
            left_out=fields.texts("left_out", _TABLE),
            lookalikes=fields.numbers("lookalikes", 1 << 16, 1, page_count),
            stored=fields.number("stored"),
        )

    def stamp(self, key: str) -> Stamp:
        values = self.numbers(key, 6)
        if len(values) != 6:
            raise self._bad(key)
        return Stamp(*values)

    def layout(self, key: str) -> Layout:
        texts = self.texts(key)
        if len(texts) != 4:
            raise self._bad(key)
        return Layout(*texts)

    def stamps(self, key: str) -> tuple[tuple[str, Stamp], ...]:
        found = []
        for item in self.items(key):
            if not isinstance(item, list) or len(item) != 2:
                raise self._bad(key)
            named = _Fields({"path": item[0], "stamp": item[1]}, self._where)
            found.append((named.text("path"), named.stamp("stamp")))
        return tuple(found)


_SETTINGS = re.compile(r".{0,2000000}", re.DOTALL)
_LISTS = re.compile(r"[A-Za-z0-9+/=]*")
_NUMBER = 1 << 62


def decode(raw: bytes, backup: str, chunk_size: int) -> Manifest:
    """Read and check a manifest.

    Raises `RepositoryDamaged` for anything that is not as it has to be, and `TooNew`.
    """
    fields, where = _read(raw, backup)
    main = fields.object("main")
    try:
        kind = BackupKind(fields.text("kind"))
        date = datetime.fromtimestamp(fields.number("date", 0, 1 << 47) / 1000, UTC)
    except (ValueError, OverflowError) as error:
        raise RepositoryDamaged(
            f"{where} is damaged: its kind or date is not known.", hint=MANIFEST_HINT
        ) from error
    manifest = Manifest(
        backup=backup,
        project=fields.text("project", BACKUP_ID),
        project_name=fields.text("project_name"),
        path=fields.text("path"),
        owners=fields.texts("owners"),
        port=fields.number("port", 0, 65535),
        date=date,
        kind=kind,
        main=MainEntry(
            image=main.image("image", chunk_size),
            tables=main.counts("tables"),
            actions=main.number("actions"),
            analyses=main.number("analyses"),
            accounts=main.number("accounts"),
            stamps=main.stamps("stamps"),
        ),
        devices=tuple(_device(each, chunk_size) for each in fields.objects("devices")),
        plugins=tuple(
            PluginEntry(
                each.text("plugin", PLUGIN_ID),
                each.image("image", chunk_size),
                each.counts("tables"),
            )
            for each in fields.objects("plugins")
        ),
        settings=fields.pairs("settings", SETTINGS_PATH),
        packs=fields.packs("packs"),
        mark_prefix=fields.text("mark_prefix"),
        leave_out=fields.text("leave_out"),
        size=fields.number("size"),
        added=fields.number("added"),
        data=fields.number("data"),
        longest_lock=fields.seconds("longest_lock"),
        notes=fields.texts("notes"),
        layout=fields.layout("layout"),
    )
    for what, names in (
        ("device", [device.id for device in manifest.devices]),
        ("plugin", [plugin.plugin for plugin in manifest.plugins]),
        ("settings file", [path for path, _ in manifest.settings]),
    ):
        if len({name.casefold() for name in names}) != len(names):
            raise RepositoryDamaged(
                f"{where} is damaged or forged: a {what} stands in it twice.", hint=MANIFEST_HINT
            )
    return manifest


def decode_devices(raw: bytes, backup: str, chunk_size: int, ref: str) -> tuple[DeviceEntry, ...]:
    """Read and check those devices of a manifest that have an id or a name; raises as `decode`."""
    where = f"The manifest of backup {backup}"
    found = _cut_out(raw, backup, ref)
    if found is None:
        fields, where = _read(raw, backup)
        found = [
            item
            for item in fields.items("devices")
            if isinstance(item, dict) and ref in (item.get("id"), item.get("name"))
        ]
    return tuple(_device(_Fields(item, where), chunk_size) for item in found)


def _cut_out(raw: bytes, backup: str, ref: str) -> list[object] | None:
    """The device with an id, cut out of a manifest as `encode` writes it; None for any other.

    Of ten thousand devices this takes a fiftieth of the time that all of it does. What it looks for
    stands in no text of a manifest: quotes in texts are escaped.
    """
    begins = f'{{"format":{FORMAT},"backup":"{backup}",'.encode()
    device = f'{{"id":"{ref}",'.encode("utf-8", "surrogatepass")
    if not (DEVICE_ID.fullmatch(ref) and raw.startswith(begins) and raw.count(device) == 1):
        return None
    text = raw[raw.index(device) :].decode("utf-8", "surrogatepass")
    try:
        return [json.JSONDecoder().raw_decode(text)[0]]
    except (ValueError, RecursionError):
        return None  # then reading all of it says what is wrong


def _read(raw: bytes, backup: str) -> tuple[_Fields, str]:
    """A manifest of a format that is known, and how an error names it."""
    where = f"The manifest of backup {backup}"
    try:
        body = json.loads(raw.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise RepositoryDamaged(
            f"{where} is damaged: it cannot be read.", hint=MANIFEST_HINT
        ) from error
    fields = _Fields(body, where)
    found = fields.number("format")
    if found > FORMAT:
        raise TooNew(f"{where} has the format {found}; this Backstay knows {FORMAT}.")
    if fields.text("backup", BACKUP_ID) != backup:
        raise RepositoryDamaged(f"{where} belongs to another backup.", hint=MANIFEST_HINT)
    return fields, where


def _device(fields: _Fields, chunk_size: int) -> DeviceEntry:
    return DeviceEntry(
        id=fields.text("id", DEVICE_ID),
        name=fields.text("name"),
        rows=fields.number("rows"),
        first=fields.maybe("first", lambda key: fields.number(key, -_NUMBER, _NUMBER)),
        last=fields.maybe("last", lambda key: fields.number(key, -_NUMBER, _NUMBER)),
        image=fields.maybe("image", lambda key: fields.image(key, chunk_size)),
        missing=fields.text("missing"),
        stamp=fields.maybe("stamp", fields.stamp),
    )
