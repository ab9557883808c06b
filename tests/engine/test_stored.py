"""Databases of a backup, read as they are stored: every row, whatever was left out, and no file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import RepositoryDamaged
from engine.model import LeaveOut
from engine.project.tables import BrokenText, read_text
from engine.rebuild import stored

if TYPE_CHECKING:
    from snapshot_support import Filled, MemoryStorage, Workbench

pytest_plugins = ["tests.engine.snapshot_support"]

HOSTILE = ("a\0b", '{"k":"' + "x" * 20_000 + '"}', 1e308, "🌡️ 21°", b"\x00\xff\r", "", None)
BROKEN = BrokenText(b"\xff\0")


@pytest.fixture
def source(filled: Filled, tmp_path: Path) -> Path:
    """A database with long and hostile values, dates before 1970, and rows that were deleted."""
    path = tmp_path / "pump.db"
    filled(path, 3_000, long=3_000)
    insert = (
        "INSERT INTO data (id, variable, value, time) VALUES (hex(randomblob(12)), 'odd', {}, -5)"
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(insert.format("?"), [(value,) for value in HOSTILE])
        connection.execute(insert.format("CAST(x'ff00' AS TEXT)"))
        connection.execute("DELETE FROM data WHERE rowid BETWEEN 500 AND 900")
    return path


def rows_of(path: Path, columns: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = read_text
        return connection.execute(f"SELECT {columns} FROM data ORDER BY rowid").fetchall()


@pytest.mark.parametrize("leave_out", list(LeaveOut))
@pytest.mark.parametrize("in_memory", [True, False], ids=["in memory", "from a file"])
def test_every_row_is_read_whatever_was_left_out(
    bench: Workbench,
    source: Path,
    leave_out: LeaveOut,
    in_memory: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = bench.read(source, leave_out).image
    monkeypatch.setattr(stored, "IN_MEMORY", image.size if in_memory else 0)
    scratch = bench.folder / "scratch"
    scratch.mkdir()
    with stored.opened_device(bench.reader(), image, scratch, "Device 'pump'") as device:
        assert not list(scratch.iterdir()), "it has no name any more"
        assert device.key == "rowid"
        assert "id" not in device.columns
        columns = ", ".join(f'"{name}"' for name in (device.key, *device.columns))
        expected = rows_of(source, columns)
        assert (leave_out is LeaveOut.ALL) == (device.source("time") == "data NOT INDEXED")
        for leading in ((), ("time",), ("variable", "time")):
            found = device.connection.execute(f"SELECT {columns} FROM {device.source(*leading)}")
            assert sorted(found, key=lambda row: row[0]) == expected


def test_a_table_of_another_shape_is_read_too(bench: Workbench) -> None:
    path = bench.folder / "odd.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE data (id TEXT PRIMARY KEY, rowid, value) WITHOUT ROWID")
        connection.execute("INSERT INTO data VALUES ('one', 2, 'three')")
    image = bench.read(path).image
    with stored.opened_device(bench.reader(), image, bench.folder, "Device 'odd'") as device:
        assert (device.key, device.columns) == ("id", ("rowid", "value"))
        assert device.connection.execute(f"SELECT value FROM {device.source()}").fetchall() == [
            ("three",)
        ]


def test_what_is_damaged_is_named(
    bench: Workbench, source: Path, memory_storage: MemoryStorage
) -> None:
    image = bench.read(source).image
    assert isinstance(bench.storage, type(memory_storage))
    (pack,) = [name for name in bench.storage.objects if name.startswith("packs/")]
    whole = bench.storage.objects[pack]
    bench.storage.objects[pack] = whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]
    with (
        pytest.raises(RepositoryDamaged, match=r"Device .pump. cannot be read: Pack .* is damaged"),
        stored.opened_device(bench.reader(), image, bench.folder, "Device 'pump'"),
    ):
        pass
