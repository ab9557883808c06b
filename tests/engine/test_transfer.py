"""Data moves between two projects: all of it, once, and nothing that is there changes."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import sys
import threading
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import OWNER, World, change, device_names, ids, make_world, query

from engine.engine import Engine
from engine.errors import Cancelled, Invalid, NotFound
from engine.model import JobState, TransferReport
from engine.project.demo.chunks import bounds
from engine.project.instance import find
from engine.transfer_rows import Move, Place, step

MUTABLE = "715fd9bc3b5f296f92bfa02f"
CHUNKED = "715f6b96bfa47992f15881f9"
PLAIN = "715fbfa93ecad370ed4fa7d3"
_ALL = (
    "SELECT variable, type, typeof(value), quote(CAST(value AS BLOB)), unit, `group`, location,"
    " quote(metadata), typeof(time), quote(time), created_at, chunk_timestamp_start,"
    " chunk_timestamp_end, serie FROM data"
)


def target_of(world: World) -> Path:
    return world.folder / "target"


async def prepared(world: World) -> None:
    """Two projects, the second without any rows."""
    shutil.copytree(world.source, target_of(world))
    settings = target_of(world) / "tagocore.yml"
    settings.write_text(settings.read_text().replace(str(world.source), str(target_of(world))))
    async with world.opened() as engine:
        await engine.adopt(world.source, "Old")
        await engine.adopt(target_of(world), "Plant")
    for device in device_names(find(target_of(world))):
        change(file(world, device), "DELETE FROM data")


def file(world: World, device: str, *, old: bool = False) -> Path:
    return find(world.source if old else target_of(world)).device_file(device)


def rows(database: Path) -> list[tuple[object, ...]]:
    """The rows in their order, all values with their types, without ids."""
    return query(database, f"{_ALL} ORDER BY rowid")


async def moved(engine: Engine, **choice: object) -> TransferReport:
    handle = await engine.transfer("Old", "Plant", **choice)  # type: ignore[arg-type]  # as it is given
    return await handle.result()


def multiply(database: Path, rows: int) -> None:
    """Add rows of many kinds, some of them the same but for their ids."""
    with closing(sqlite3.connect(database)) as writer, writer:
        writer.executemany(
            "INSERT INTO data (id, variable, type, value, `group`, time, created_at)"
            " VALUES (?, ?, 'number', ?, ?, ?, 1)",
            [
                (f"{n:024x}", f"v{n % 5}", str(n % 90), f"g{n % 7}", 1_700_000_000_000 + n % 1000)
                for n in range(rows)
            ],
        )


HOSTILE = (
    "INSERT INTO data (id, variable, type, value, `group`, time, metadata, created_at) VALUES "
    "('h1', 'nul', 'string', 'a' || char(0) || 'b', NULL, -62135596800001, NULL, 1),"
    "('h2', 'blob', 'string', x'00ff80', 'g', 1e308, x'ff', 2),"
    "('h3', 'broken', 'string', CAST(x'c328' AS TEXT), 'g', NULL, '{\"a\": 1e308}', 3),"
    "('h4', '🙂' || char(0), 'number', '9007199254740993', 'g', 9007199254740993, 5, 4),"
    "('h5', NULL, NULL, NULL, NULL, 'no date', NULL, NULL),"
    "('h6', NULL, NULL, NULL, NULL, 'no date', NULL, NULL)"
)


async def test_every_value_arrives_once_as_it_was_with_a_new_id(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    old = file(world, PLAIN, old=True)
    change(old, HOSTILE)
    with closing(sqlite3.connect(old)) as writer, writer:
        huge = '{"a": "' + "x" * 3_000_000 + '"}'
        writer.execute(
            "INSERT INTO data (id, variable, metadata) VALUES ('h7', 'huge', ?)", (huge,)
        )
    async with world.opened() as engine:
        would = await engine.preview_transfer("Old", "Plant")
        assert not any(query(file(world, each), "SELECT 1 FROM data") for each in (MUTABLE, PLAIN))
        report = await moved(engine)
        assert report.copied == would.copied == sum(line.copied for line in report.devices) > 300
        assert report.refused == report.already_there == 0
        (job, *_) = await engine.jobs("Plant")
        assert await engine.transferred(job.id) == report
        again = await moved(engine)
        assert (again.copied, again.already_there) == (0, report.copied)
    for device in device_names(find(world.source)):
        new, before = file(world, device), file(world, device, old=True)
        assert rows(new) == rows(before)
        made = ids(new)
        assert made == sorted(set(made))
        assert all(len(key) == 24 for key in made)
        assert not set(made) & set(ids(before))
        assert query(new, "PRAGMA integrity_check") == [("ok",)]


async def test_rows_that_are_the_same_come_as_often_as_they_lack(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    multiply(file(world, PLAIN, old=True), 20_000)
    with closing(sqlite3.connect(file(world, PLAIN))) as writer, writer:
        writer.execute("ATTACH ? AS old", (str(file(world, PLAIN, old=True)),))
        writer.execute("INSERT INTO main.data SELECT * FROM old.data WHERE rowid % 3 = 0")
    there = query(file(world, PLAIN), "SELECT id FROM data")
    async with world.opened() as engine:
        report = await moved(engine, devices=[PLAIN])
        assert report.already_there == len(there)
    key = "SELECT variable, value, time, `group` FROM data"
    new, old = (query(file(world, PLAIN, old=each), key) for each in (False, True))
    assert Counter(new) == Counter(old)
    assert set(there) < set(query(file(world, PLAIN), "SELECT id FROM data"))


async def test_only_what_is_chosen_comes(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    old = file(world, PLAIN, old=True)
    change(old, HOSTILE)
    (variable, moment), *_ = query(
        old, "SELECT variable, time FROM data WHERE typeof(time) = 'integer' ORDER BY time"
        " LIMIT 1 OFFSET 50",
    )  # fmt: skip
    since = datetime.fromtimestamp(int(str(moment)) / 1000, UTC)
    async with world.opened() as engine:
        await moved(engine, devices=[PLAIN], variables=[variable], since=since)
        which = f"variable = '{variable}' AND typeof(time) <> 'text' AND time >= {moment}"
        assert rows(file(world, PLAIN)) == query(old, f"{_ALL} WHERE {which} ORDER BY rowid")
        assert not query(file(world, MUTABLE), "SELECT 1 FROM data")
        with pytest.raises(NotFound):
            await moved(engine, devices=["nothing"])
        with pytest.raises(Invalid):
            await moved(engine, since=since, until=since)
        with pytest.raises(Invalid):
            await engine.transfer("Old", "Old")


async def test_what_is_in_the_way_is_told_and_nothing_of_it_comes(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    multiply(file(world, MUTABLE, old=True), 49_990)
    target = find(target_of(world)).database
    change(target, f"UPDATE device SET active = 0 WHERE id = '{PLAIN}'")
    change(target, f"DELETE FROM device WHERE id = '{CHUNKED}'")
    async with world.opened() as engine:
        for report in (await engine.preview_transfer("Old", "Plant"), await moved(engine)):
            told = {line.source_device: line for line in report.devices}
            assert "50,000" in told[MUTABLE].reason
            ((count,),) = query(file(world, MUTABLE, old=True), "SELECT count(*) FROM data")
            assert told[MUTABLE].refused == count
            assert "not active" in told[PLAIN].reason
            assert "no such device" in told[CHUNKED].reason
    assert not any(query(file(world, each), "SELECT 1 FROM data") for each in (MUTABLE, PLAIN))


async def test_columns_that_the_target_lacks_refuse_only_rows_that_use_them(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    old, new = file(world, PLAIN, old=True), file(world, PLAIN)
    change(new, "ALTER TABLE data DROP COLUMN serie")
    change(old, "UPDATE data SET serie = 's' WHERE rowid IN (SELECT rowid FROM data LIMIT 3)")
    async with world.opened() as engine:
        (line,) = (await moved(engine, devices=[PLAIN])).devices
        assert (line.copied, line.refused) == (97, 3)
        assert "serie" in line.reason
        change(new, "DROP INDEX data_variable_time_index")
        change(new, "DROP INDEX data_variable_value_time_index")
        (line,) = (await moved(engine, devices=[PLAIN])).devices
        assert line.copied == 0
        assert "index" in line.reason


async def test_chunks_are_those_of_the_target(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    change(
        find(target_of(world)).database,
        f"UPDATE device SET chunk_period = 'day', chunk_retention = 1 WHERE id = '{CHUNKED}'",
    )
    world.now.pass_by(days=4000)
    async with world.opened() as engine:
        (line,) = (await moved(engine, devices=[CHUNKED])).devices
    assert "100 of the rows are older" in line.notes[0]
    for moment, start, end in query(
        file(world, CHUNKED), "SELECT time, chunk_timestamp_start, chunk_timestamp_end FROM data"
    ):
        assert (start, end) == bounds("day", int(str(moment)))


@pytest.mark.parametrize("by_name", [False, True])
async def test_devices_that_are_missing_are_made(tmp_path: Path, by_name: bool) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    target = find(target_of(world))
    if by_name:
        change(target.database, f"UPDATE device SET name = 'Other' WHERE id = '{CHUNKED}'")
    else:
        change(target.database, f"DELETE FROM device_token WHERE device_id = '{CHUNKED}'")
        change(target.database, f"DELETE FROM device WHERE id = '{CHUNKED}'")
    async with world.opened() as engine:
        choice = {"devices": [CHUNKED], "create_missing": True, "by_name": by_name}
        would = await engine.preview_transfer("Old", "Plant", **choice)  # type: ignore[arg-type]
        assert would.copied == 100
        (line,) = (report := await moved(engine, **choice)).devices
        assert line.created
        assert (line.device == CHUNKED) is not by_name
        assert any("restart" in note for note in report.notes)
        again = await moved(engine, **choice)
        assert (again.copied, again.already_there) == (0, 100)
    assert rows(target.device_file(line.device)) == rows(file(world, CHUNKED, old=True))
    tokens = f"SELECT token FROM device_token WHERE device_id = '{line.device}'"
    ((token,),) = query(target.database, tokens)
    assert (token,) not in query(find(world.source).database, "SELECT token FROM device_token")
    ((kept, name),) = query(
        target.database,
        f"SELECT chunk_retention, name FROM device WHERE id = '{line.device}'",
    )
    assert (kept, name) == (6, "Tank immutable")


async def test_a_transfer_that_is_cancelled_keeps_what_came_and_goes_on_when_run_again(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    multiply(file(world, PLAIN, old=True), 100_000)
    async with world.opened() as engine:
        handle = await engine.transfer("Old", "Plant", devices=[PLAIN])
        async for progress in handle.progress():
            if progress.done:
                handle.cancel()
        with pytest.raises(Cancelled) as told:
            await handle.result()
        assert "stays" in told.value.hint
        assert (await engine.job(handle.job)).state is JobState.CANCELLED
        ((some,),) = query(file(world, PLAIN), "SELECT count(*) FROM data")
        assert 0 < int(str(some)) < 100_100
        report = await moved(engine, devices=[PLAIN])
        assert report.already_there == some
    assert rows(file(world, PLAIN)) == rows(file(world, PLAIN, old=True))


async def test_two_at_once_and_a_writer_beside_them_lose_nothing_and_double_nothing(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    multiply(file(world, PLAIN, old=True), 30_000)
    stop = threading.Event()
    written: list[str] = []

    def write() -> None:  # how long it has to wait is measured by tests/bench/transfer.py
        database = file(world, PLAIN)
        with closing(sqlite3.connect(database, timeout=180, isolation_level=None)) as live:
            while not stop.wait(0.005):
                written.append(f"live{len(written)}")
                live.execute("INSERT INTO data (id, variable) VALUES (?, 'live')", (written[-1],))

    other = world.folder / "other"
    writing = asyncio.create_task(asyncio.to_thread(write))
    try:
        async with (
            world.opened() as engine,
            Engine.open(other, user=OWNER, create=True, works=True) as second,
        ):
            await second.adopt(world.source, "Old")
            await second.adopt(target_of(world), "Plant")
            both = await asyncio.gather(
                moved(engine, devices=[PLAIN]), moved(second, devices=[PLAIN])
            )
    finally:
        stop.set()
        await writing
    assert sum(report.copied for report in both) == 30_100
    assert max(report.longest_lock for report in both) > 0
    key = "SELECT variable, value, time, `group` FROM data WHERE variable <> 'live'"
    new, old = (query(file(world, PLAIN, old=each), key) for each in (False, True))
    assert Counter(new) == Counter(old)
    live = query(file(world, PLAIN), "SELECT id FROM data WHERE variable = 'live' ORDER BY rowid")
    assert [key for (key,) in live] == written


def test_one_step_with_nothing_to_bring_changes_no_byte(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    path = world.files[0]
    move = Move(str(path), str(path), (), None, None, False, "", True, None, ("0" * 14,))
    before = path.read_bytes()
    place = step(move, Place(), True)
    assert place.done
    assert (place.copied, place.already_there) == (0, place.looked)
    assert path.read_bytes() == before


@pytest.mark.parametrize("by_time", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_in_whatever_batches_rows_come_none_is_missing_and_none_comes_twice(
    tmp_path: Path, seed: int, by_time: bool
) -> None:
    luck = random.Random(seed)
    world = make_world(tmp_path)
    old, new = world.files[0], tmp_path / "new.db"
    change(old, "DELETE FROM data")
    times = [*range(1, 80), None, "no date", 2.5, 1e300]
    rows = [
        (f"{n:024x}", luck.choice("ab"), luck.choice("12"), luck.choice(times), luck.choice("g "))
        for n in range(400)
    ]
    if luck.random() < 0.5:  # as rows come in, nearly in order
        rows.sort(key=lambda row: (isinstance(row[3], int), row[3] if row[3] in times[:79] else 0))
    insert = "INSERT INTO data (id, variable, value, time, `group`) VALUES (?, ?, ?, ?, ?)"
    with closing(sqlite3.connect(old)) as writer, writer:
        writer.executemany(insert, rows)
    shutil.copy(old, new)
    change(new, "DELETE FROM data", *([] if by_time else ["DROP INDEX data_time_index"]))
    there = [(f"t{n}", *row[1:]) for n, row in enumerate(luck.sample(rows, 150))]
    there += [(f"u{n}", *row[1:]) for n, row in enumerate(there[:20])]  # more often than in the old
    with closing(sqlite3.connect(new)) as writer, writer:
        writer.executemany(insert, there)
    prefix = (f"{seed + 1:014x}",)
    move = Move(str(old), str(new), (), None, None, False, "", True, None, prefix)
    place = Place(batch=luck.choice((1, 3, 50)))
    while not place.done:
        place = step(move, place._replace(batch=min(place.batch, 70)), True)
    key = "SELECT variable, value, time, `group` FROM data"
    before, after = Counter(query(old, key)), Counter(query(new, key))
    were = Counter(query(new, f"{key} WHERE id LIKE 't%' OR id LIKE 'u%'"))
    assert after == before | were, "of each as many as the project that has more of it"
    assert place.copied == sum((before - were).values())
    assert place.copied + place.already_there == place.looked == len(rows)
    assert len(set(ids(new))) == len(ids(new))
