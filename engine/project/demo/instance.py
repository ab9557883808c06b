"""A made-up project's folder, laid out and filled as TagoCore does it."""

from __future__ import annotations

import hashlib
import json
import os
import random
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from engine.errors import Invalid, Taken
from engine.project.demo import schema
from engine.project.demo.chunks import DAY_MS, milliseconds
from engine.project.demo.device_files import write
from engine.project.demo.flavours import SETTINGS, Flavour, Setting
from engine.project.demo.identity import password
from engine.project.demo.main_database import Stretch, compact, write_main
from engine.project.demo.plan import FOUNDED_DAYS, another, plan_devices

# A plugin's folder is named after the MD5 of its package name.
SQLITE_PLUGIN = hashlib.md5(b"@tago-io/tcore-plugin-sqlite", usedforsecurity=False).hexdigest()
MQTT_PLUGIN = hashlib.md5(b"@tago-io/tcore-plugin-mqtt", usedforsecurity=False).hexdigest()

_CODE = {
    "daily-report.js": "console.log('report for', process.env.T_ANALYSIS_ID);\n",
    "alarm.js": "console.log('checked', 12, 'readings');\n",
    "decode-payload.js": "payload = payload.map(x => ({...x, metadata: {parsed: true}}));\n",
}
_FILES = {
    "floor-plan.svg": '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9v4z"/></svg>\n',
    "reports/last-year.csv": "month,mean\n1,-18.1\n2,-17.9\n",
}


def data_folder(folder: Path) -> Path:
    """The SQLite plugin's folder of a made-up project: data.db and devices/ are in it."""
    return folder / "PluginFiles" / SQLITE_PLUGIN


def write_instance(
    folder: Path,
    *,
    seed: int,
    devices: int,
    rows: int,
    until: datetime,
    port: int,
    flavour: Flavour = Flavour.PLANT,
) -> None:
    """Make a project with that many devices and `rows` variables in all, up to `until`.

    Files are dated `until`, folders are 0700 and files 0600. Beside what belongs to the project
    there are the left-over file of a deleted device, analysis code and uploaded files. Raises
    Invalid for fewer than one device or a negative number of rows, and Taken when the folder is
    there already.
    """
    if devices < 1 or rows < 0:
        raise Invalid(
            f"A made-up project needs at least one device and no fewer than 0 rows, "
            f"not {devices} and {rows}."
        )
    if os.path.lexists(folder):
        raise Taken(f"{folder} is there already.", hint="Nothing was changed. Name a new folder.")
    folder = folder.absolute()  # TagoCore's settings name it
    _make_folders(folder)
    setting = SETTINGS[flavour]
    rng = random.Random(f"{seed}/{flavour.value}")  # noqa: S311 — made-up data, repeatable
    end = milliseconds(until)
    planned = plan_devices(rng, setting, devices=devices, rows=rows, until=end)
    last_inputs = []
    data = data_folder(folder)
    for each in planned:
        file = data / "devices" / f"{each.device.id}.db"
        written = write(file, each.device, rng, rows=each.rows, until=end)
        last_inputs.append(written.last_input)
    deleted = replace(another(rng, planned[-1], "deleted", end - 30 * DAY_MS), rows=20)
    file = data / "devices" / f"{deleted.device.id}.db"
    write(file, deleted.device, rng, rows=deleted.rows, until=end - 20 * DAY_MS)
    stretch = Stretch(end - FOUNDED_DAYS * DAY_MS, end)
    code = folder / "code"
    write_main(data / "data.db", rng, setting, planned, last_inputs, stretch, code)
    _write_plugin_storage(data / "plugins" / f"{MQTT_PLUGIN}.db", stretch.founded)
    _write_settings(folder, rng, setting, port)
    for parent, texts in ((code, _CODE), (folder / "files", _FILES)):
        for name, text in texts.items():
            write_private(parent / name, text)
    date_files(folder, until)


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner can read. Raises FileExistsError if it is there."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def date_files(folder: Path, moment: datetime, *, since: float = 0.0) -> None:
    """Give every file under `folder` that was changed after `since` the date `moment`.

    A made-up day lies in the past; files dated now would tell otherwise. `since` is a file time in
    epoch seconds.
    """
    stamp = moment.timestamp()
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_mtime > since:
            os.utime(path, (stamp, stamp))


def _make_folders(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    plugins = folder / "PluginFiles"
    data = data_folder(folder)
    for made in (
        folder,
        plugins,
        plugins / MQTT_PLUGIN,
        data,
        data / "devices",
        data / "plugins",
        folder / "code",
        folder / "files",
        folder / "files" / "reports",
    ):
        made.mkdir(mode=0o700)


def _write_plugin_storage(path: Path, created: int) -> None:
    connection = schema.create(path, schema.PLUGIN_STORAGE)
    try:
        # TagoCore stores every value as bytes, objects as JSON.
        value = compact({"topics": ["plant/+/up", "plant/+/down"], "retained": 3}).encode()
        connection.execute(
            "INSERT INTO storage (key, type, value, created_at) VALUES (?, 'object', ?, ?)",
            ("subscriptions", value, created),
        )
        connection.execute("COMMIT")
    finally:
        connection.close()


def _write_settings(folder: Path, rng: random.Random, setting: Setting, port: int) -> None:
    # JSON strings are YAML strings too, whatever the path holds.
    write_private(
        folder / "tagocore.yml",
        f"filesystem_plugin: ''\n"
        f"database_plugin: {SQLITE_PLUGIN}:sqlite\n"
        f"queue_plugin: ''\n"
        f"port: '{port}'\n"
        f"settings_folder: {json.dumps(str(folder))}\n"
        f"master_password: >-\n"
        f"  {password(rng, setting.master_phrase)}\n"
        f"version: ''\n"
        f"installed_plugins:\n"
        f"  - {MQTT_PLUGIN}\n"
        f"custom_plugins: []\n",
    )
    write_private(
        data_folder(folder) / "settings.yml",
        f"disabled: false\n"
        f"modules:\n"
        f"  - id: sqlite\n"
        f"    values:\n"
        f"      file: {json.dumps(str(data_folder(folder) / 'data.db'))}\n",
    )
    write_private(
        folder / "PluginFiles" / MQTT_PLUGIN / "settings.yml",
        f"disabled: true\n"
        f"modules:\n"
        f"  - id: mqtt-service\n"
        f"    values:\n"
        f"      port: '1883'\n"
        f"      password: '{rng.getrandbits(64):016x}'\n",
    )
