"""Makes the benchmark's projects: many device files or one big one, and their next days.

A project is a real TagoCore folder. Its device files have TagoCore's table and its seven indexes
(the primary key's and six others), random ids, five variables to a POST, metadata on one of them,
and rows that were committed in batches as they came in. The same arguments give the same project,
so one that was made before is used again.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.project.demo import write_instance
from engine.project.demo.chunks import DAY_MS, bounds
from engine.project.demo.identity import id_prefix
from engine.project.demo.instance import data_folder
from engine.project.demo.schema import IMMUTABLE_DEVICE

MB = 1_000_000
BYTES_PER_ROW = 318  # of a device file with its indexes, measured
MANY_FILES = 200
ROWS_PER_COMMIT = 5_000
BIG_CACHE_KIB = 400_000

_START = datetime(2026, 9, 1, tzinfo=UTC)
_WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)
_INSERT = "INSERT INTO data VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_READY = ".ready"

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a project's rows are spread over files, and how far apart its POSTs are (seconds)."""

    name: str
    files: int
    interval: int


SHAPES = {
    "many": Shape("many", MANY_FILES, 900),
    "one": Shape("one", 1, 60),
}


def make_project(folder: Path, shape: Shape, size_mb: int) -> Path:
    """Give the cached project of that shape and size (MB of device files), made if need be."""
    project = folder / f"project-{shape.name}-{size_mb}"
    if (project / _READY).exists():
        return project
    shutil.rmtree(project, ignore_errors=True)
    write_instance(project, seed=1, devices=shape.files, rows=0, until=_WRITTEN, port=18900)
    # Only immutable devices may hold more than 50,000 rows.
    data = data_folder(project)
    with closing(sqlite3.connect(data / "data.db")) as connection, connection:
        connection.execute(
            "UPDATE device SET type = 'immutable', chunk_period = 'month', chunk_retention = 24"
        )
    rows = size_mb * MB // BYTES_PER_ROW // shape.files
    tasks = [(path, number, rows, shape) for number, path in enumerate(device_files(project))]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_fill, tasks))
    (project / _READY).touch()
    return project


def device_files(project: Path) -> list[Path]:
    """The files of the project's devices, without those of deleted ones, in a fixed order."""
    data = data_folder(project)
    with closing(sqlite3.connect(data / "data.db")) as connection:
        found = connection.execute("SELECT id FROM device ORDER BY id").fetchall()
    return [data / "devices" / f"{device}.db" for (device,) in found]


def add_day(project: Path, shape: Shape, day: int, *, rows_share: float, devices: float) -> int:
    """Add a day: `rows_share` of the project's rows, in that share of its devices.

    Which devices have rows moves on from day to day. Returns the number of new rows.
    """
    files = device_files(project)
    count = max(1, round(len(files) * devices))
    first = (day - 1) * count
    chosen = [files[(first + offset) % len(files)] for offset in range(count)]
    with closing(sqlite3.connect(files[0])) as connection:
        (rows,) = connection.execute("SELECT max(rowid) FROM data").fetchone()
    each = max(1, round(int(rows) * len(files) * rows_share / count))
    tasks = [(path, day * 10_000 + number, each, shape) for number, path in enumerate(chosen)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_append, tasks))
    return each * count


def size_of(folder: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _fill(task: tuple[Path, int, int, Shape]) -> None:
    path, number, rows, shape = task
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA page_size = 4096")
        for statement in IMMUTABLE_DEVICE:
            connection.execute(statement)
        _insert(connection, number, rows, round(_START.timestamp() * 1000), shape)


def _append(task: tuple[Path, int, int, Shape]) -> None:
    path, number, rows, shape = task
    with closing(sqlite3.connect(path)) as connection:
        (last,) = connection.execute("SELECT max(time) FROM data").fetchone()
        _insert(connection, number, rows, last + shape.interval * 1000, shape)


def _insert(connection: sqlite3.Connection, seed: int, rows: int, start: int, shape: Shape) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = -{BIG_CACHE_KIB}")
    batch = []
    for row in _rows(random.Random(seed), rows, start, shape.interval * 1000):
        batch.append(row)
        if len(batch) == ROWS_PER_COMMIT:
            connection.executemany(_INSERT, batch)
            connection.commit()
            batch.clear()
    connection.executemany(_INSERT, batch)
    connection.commit()


def _rows(rng: random.Random, rows: int, start: int, step: int) -> Iterator[Row]:
    temperature, humidity, battery = 4.0, 60.0, 3.6
    given, time, chunk = 0, start, bounds("month", start)
    while given < rows:
        temperature += rng.gauss(0, 0.2) + (4 - temperature) * 0.02
        humidity += rng.gauss(0, 0.5) + (60 - humidity) * 0.02
        battery -= 0.000_01
        if time % DAY_MS < step:
            chunk = bounds("month", time)
        created = time + rng.randint(20, 900)
        prefix = id_prefix(created)
        group = f"{rng.getrandbits(80):020x}{prefix[::-1]}"
        radio = f'{{"rssi":-{rng.randint(40, 110)},"gw":{{"id":"gw-{rng.randint(1, 4)}"}}}}'
        post = (
            ("temperature", "number", round(temperature, 2), "°C", radio),
            ("humidity", "number", round(humidity, 1), "%", None),
            ("battery", "number", round(battery, 3), "V", None),
            ("door_open", "boolean", int(rng.random() < 0.05), None, None),
            ("rssi", "number", -rng.randint(60, 110), "dBm", None),
        )
        for variable, kind, value, unit, metadata in post[: rows - given]:
            yield (
                f"{prefix}{rng.getrandbits(80):020x}",
                variable,
                kind,
                value,
                unit,
                group,
                None,
                metadata,
                time,
                created,
                *chunk,
                None,
            )
        given += len(post)
        time += step
