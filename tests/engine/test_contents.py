"""Rows of a backup are read page by page as they were, without restoring it, and nothing stays."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import World, adopted, backed_up, make_world

from engine.aside import aside, has_abandoned
from engine.engine import Engine
from engine.errors import Invalid, NotFound, RepositoryDamaged
from engine.model import DataRow

PUMP = "715f6b96bfa47992f15881f9"
HOSTILE = (
    ("NUL", "a\0b", 1_795_000_000_000),
    ("json", '{"k":"' + "x" * 200_000 + '"}', 1_795_000_000_000),
    ("huge", 1e308, 1_795_000_000_000),
    ("huger", float("inf"), 1_795_000_000_000.5),
    ("before 1970", "x", -86_400_000),
    ("never", "x", 9_000_000_000_000_000),
    ("emoji 🌡️", "🧊", 0),
    ("blob", b"\x00\xff\r", 1),
    ("nothing", None, None),
    (None, "x", 2),
    ("", "x", 3),
    ("later than any number", "x", "yesterday"),
    (b"\xff", "x", b"\xfe"),
    ("'; DROP TABLE data; --", "x", None),
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A project one of whose devices has rows of every kind."""
    made = make_world(tmp_path)
    with closing(sqlite3.connect(made.data / "devices" / f"{PUMP}.db")) as writer, writer:
        insert = "INSERT INTO data (id, variable, value, time) VALUES ({}, ?, ?, ?)"
        writer.executemany(insert.format("lower(hex(randomblob(12)))"), HOSTILE)
        for text in ("CAST(x'ff00' AS TEXT)", "CAST(x'c3' AS TEXT)"):
            writer.execute(
                f"INSERT INTO data (id, variable, value) VALUES ({text}, {text}, {text})"
            )
    return made


def stored(world: World) -> list[tuple[object, ...]]:
    """What is in the device, in the order in which it should come."""
    query = (
        "SELECT rowid, time, CAST(variable AS BLOB), CAST(value AS BLOB) FROM data "
        "ORDER BY CASE typeof(time) WHEN 'null' THEN 2 WHEN 'integer' THEN 0 WHEN 'real' THEN 0"
        " ELSE 1 END,"
        " iif(typeof(time) IN ('integer', 'real'), time, 0) DESC, rowid DESC"
    )
    with closing(sqlite3.connect(world.data / "devices" / f"{PUMP}.db")) as reader:
        return reader.execute(query).fetchall()


def seen(row: DataRow) -> tuple[object, ...]:
    def raw(value: object) -> object:
        return value if isinstance(value, bytes) or value is None else str(value).encode()

    return (row.number, row.time, raw(row.variable), raw(row.value))


async def every(engine: Engine, limit: int, **choice: object) -> list[DataRow]:
    """All rows, page by page."""
    found: list[DataRow] = []
    before = ""
    while True:
        page = await engine.rows(
            "Plant@latest",
            PUMP,
            limit=limit,
            before=before,
            **choice,  # type: ignore[arg-type]  # as it is given
        )
        found += page.rows
        assert len(page.rows) == limit or not page.next
        before = page.next
        if not before:
            return found


async def test_every_row_comes_once_newest_first_as_it_was(world: World) -> None:
    expected = stored(world)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        for limit in (1, 7, 10_000):
            rows = await every(engine, limit)
            assert [seen(row) for row in rows] == expected
        text = json.dumps([row.as_json() for row in rows], allow_nan=False)
        assert '"time": "1969-12-31T00:00:00.000Z"' in text
        assert '"base64"' in text
        assert '"id"' not in text, "a backup keeps no ids, so none is shown"
    assert not list(world.home.glob(".aside-*"))


async def test_rows_are_chosen_by_variable_and_by_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    since, until = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)
    span = [int(moment.timestamp() * 1000) for moment in (since, until)]
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        chosen = await every(engine, 3, variable="temperature", since=since, until=until)
        numbers = [
            row[0]
            for row in stored(world)
            if row[2] == b"temperature" and isinstance(row[1], int) and span[0] <= row[1] < span[1]
        ]
        assert [row.number for row in chosen] == numbers
        assert numbers, "else nothing was tested"
        earlier = await every(engine, 1, variable="temperature", until=since)
        times = [row.time for row in earlier if isinstance(row.time, int)]
        assert times == sorted(times, reverse=True)
        assert max(times) < span[0]
        assert len(times) == len(earlier) > 1
        for variable, value, _ in HOSTILE:
            if isinstance(variable, str):
                (row,) = await every(engine, 5, variable=variable)
                assert row.variable == variable
                assert isinstance(value, float) or row.value == value
        page = await engine.rows("Plant@latest", "Tank immutable", with_variables=True, limit=1)
        assert page.device.id == PUMP
        assert page.variables is not None
        assert sum(each.rows or 0 for each in page.variables) == page.device.rows
        monkeypatch.setattr("engine.rows._MOST_COUNTED", 0)
        named = await engine.rows("Plant@latest", PUMP, with_variables=True, limit=1)
        uncounted = tuple(each._replace(rows=None) for each in page.variables)
        assert named.variables == uncounted, "one by one they are the same"
        contents = await engine.contents("Plant@latest")
        assert page.device in contents.devices


async def test_what_cannot_be_answered_is_told(world: World) -> None:
    (world.data / "devices" / "715fbfa93ecad370ed4fa7d3.db").write_bytes(b"no database")
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine, without_damaged=True)
        for device in ("nobody", ""):
            with pytest.raises(NotFound, match="no device"):
                await engine.rows("Plant@latest", device)
        with pytest.raises(NotFound, match=r"Weather immutable nochunk.* is not in this backup"):
            await engine.rows("Plant@latest", "715fbfa93ecad370ed4fa7d3")
        for limit in (0, 10_001):
            with pytest.raises(Invalid, match="1 to 10,000 rows"):
                await engine.rows("Plant@latest", PUMP, limit=limit)
        for before in ("x", "1:", ":1", "1e999:1", f"{2**63}:1", "1:99999999999999999999", "1--:2"):
            with pytest.raises(Invalid, match="no place between rows"):
                await engine.rows("Plant@latest", PUMP, before=before)
        now = world.now()
        with pytest.raises(Invalid, match="ends before it begins"):
            await engine.rows("Plant@latest", PUMP, since=now, until=now - timedelta(days=1))


async def test_a_damaged_device_is_named_and_others_are_read(world: World) -> None:
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        for pack in (world.home / "repository" / "packs").rglob("*"):
            if pack.is_file():
                pack.write_bytes(pack.read_bytes()[:-1])
        with pytest.raises(RepositoryDamaged, match=f"Tank immutable.*{PUMP}"):
            await engine.rows("Plant@latest", PUMP)
        assert await engine.contents("Plant@latest"), "its devices are in the manifest"


def test_the_folder_of_a_process_that_died_is_removed_and_no_other(tmp_path: Path) -> None:
    with aside(tmp_path) as mine:
        assert mine.stat().st_mode & 0o777 == 0o700
        assert not has_abandoned(tmp_path)
        (tmp_path / ".aside-dead").mkdir()
        assert has_abandoned(tmp_path)
        from engine.aside import remove_abandoned

        remove_abandoned(tmp_path)
        assert list(tmp_path.iterdir()) == [mine]
    assert not list(tmp_path.iterdir())
