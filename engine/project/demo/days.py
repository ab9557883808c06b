"""One more day in a made-up project's life: rows, logs, and now and then a change of devices."""

from __future__ import annotations

import random
import sqlite3
from datetime import datetime
from pathlib import Path

from engine.project.demo import schema
from engine.project.demo.chunks import DAY_MS, milliseconds
from engine.project.demo.device_files import Device, append, retain, write
from engine.project.demo.instance import data_folder, date_files
from engine.project.demo.main_database import insert_device, log_runs, statistics
from engine.project.demo.plan import PlannedDevice, another
from engine.project.demo.readings import Kind

# What happens beside new readings, by the day's number in a week.
_ACTION_EDITED = 2
_DEVICE_ADDED = 3
_DEVICE_DELETED = 5
_FEWEST_DEVICES = 4
_SILENT = 0.2  # of the devices send nothing on a day


def grow(folder: Path, *, seed: int, day: int, now: datetime) -> None:
    """Add the day that ends `now` to a project that `write_instance` made.

    Most devices get new rows up to `now`, their last_input follows, data retention removes rows
    that are past it, and the analyses log. On the second of every seven days an action is edited,
    on the third a device is added, on the fifth one is deleted and its file left over, as
    TagoCore leaves it. `day` counts from 1. The files changed are dated `now`.
    """
    rng = random.Random(f"{seed}/day/{day}")  # noqa: S311 — made-up data, repeatable
    end = milliseconds(now)
    start = end - DAY_MS
    data = data_folder(folder)
    newest = max(path.stat().st_mtime for path in folder.rglob("*") if path.is_file())
    connection = schema.connect(data / "data.db")
    try:
        devices = _devices(connection)
        for planned in devices:
            file = data / "devices" / f"{planned.device.id}.db"
            if rng.random() >= _SILENT:
                written = append(file, planned.device, rng, since=start, until=end)
                _note(connection, "last_input", planned.device.id, written.last_input)
            if retain(file, planned.device, now=end):
                _note(connection, "last_retention", planned.device.id, end)
        if day % 7 == _ACTION_EDITED:
            _edit_action(connection, end)
        if day % 7 == _DEVICE_ADDED:
            _add_device(connection, rng, devices, data, start, end)
        if day % 7 == _DEVICE_DELETED and len(devices) >= _FEWEST_DEVICES:
            connection.execute("DELETE FROM device WHERE id = ?", (devices[-2].device.id,))
        for (analysis,) in connection.execute("SELECT id FROM analysis WHERE active").fetchall():
            log_runs(connection, rng, analysis, start, end)
        statistics(connection, rng, start, end)
        connection.execute("COMMIT")
    finally:
        connection.close()
    date_files(folder, now, since=newest)


def _note(connection: sqlite3.Connection, column: str, device: str, moment: int | None) -> None:
    statements = {
        "last_input": "UPDATE device SET last_input = ? WHERE id = ?",
        "last_retention": "UPDATE device SET last_retention = ? WHERE id = ?",
    }
    connection.execute(statements[column], (moment, device))


def _devices(connection: sqlite3.Connection) -> list[PlannedDevice]:
    """The project's devices as they were planned, read back from what is stored of them."""
    found = connection.execute(
        "SELECT id, name, type, chunk_period, chunk_retention, payload_parser, created_at,"
        " (SELECT json_extract(value, '$.value') FROM json_each(device.tags)"
        "  WHERE json_extract(value, '$.key') = 'kind'),"
        " (SELECT json_extract(value, '$.value') FROM json_each(device.tags)"
        "  WHERE json_extract(value, '$.key') = 'site')"
        " FROM device ORDER BY rowid"
    ).fetchall()
    params: dict[tuple[str, str], str] = {
        (device, key): value
        for device, key, value in connection.execute(
            "SELECT device_id, key, value FROM device_params"
        )
    }
    return [
        PlannedDevice(
            Device(
                id=device,
                kind=Kind(kind),
                type=sort,
                interval=int(params[device, "interval"]) * 1000,
                place=(float(params[device, "longitude"]), float(params[device, "latitude"])),
                chunk_period=period,
                chunk_retention=retention,
            ),
            name=name,
            site=site,
            parsed=parser is not None,
            created=created,
            rows=0,
        )
        for device, name, sort, period, retention, parser, created, kind, site in found
    ]


def _edit_action(connection: sqlite3.Connection, now: int) -> None:
    connection.execute(
        "UPDATE action SET trigger = replace(trigger, '\"-12\"', '\"-13\"'), updated_at = ?"
        " WHERE rowid = 1",
        (now,),
    )


def _add_device(
    connection: sqlite3.Connection,
    rng: random.Random,
    devices: list[PlannedDevice],
    data: Path,
    created: int,
    now: int,
) -> None:
    like = devices[0]
    label = like.name.rpartition(" ")[0]
    number = 1 + sum(each.name.startswith(f"{label} ") for each in devices)
    planned = another(rng, like, f"{label} {number}", created)
    file = data / "devices" / f"{planned.device.id}.db"
    written = write(file, planned.device, rng, rows=30, until=now)
    insert_device(connection, rng, planned, None, written.last_input)
