"""A backup exists wholly or not at all: the manifest decides, and the catalog follows."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    World,
    adopted,
    all_rows,
    backed_up,
    change,
    hashes,
    leftovers,
    make_world,
    query,
    restored,
)

from engine.engine import Engine
from engine.errors import (
    BackstayError,
    Cancelled,
    RepositoryDamaged,
    SourceDamaged,
)
from engine.handle import Handle
from engine.model import Backup, BackupState


async def test_a_manifest_that_the_catalog_lacks_is_adopted(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        catalog = {
            path.name: path.read_bytes() for path in world.home.glob("catalog.db*")
        }  # as it was before the second backup
        world.now.pass_by(days=1)
        change(world.files[0], "UPDATE data SET value = 12 WHERE rowid = 1")
        second = await backed_up(engine)
        wanted = all_rows(world.source)
    for path in world.home.glob("catalog.db*"):
        path.unlink()
    for name, content in catalog.items():
        (world.home / name).write_bytes(content)
    async with world.opened() as engine:
        assert await engine.backups("Plant") == [second, first]
        made = await restored(engine, "Copy")
        assert all_rows(made.project.path) == wanted


async def test_a_manifest_that_is_no_manifest_is_not_adopted(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
    manifests = world.home / "repository" / "manifests"
    whole = (manifests / first.id).read_bytes()
    (manifests / "0123456789ab").write_bytes(whole)  # a copy under another name
    (manifests / "0123456789ac").write_bytes(whole[: len(whole) // 2])
    (manifests / "0123456789ad").write_bytes(b"")
    async with world.opened() as engine:
        assert await engine.backups("Plant") == [first]


async def test_a_backup_whose_manifest_is_gone_is_damaged_and_says_so(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        (world.home / "repository" / "manifests" / first.id).unlink()
        (listed,) = await engine.backups("Plant")
        assert listed.state is BackupState.DAMAGED
        with pytest.raises(RepositoryDamaged, match=first.id):
            await restored(engine, "Copy", first.id)
        assert leftovers(world.home) == []
        world.now.pass_by(hours=1)
        await backed_up(engine)
        await restored(engine, "Copy")


async def test_a_backup_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        for until in range(3):  # cancelled at once, and after the first news of it
            handle = await engine.backup("Plant")
            await _news(handle, until)
            handle.cancel()
            with pytest.raises(Cancelled):
                await handle.result()
            assert await engine.backups("Plant") == []
            assert leftovers(world.home) == []
        jobs = query(world.home / "catalog.db", "SELECT DISTINCT state FROM job")
        assert jobs == [("cancelled",)]
        await backed_up(engine)


async def _news(handle: Handle[Backup], times: int) -> None:
    if times:
        async for _ in handle.progress():
            times -= 1
            if not times:
                return


async def test_leaving_the_home_cancels_what_is_under_way(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(world.opened())
        await adopted(engine, world)
        handle = await engine.backup("Plant")
    with pytest.raises(Cancelled):
        await handle.result()
    assert leftovers(world.home) == []
    async with world.opened() as engine:
        assert await engine.backups("Plant") == []


async def test_who_cancels_while_the_home_is_left_comes_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    leaving, plain = asyncio.Event(), Engine._leave

    async def leave(self: Engine) -> None:
        leaving.set()
        await plain(self)

    async def work() -> Backup:
        async with world.opened() as engine:
            await adopted(engine, world)
            backup = await backed_up(engine)
            world.now.pass_by(days=1)
            await engine.backup("Plant")  # it is cancelled then, which takes a moment
            monkeypatch.setattr(Engine, "_leave", leave)
            return backup

    task = asyncio.ensure_future(work())
    await leaving.wait()
    for _ in range(100):
        task.cancel()
        await asyncio.sleep(0)
    backup = await task
    monkeypatch.undo()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    async with world.opened() as engine:
        assert await engine.backups("Plant") == [backup]


async def test_a_backup_that_fails_leaves_nothing_and_harms_no_other(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        wanted = all_rows(world.source)
        repository = hashes(world.home / "repository" / "manifests")
        change(world.files[0], "UPDATE data SET value = 13")
        world.files[1].write_bytes(b"not a database" * 100)
        with pytest.raises(SourceDamaged):
            await backed_up(engine)
        assert await engine.backups("Plant") == [first]
        assert hashes(world.home / "repository" / "manifests") == repository
        assert leftovers(world.home) == []
        made = await restored(engine, "Copy", first.id)
        assert all_rows(made.project.path) == wanted


async def test_jobs_of_two_who_ask_run_one_after_the_other(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine, world.opened() as other:
        await adopted(engine, world)
        handles = [await each.backup("Plant") for each in (engine, other, engine)]
        backups = [await handle.result() for handle in handles]
        assert sorted(await other.backups("Plant")) == sorted(backups)
        jobs = await engine.jobs("Plant")
        assert len(jobs) == 3
        for later, earlier in itertools.pairwise(jobs):
            assert earlier.finished is not None
            assert later.started is not None
            assert earlier.finished <= later.started


async def test_a_home_can_be_moved_with_all_its_backups(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        wanted = all_rows(world.source)
    moved = make_world_at(world.home, tmp_path / "elsewhere")
    async with moved.opened() as engine:
        made = await restored(engine, "Copy")
        assert all_rows(made.project.path) == wanted
        assert made.project.path.is_relative_to(moved.home)


def make_world_at(home: Path, folder: Path) -> World:
    folder.mkdir()
    shutil.move(home, folder / "home")
    return World(folder)


async def test_errors_say_what_is_safe(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        with pytest.raises(BackstayError) as told:
            await restored(engine, "Copy")  # there is no backup yet
        assert told.value.exit_code == 4
        assert told.value.hint
