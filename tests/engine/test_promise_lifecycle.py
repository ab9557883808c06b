"""Stop, start, delete and forget: an adopted project can only be forgotten, never deleted."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import adopted, all_rows, backed_up, hashes, make_world, restored

from engine.engine import Engine
from engine.errors import Invalid, NotFound, Taken
from engine.lock import WorkLock
from engine.model import Origin, ProjectState


async def test_an_adopted_project_is_forgotten_and_its_folder_stays(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    before = hashes(world.source)
    async with world.opened() as engine:
        await adopted(engine, world)
        backup = await backed_up(engine)
        with pytest.raises(Invalid, match="not Backstay's to delete") as told:
            await engine.delete("Plant", confirm="Plant")
        assert told.value.hint
        assert (await engine.forget("Plant")).origin is Origin.ADOPTED
        assert await engine.projects() == []
        assert hashes(world.source) == before
        # Its backups stay, and its owner can still restore them.
        assert (await engine.show(backup.id)).backup == backup
        report = await restored(engine, "Copy", backup.id)
        assert all_rows(report.project.path) == all_rows(world.source)
        await adopted(engine, world, "Plant again")


async def test_a_restored_project_is_deleted_with_its_name_typed(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        root = (await restored(engine, "Copy")).project.path
        with pytest.raises(Invalid, match="deleted, not forgotten"):
            await engine.forget("Copy")
        for typed in ("", "copy", "Plant", "Copy "):
            with pytest.raises(Invalid, match="name"):
                await engine.delete("Copy", confirm=typed)
        assert root.is_dir()
        await engine.delete("Copy", confirm="Copy")
        assert list((world.home / "projects").iterdir()) == []
        with pytest.raises(NotFound):
            await engine.project("Copy")
        await restored(engine, "Copy")  # the name is free again


async def test_backups_of_a_deleted_project_stay(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        await restored(engine, "Copy")
        world.now.pass_by(hours=1)
        backup = await backed_up(engine, "Copy")
        await engine.delete("Copy", confirm="Copy")
        report = await restored(engine, "Again", backup.id)
        assert all_rows(report.project.path) == all_rows(world.source)


async def test_a_stopped_project_can_be_backed_up_and_is_still_listed(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        assert (await engine.stop("Plant")).state is ProjectState.STOPPED
        await backed_up(engine)
        assert (await engine.projects())[0].state is ProjectState.STOPPED
        assert (await engine.start("Plant")).state is ProjectState.ACTIVE


async def test_a_project_that_is_not_quiet_has_nothing_to_wake(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        await restored(engine, "Copy")
        await engine.wake("Copy")
        for name in ("Plant", "Copy"):
            with pytest.raises(Invalid, match="not quiet"):
                await engine.wake(name)


@pytest.mark.parametrize(
    "call",
    [lambda engine: engine.wake("Copy"), lambda engine: engine.delete("Copy", confirm="Copy")],
    ids=["wake", "delete"],
)
async def test_what_follows_a_job_at_once_waits_until_its_worker_has_let_go(
    tmp_path: Path, call: Callable[[Engine], Awaitable[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.projects.PATIENCE", 60)  # however slow this machine is
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        await restored(engine, "Copy")
        lock = WorkLock(world.home)
        await lock.wait()
        asked = asyncio.ensure_future(call(engine))
        done, _ = await asyncio.wait([asked], timeout=0.1)
        assert not done
        assert (await engine.project("Copy")).quiet, "nothing is done before"
        lock.release()
        await asked


async def test_of_two_who_delete_a_project_at_once_one_hears_that_it_is_gone(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        await restored(engine, "Copy")
        both = [engine.delete("Copy", confirm="Copy") for _ in range(2)]
        done = await asyncio.gather(*both, return_exceptions=True)
        assert sorted(type(each).__name__ for each in done) == ["NotFound", "Project"]
        assert [line.action for line in await engine.audit()].count("delete") == 1


async def test_one_folder_is_one_project(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        root = (await restored(engine, "Copy")).project.path
        for folder in (world.source, world.source / "tagocore.yml", root):
            with pytest.raises(Taken):
                await engine.adopt(folder, "Other")
        (tmp_path / "link").symlink_to(world.source)
        with pytest.raises(Taken):
            await engine.adopt(tmp_path / "link", "Other")
