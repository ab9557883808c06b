"""The database of one device: written whole, added to, and thinned by data retention."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.project.demo import schema
from engine.project.demo.chunks import bounds, expired_before
from engine.project.demo.identity import id_prefix, object_id
from engine.project.demo.readings import PER_POST, SIGNALS, Kind, Sampler, Value

_INSERT = (
    "INSERT INTO data (id, variable, type, value, unit, `group`, location, metadata, time,"
    " created_at, chunk_timestamp_start, chunk_timestamp_end)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

Row = tuple[
    str,
    str,
    str,
    Value,
    str | None,
    str,
    str | None,
    str | None,
    int,
    int,
    int | None,
    int | None,
]


@dataclass(frozen=True, slots=True)
class Device:
    """What the rows of a device depend on. `interval` is milliseconds between two POSTs."""

    id: str
    kind: Kind
    type: str
    interval: int
    place: tuple[float, float]
    chunk_period: str | None
    chunk_retention: int | None


@dataclass(frozen=True, slots=True)
class Written:
    """What was written to a device: rows, and when its last POST came (epoch milliseconds)."""

    rows: int
    last_input: int | None


def write(path: Path, device: Device, rng: random.Random, *, rows: int, until: int) -> Written:
    """Make the device's file with exactly that many rows, the last POST just before `until`."""
    tables = schema.MUTABLE_DEVICE if device.type == "mutable" else schema.IMMUTABLE_DEVICE
    connection = schema.create(path, tables)
    try:
        posts = -(-rows // PER_POST[device.kind])
        # Devices do not all send at the same moment; the last POST has a second to come in.
        end = until + device.interval - 1000 - rng.randrange(device.interval)
        times = range(end - posts * device.interval, end, device.interval)
        sampler = Sampler(device.kind, rng, device.place)
        skipped = posts * PER_POST[device.kind] - rows
        return _insert(connection, _rows(device, rng, sampler, times, skipped))
    finally:
        connection.close()


def append(path: Path, device: Device, rng: random.Random, *, since: int, until: int) -> Written:
    """Add the POSTs that come after the file's last one and `since`, up to `until`."""
    connection = schema.connect(path)
    try:
        (last,) = connection.execute("SELECT max(time) FROM data").fetchone()
        if last is None:
            start = since
        else:
            start = last + max(1, -(-(since - last) // device.interval)) * device.interval
        sampler = Sampler(device.kind, rng, device.place, _last_values(connection, device.kind))
        times = range(start, until, device.interval)
        return _insert(connection, _rows(device, rng, sampler, times, 0))
    finally:
        connection.close()


def retain(path: Path, device: Device, *, now: int) -> int:
    """Delete the rows whose chunk is past the device's retention, and give their number."""
    if device.chunk_period is None or device.chunk_retention is None:
        return 0
    connection = schema.connect(path)
    try:
        limit = expired_before(device.chunk_period, device.chunk_retention, now)
        cursor = connection.execute("DELETE FROM data WHERE chunk_timestamp_end < ?", (limit,))
        connection.execute("COMMIT")
        return cursor.rowcount
    finally:
        connection.close()


def _insert(connection: sqlite3.Connection, rows: Iterable[Row]) -> Written:
    before = connection.total_changes
    connection.executemany(_INSERT, rows)
    written = connection.total_changes - before
    (last,) = connection.execute("SELECT max(created_at) FROM data").fetchone()
    connection.execute("COMMIT")
    return Written(written, last)


def _last_values(connection: sqlite3.Connection, kind: Kind) -> dict[str, float]:
    last = {}
    for signal in SIGNALS[kind]:
        found = connection.execute(
            "SELECT value FROM data WHERE variable = ? ORDER BY time DESC LIMIT 1",
            (signal.variable,),
        ).fetchone()
        if found is not None:
            last[signal.variable] = float(found[0])
    return last


def _rows(
    device: Device, rng: random.Random, sampler: Sampler, times: range, skipped: int
) -> Iterator[Row]:
    """The rows of the POSTs at these times, but for the first `skipped` ones."""
    for time in times:
        created = time + rng.randint(20, 900)
        prefix = id_prefix(created)
        group = object_id(rng, created)[::-1]
        chunk = bounds(device.chunk_period, time) if device.chunk_period else (None, None)
        for reading in sampler.post(time):
            if skipped:
                skipped -= 1
                continue
            yield (
                f"{prefix}{rng.getrandbits(80):020x}",
                reading.variable,
                reading.type,
                reading.value,
                reading.unit,
                group,
                reading.location,
                reading.metadata,
                time,
                created,
                *chunk,
            )
