"""A restore makes a new project and touches no other."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from pathlib import Path

import pytest
import yaml

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    World,
    adopted,
    all_rows,
    backed_up,
    change,
    device_names,
    hashes,
    ids,
    leftovers,
    make_world,
    query,
    restored,
)

from engine import restore
from engine.errors import Cancelled, StorageFailed
from engine.home import Home
from engine.model import LeaveOut
from engine.project.instance import find

TOKENS = "SELECT token, name, permission, expire_time, device_id FROM device_token ORDER BY rowid"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

LIMIT = 180  # seconds until work that should come so far counts as work that does not


def texts_of(root: Path) -> str:
    """The texts of data.db and of all settings of a project."""
    database = find(root).database
    tables = query(database, "SELECT name FROM sqlite_schema WHERE type = 'table'")
    rows = [query(database, f'SELECT * FROM "{name}"') for (name,) in tables]
    files = [path.read_text() for path in root.rglob("*.yml")]
    return repr(rows) + "\n".join(files)


@pytest.mark.parametrize("leave_out", LeaveOut)
async def test_rows_are_equal_and_ids_are_new(tmp_path: Path, leave_out: LeaveOut) -> None:
    world = make_world(tmp_path)
    world.set_prices(f'[snapshot]\nleave_out = "{leave_out.value}"\n')
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        root = (await restored(engine, "Copy")).project.path
    assert all_rows(root) == all_rows(world.source)
    seen: set[str] = set()
    for source in world.files:
        copy = find(root).device_file(source.stem)
        old, new = ids(source), ids(copy)
        assert len(new) == len(old) > 0
        assert all(re.fullmatch("[0-9a-f]{24}", each) for each in new)
        assert new == sorted(new)
        assert seen.isdisjoint(new)
        assert set(old).isdisjoint(new)
        seen |= {*old, *new}
        assert query(copy, "PRAGMA integrity_check") == [("ok",)]
        schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
        assert query(copy, schema) == query(source, schema)


async def test_tokens_are_new_and_references_follow(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    database = find(world.source).database
    (hidden,) = query(database, "SELECT token FROM device_token LIMIT 1")[0]
    change(database, f'UPDATE analysis SET variables = \'[{{"key":"T","value":"{hidden}"}}]\'')
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        report = await restored(engine, "Copy")
    old = query(database, TOKENS)
    new = query(find(report.project.path).database, TOKENS)
    assert [row[1:] for row in old] == [row[1:] for row in new]
    follow = {str(a[0]): str(b[0]) for a, b in zip(old, new, strict=True)}
    assert set(follow).isdisjoint(follow.values())
    assert len(set(follow.values())) == len(old)
    assert all(UUID.fullmatch(token) for token in follow.values())
    assert [token.token for token in report.tokens] == list(follow.values())
    texts = texts_of(report.project.path)
    assert not [token for token in follow if token in texts]
    copy = find(report.project.path).database
    expected = [
        tuple(_followed(value, follow) for value in row)
        for row in query(database, "SELECT id, action, trigger FROM action ORDER BY id")
    ]
    assert query(copy, "SELECT id, action, trigger FROM action ORDER BY id") == expected
    assert query(copy, "SELECT variables FROM analysis") == [
        (f'[{{"key":"T","value":"{follow[str(hidden)]}"}}]',)
    ]
    assert query(copy, "SELECT count(*) FROM account_token") == [(0,)]
    accounts = "SELECT * FROM account ORDER BY id"
    assert query(copy, accounts) == query(database, accounts)


def _followed(value: object, follow: dict[str, str]) -> object:
    if isinstance(value, str):
        for old, new in follow.items():
            value = value.replace(old, new)
    return value


async def test_folders_port_and_code_are_its_own_and_it_is_quiet(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        report = await restored(engine, "Copy")
        root = report.project.path
        assert root.parent == world.home / "projects"
        assert report.project.quiet
        instance = find(root)
        settings = yaml.safe_load((root / "tagocore.yml").read_text())
        assert settings["settings_folder"] == str(root)
        assert instance.database.is_relative_to(root)
        assert instance.port == report.port != find(world.source).port
        texts = texts_of(root)
        assert "/nonexistent" not in texts  # where the settings say it is
        assert "/srv/tagocore" not in texts  # where its code was
        assert str(world.source) not in texts
        assert ".partial-" not in texts
        assert [code.name for code in report.analyses_without_code] == ["Daily report"]
        assert [code.name for code in report.parsers_without_code] == ["Parsed mutable"]
        assert query(instance.database, "SELECT DISTINCT active FROM action") == [(0,)]
        assert {item.kind for item in report.quiet} >= {"action", "data retention"}
        active = "SELECT id, active FROM action ORDER BY id"
        retention = "SELECT id, chunk_retention FROM device ORDER BY id"
        source = find(world.source).database
        assert query(instance.database, retention) != query(source, retention)
        woken = await engine.wake("Copy")
        assert not woken.project.quiet
        assert woken.left == ()
        assert query(instance.database, active) == query(source, active)
        assert query(instance.database, retention) == query(source, retention)


async def test_waking_leaves_what_was_changed_since(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        root = (await restored(engine, "Copy")).project.path
        database = find(root).database
        change(database, "DELETE FROM action WHERE name = 'Too hot'")
        woken = await engine.wake("Copy")
        assert [item.name for item in woken.left] == ["Too hot"]


async def test_the_source_is_as_it_was_to_the_last_byte(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    before = hashes(world.source)
    dates = {path: path.stat().st_mtime_ns for path in world.source.rglob("*")}
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        await restored(engine, "Copy")
        await engine.wake("Copy")
        await engine.delete("Copy", confirm="Copy")
    assert hashes(world.source) == before
    assert {path: path.stat().st_mtime_ns for path in world.source.rglob("*")} == dates


async def test_two_restores_are_two_independent_projects(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        one, two = await restored(engine, "One"), await restored(engine, "Two")
        assert one.project.path != two.project.path
        assert len({one.port, two.port, find(world.source).port}) == 3
        assert {t.token for t in one.tokens}.isdisjoint(t.token for t in two.tokens)
        for device in device_names(find(world.source)):
            first = set(ids(find(one.project.path).device_file(device)))
            assert first.isdisjoint(ids(find(two.project.path).device_file(device)))
        assert all_rows(one.project.path) == all_rows(two.project.path)
        before = hashes(two.project.path)
        change(find(one.project.path).device_file(device), "DELETE FROM data")
        await engine.wake("One")
        await engine.delete("One", confirm="One")
        assert not one.project.path.exists()
        assert hashes(two.project.path) == before
        # A restored project is a project like any other: it can be backed up, and restored again.
        world.now.pass_by(days=1)
        await backed_up(engine, "Two")
        three = await restored(engine, "Three", "Two@latest")
        assert all_rows(three.project.path) == all_rows(two.project.path)


async def nothing_came_of_it(world: World) -> None:
    async with world.opened() as engine:
        assert [each.name for each in await engine.projects()] == ["Plant"]
        assert await engine.costs() == []
    assert leftovers(world.home) == []
    assert list((world.home / "projects").glob("*")) == []
    assert query(world.home / "catalog.db", "SELECT count(*) FROM charge") == [(0,)]


@pytest.mark.parametrize("when", ["at once", "once it is heard of", "once all is made"])
async def test_a_cancelled_restore_leaves_nothing_and_costs_nothing(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    world.set_prices()
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        price = (await engine.quote("Plant@latest")).creation_fee.amount
        made, ended = threading.Event(), threading.Event()

        def held(_: Path) -> None:
            made.set()
            ended.wait()

        with monkeypatch.context() as patched:
            # However fast it is, it is not done before it is cancelled.
            patched.setattr(restore, "sync_tree", held)
            handle = await engine.restore("Plant@latest", "Copy", accept_cost=price)
            if when == "once it is heard of":
                progress = handle.progress()
                await anext(progress)
                await progress.aclose()  # type: ignore[attr-defined]  # an async generator
            elif when == "once all is made":
                assert await asyncio.to_thread(made.wait, LIMIT)
            handle.cancel()
            try:
                with pytest.raises(Cancelled):
                    await handle.result()
            finally:
                ended.set()
        await nothing_came_of_it(world)
        await restored(engine, "Copy")


async def test_a_restore_without_room_leaves_nothing_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    world.set_prices()
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        with monkeypatch.context() as patched:
            patched.setattr(Home, "free_space", lambda _: 1000)
            with pytest.raises(StorageFailed, match="1000 are free") as told:
                await restored(engine, "Copy")
        assert told.value.hint
        await nothing_came_of_it(world)


async def test_what_is_written_to_a_restored_project_is_backed_up_and_restored(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        first = find((await restored(engine, "Copy")).project.path)
        name = world.files[0].name
        change(
            first.devices / name,
            "INSERT INTO data (id, variable, value) VALUES ('7fff', 'written', 42)",
        )
        for _ in range(2):  # the whole, and what changed since
            world.now.pass_by(days=1)
            await backed_up(engine, "Copy")
            change(first.devices / name, "UPDATE data SET value = 43 WHERE variable = 'written'")
        world.now.pass_by(days=1)
        await backed_up(engine, "Copy")
        second = find((await restored(engine, "Copy of a copy", "Copy@latest")).project.path)
        assert all_rows(second.root) == all_rows(first.root)
        written = "SELECT value FROM data WHERE variable = 'written'"
        assert query(second.devices / name, written) == [("43",)]
