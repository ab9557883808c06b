"""What became of a project is told in its owner's terms, by name and by number, without secrets."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import World, adopted, backed_up, change, hashes, make_world

from engine.errors import Busy, NotFound, RepositoryDamaged
from engine.model import Comparison, Progress
from engine.project.instance import find

TANK, WEATHER = "715f6b96bfa47992f15881f9", "715fbfa93ecad370ed4fa7d3"
PARSED, FREEZER = "715faf2b8b4aa32a54b18ffc", "715fd9bc3b5f296f92bfa02f"
NEW = "715f000000000000000000aa"
SECRETS = ("hunter2", "24cafe", "broker-pass")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def alter(world: World) -> None:
    """Change some of everything; secrets among it."""
    files = {name: find(world.source).device_file(name) for name in (TANK, FREEZER, WEATHER, NEW)}
    change(
        files[TANK],
        "DELETE FROM data WHERE rowid IN (3, 4)",
        "UPDATE data SET value = '-77', `group` = NULL WHERE rowid = 9",
        "INSERT INTO data (id, variable, value, time)"
        " VALUES ('a', x'00ff', CAST(x'610062' AS TEXT), -1)",
    )
    database = world.data / "data.db"
    with (
        closing(sqlite3.connect(files[WEATHER])) as source,
        closing(sqlite3.connect(files[NEW])) as target,
    ):
        source.backup(target)
    change(
        database,
        f"UPDATE device SET name = 'Freezer 2', last_input = 5 WHERE id = '{FREEZER}'",
        f"UPDATE device_token SET expire_time = '1 month' WHERE device_id = '{FREEZER}'",
        "INSERT INTO device_params (id, `key`, value, device_id)"
        f" VALUES ('p', 'k', 'hunter2', '{FREEZER}')",
        f"INSERT INTO device (id, name, type, active) VALUES ('{NEW}', 'New 🌡️', 'immutable', 1)",
        f"UPDATE device SET last_input = 7, inspected_at = 8 WHERE id = '{WEATHER}'",
        f"DELETE FROM device_params WHERE device_id = '{PARSED}'",
        f"DELETE FROM device_token WHERE device_id = '{PARSED}'",
        f"DELETE FROM device WHERE id = '{PARSED}'",
        "UPDATE action SET last_triggered = 9",
        "UPDATE action SET active = NOT active, trigger = '[]'"
        " WHERE rowid = (SELECT min(rowid) FROM action)",
        "UPDATE account SET password = '24cafe' WHERE rowid = (SELECT min(rowid) FROM account)",
        "INSERT INTO analysis (id, name, variables) VALUES ('an', 'Night', '[\"hunter2\"]')",
        "DELETE FROM action WHERE rowid = (SELECT max(rowid) FROM action)",
    )
    settings = world.source / "tagocore.yml"
    text = settings.read_text()
    (port,) = [line for line in text.splitlines() if line.startswith("port:")]
    settings.write_text(text.replace(port, "port: '1'") + "broker:\n  password: broker-pass\n")


def check(found: Comparison, world: World) -> None:
    """See that all of it is told, and nothing else."""
    assert [(each.id, each.rows) for each in found.added] == [(NEW, (100, 0, 0))]
    assert [(each.id, each.rows) for each in found.removed] == [(PARSED, (0, 100, 0))]
    changed = {each.id: (each.name, each.rows, each.changes) for each in found.changed}
    assert changed.keys() == {TANK, FREEZER}, "when a device was heard of is no change of it"
    assert changed[TANK][1:] == ((1, 2, 1), ())
    assert changed[FREEZER] == (
        "Freezer 2",
        (0, 0, 0),
        ("name", "tokens", "configuration parameters"),
    )
    assert found.rows == (101, 102, 1)
    assert [each.changes for each in found.actions.changed] == [("active", "trigger")]
    assert (len(found.actions.added), len(found.actions.removed)) == (0, 1)
    assert [each.name for each in found.analyses.added] == ["Night"]
    assert [each.changes for each in found.accounts.changed] == [("password",)]
    assert {(each.where, each.setting, each.change) for each in found.settings} == {
        ("TagoCore", "port", "changed"),
        ("TagoCore", "broker.password", "added"),
    }
    assert not found.storage
    assert not found.notes
    text = json.dumps(found.as_json()) + repr(found)
    assert not [secret for secret in SECRETS if secret in text]
    assert not list(world.home.glob(".aside-*"))


async def test_two_backups_and_a_backup_with_now_tell_the_same(world: World) -> None:
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        same = await engine.compare(first.id, first.id)
        assert same.same
        alter(world)
        before = hashes(world.home / "repository")
        told: list[Progress] = []
        now = await engine.compare(first.id, report=told.append)
        assert hashes(world.home / "repository") == before, "nothing is added by looking"
        assert told[-1].stage == "comparing"
        sizes = {each.id: each.data for each in (await engine.contents(first.id)).devices}
        assert told[-1].done == told[-1].total > sizes[TANK], "it is told in bytes"
        assert now.after.backup == ""
        check(now, world)
        second = await backed_up(engine)
        found = await engine.compare(first.id, second.id)
        check(found, world)
        assert (found.before.backup, found.after.backup) == (first.id, second.id)
        back = await engine.compare(second.id, first.id)
        assert back.rows == (102, 101, 1)
        assert (await engine.compare(second.id)).same


async def test_what_cannot_be_compared_is_told(world: World) -> None:
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        alter(world)
        tank = find(world.source).device_file(TANK)
        whole = tank.read_bytes()
        tank.write_bytes(b"this is no database" * 1000)
        found = await engine.compare(first.id)
        (note,) = found.notes
        assert "The rows of Tank immutable" in note
        assert "the second does not have them" in note
        assert TANK not in [each.id for each in found.changed]
        tank.write_bytes(whole)
        second = await backed_up(engine)
        for pack in (world.home / "repository" / "packs").rglob("*"):
            if pack.is_file():
                pack.write_bytes(pack.read_bytes()[:-1])
        with pytest.raises(RepositoryDamaged):
            await engine.compare(first.id, second.id)
        assert (await engine.compare(first.id, first.id)).same, "of that nothing has to be read"
        await engine.forget("Plant")
        with pytest.raises(NotFound, match="no project as it is now"):
            await engine.compare(first.id)


async def test_a_comparison_with_now_waits_for_writers_as_long_as_a_backup(world: World) -> None:
    world.set_prices("[snapshot]\npatience = 1\n")
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        alter(world)
        tank = find(world.source).device_file(TANK)
        with closing(sqlite3.connect(tank, isolation_level=None)) as writer:
            writer.execute("BEGIN EXCLUSIVE")
            with pytest.raises(Busy, match="for more than 1 seconds"):
                await engine.compare(first.id)


async def test_a_backup_that_is_removed_meanwhile_is_not_called_damaged(world: World) -> None:
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        alter(world)
        second = await backed_up(engine)

        def remove(progress: Progress) -> None:
            if progress.stage == "comparing":
                world.repository().remove_manifest(second.id)
                shutil.rmtree(world.home / "repository" / "packs", ignore_errors=True)

        with pytest.raises(NotFound, match="was removed while it was read"):
            await engine.compare(first.id, second.id, report=remove)


async def test_a_comparison_that_is_cancelled_leaves_nothing(world: World) -> None:
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        alter(world)
        reached = asyncio.Event()
        work = asyncio.create_task(engine.compare(first.id, report=lambda _: reached.set()))
        await reached.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert not list(world.home.glob(".aside-*"))
    (world.home / ".aside-of-one-that-died" / "repository").mkdir(parents=True)
    async with world.opened():
        assert not list(world.home.glob(".aside-*")), "the next one removes it"
