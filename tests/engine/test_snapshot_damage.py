"""A device's file with one damaged page: refused by name, or backed up so that it restores."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import SourceDamaged
from engine.model import LeaveOut
from engine.snapshot.results import Way

if TYPE_CHECKING:
    from snapshot_support import Content, Filled, Workbench

pytest_plugins = ["tests.engine.snapshot_support"]

PAGE = 1024
EVERY_CHOICE = list(LeaveOut)


def overwrite(path: Path, page: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(data)


def damages(raw: bytes, page: int) -> Iterator[bytes]:
    """What a page may be overwritten with: each is another of its kind of accident."""
    count = len(raw) // PAGE
    yield b"\xff" * PAGE
    yield bytes(PAGE)
    chance = random.Random(page)
    yield chance.randbytes(PAGE)
    yield raw[(page - 1) * PAGE :][:1] + chance.randbytes(PAGE - 1)  # right at the first glance
    for other in {chance.randint(1, count), page % count + 1} - {page}:
        yield raw[(other - 1) * PAGE : other * PAGE]


@pytest.fixture
def device(filled: Filled, tmp_path: Path) -> Path:
    """A file with all kinds of pages: long texts in the table and in an index, and free pages."""
    path = tmp_path / "715fd9bc3b5f296f92bfa02f.db"
    filled(
        path,
        200,
        page_size=PAGE,
        long=900,
        after="UPDATE data SET value = hex(zeroblob(700)) WHERE rowid % 30 = 0;"
        "DELETE FROM data WHERE rowid BETWEEN 40 AND 60; ANALYZE",
    )
    return path


def check_damage(
    bench: Workbench,
    path: Path,
    leave_out: LeaveOut,
    content_of: Callable[[Path], Content],
) -> Way | None:
    """Refused by name, or whole when it is restored; tells how it was read."""
    refusal = ""
    try:
        read = bench.read(path, leave_out)
    except SourceDamaged as error:
        refusal = error.message
    if refusal:
        assert path.name in refusal
        return None
    wanted = content_of(path)
    restored = bench.rebuild(read)
    found = content_of(restored)
    restored.unlink()
    assert found.schema == wanted.schema
    assert found.rows == wanted.rows
    assert read.rows == len(wanted.rows)
    return read.way


def check_every_page(
    bench: Workbench,
    path: Path,
    leave_out: LeaveOut,
    content_of: Callable[[Path], Content],
) -> None:
    raw = path.read_bytes()
    ways = set()
    for page in range(1, len(raw) // PAGE + 1):
        for data in damages(raw, page):
            overwrite(path, page, data)
            ways.add(check_damage(bench, path, leave_out, content_of))
        overwrite(path, page, raw[(page - 1) * PAGE : page * PAGE])
    assert ways >= {None, Way.USUAL, Way.TABLE_ONLY}


@pytest.mark.parametrize("leave_out", EVERY_CHOICE)
def test_any_page_of_a_small_file(
    bench: Workbench, device: Path, leave_out: LeaveOut, content_of: Callable[[Path], Content]
) -> None:
    check_every_page(bench, device, leave_out, content_of)


@pytest.mark.parametrize("leave_out", EVERY_CHOICE)
def test_any_page_of_a_large_file(
    bench: Workbench,
    device: Path,
    monkeypatch: pytest.MonkeyPatch,
    leave_out: LeaveOut,
    content_of: Callable[[Path], Content],
) -> None:
    from engine.rebuild import child as rebuild_child
    from engine.rebuild import tasks as rebuild_tasks
    from engine.snapshot import child, databases

    for module in (child, databases, rebuild_child, rebuild_tasks):
        monkeypatch.setattr(module, "SLICE", 64 << 10)
    assert device.stat().st_size > 64 << 10  # a slice is a chunk, at least
    check_every_page(bench, device, leave_out, content_of)


@pytest.mark.parametrize("leave_out", EVERY_CHOICE)
@pytest.mark.parametrize(
    "root_of", ["sqlite_autoindex_data_1", "data_variable_value_time_index", "data_time_index"]
)
def test_a_damaged_index_costs_no_data(
    bench: Workbench,
    device: Path,
    content_of: Callable[[Path], Content],
    root_of: str,
    leave_out: LeaveOut,
) -> None:
    source = content_of(device)
    with contextlib.closing(sqlite3.connect(device)) as connection:
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (root_of,)
        ).fetchone()
    overwrite(device, root, b"\xff" * PAGE)
    read = bench.read(device, leave_out)
    assert read.way is Way.TABLE_ONLY
    bench.check(source, read)


@pytest.mark.parametrize("leave_out", EVERY_CHOICE)
def test_lost_pages_cost_no_data(
    bench: Workbench, device: Path, content_of: Callable[[Path], Content], leave_out: LeaveOut
) -> None:
    with contextlib.closing(sqlite3.connect(device, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_schema WHERE name = 'data_time_index'")
        connection.execute("PRAGMA writable_schema = RESET")
    source = content_of(device)
    read = bench.read(device, leave_out)
    assert read.way is Way.TABLE_ONLY
    bench.check(source, read)


@pytest.mark.parametrize("leave_out", EVERY_CHOICE)
def test_a_page_that_is_both_free_and_in_use_costs_no_data(
    bench: Workbench, device: Path, content_of: Callable[[Path], Content], leave_out: LeaveOut
) -> None:
    with contextlib.closing(sqlite3.connect(device, isolation_level=None)) as connection:
        connection.execute("DELETE FROM data WHERE rowid <= (SELECT max(rowid) / 2 FROM data)")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'data_time_index'"
        ).fetchone()
    source = content_of(device)
    raw = bytearray(device.read_bytes())
    trunk, free = struct.unpack_from(">II", raw, 32)
    at = (trunk - 1) * PAGE
    (leaves,) = struct.unpack_from(">I", raw, at + 4)
    struct.pack_into(">I", raw, at + 8 + 4 * leaves, root)
    struct.pack_into(">I", raw, at + 4, leaves + 1)
    struct.pack_into(">I", raw, 36, free + 1)
    device.write_bytes(raw)
    read = bench.read(device, leave_out)
    assert read.way is Way.TABLE_ONLY
    bench.check(source, read)
