"""The most recent backups stay, and every one that is listed restores after each clean-up."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from clean_up_support import check_clean, contents
from promises_support import (
    World,
    adopted,
    all_rows,
    backed_up,
    change,
    leftovers,
    make_world,
    restored,
)

from engine.children import Children
from engine.cleaning import CleanedUp, clean_up
from engine.errors import StorageFailed
from engine.home import Home
from engine.lock import WorkLock
from engine.model import Backup, Progress
from engine.project.demo.instance import write_instance
from engine.repository import cleanup as tasks
from engine.repository.repository import Repository, open_repository
from engine.repository.storage import LocalStorage
from engine.retention import to_remove

LIMIT = 180  # seconds until work that should end counts as one that does not


async def clean(world: World, remove: list[str], storage: LocalStorage | None = None) -> CleanedUp:
    with WorkLock(world.home):
        return await clean_up(opened(world, storage), remove, lambda _: None)


def opened(world: World, storage: LocalStorage | None = None) -> Repository:
    home = Home(world.home)
    return open_repository(storage or home.storage, home.read_key())


def make_larger_world(folder: Path) -> World:
    """A project of which one device never changes and all others do: packs become sparse.

    That one is small, as is the main database: their packs are sparse even where a process stored
    but one of the others beside them.
    """
    world = World(folder)
    until = world.now.moment
    write_instance(world.source, seed=4, devices=6, rows=9000, until=until, port=18902)
    change(world.files[0], "DELETE FROM data WHERE rowid % 8")
    return world


def edit_all_but_one(world: World, day: int) -> None:
    for file in world.files[1:]:
        change(file, f"UPDATE data SET value = 'day {day}', metadata = hex(randomblob(50))")


def edit_some(world: World, day: int) -> None:
    """A day in which something is written, and sometimes much."""
    rng = random.Random(day)
    for file in world.files:
        if rng.random() < 0.6:
            change(file, f"UPDATE data SET value = 'day {day}', metadata = hex(randomblob(50))")


async def backed_up_on(
    world: World, day: int, edit: Callable[[World, int], None] = edit_some
) -> Backup:
    """The backup of a day; afterwards nothing runs in the home, and it is the next day."""
    async with world.opened() as engine:
        if day == 0:
            await adopted(engine, world)
        edit(world, day)
        backup = await backed_up(engine)
    world.now.pass_by(days=1)
    return backup


async def test_a_backup_that_is_removed_before_its_asker_looks_is_told_as_it_was_made(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        change(
            world.home / "catalog.db",
            "CREATE TRIGGER at_once AFTER UPDATE ON job WHEN NEW.state = 'succeeded'"
            " BEGIN DELETE FROM backup WHERE instr(NEW.result, id) > 0; END",
        )
        edit_some(world, 1)
        made = await backed_up(engine)
        assert made not in await engine.backups("Plant")
    change(world.home / "catalog.db", "DROP TRIGGER at_once")
    async with world.opened() as engine:  # its manifest is there, and tells what it is
        assert made in await engine.backups("Plant")


async def test_every_backup_that_is_listed_restores_after_each_clean_up(tmp_path: Path) -> None:
    world, keep = make_world(tmp_path), 3
    made: list[Backup] = []
    rows = {}
    for day in range(7):
        made.append(await backed_up_on(world, day))
        rows[made[-1].id] = all_rows(world.source)
        gone = [backup.id for backup in to_remove(made, keep, world.now())]
        done = await clean(world, gone)
        assert done.removed == tuple(gone)
        assert done.notes == ()
        made = [backup for backup in made if backup.id not in gone]
        assert set(contents(opened(world))) == {backup.id for backup in made}
        check_clean(opened(world))
    assert len(made) == keep
    async with world.opened() as engine:
        for backup in made:
            report = await restored(engine, f"Copy of {backup.id}", backup.id)
            assert all_rows(report.project.path) == rows[backup.id]
        # The manifests name what is there, so what did not change is not read again.
        last = await backed_up(engine)
        assert last.added < made[-1].size / 10
    assert leftovers(world.home) == []


async def test_a_store_that_only_says_that_it_removes_packs_is_found_out(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    made = [(await backed_up_on(world, day)).id for day in range(2)]
    # Children look for the class where it can be imported from.
    lying = import_module("tests.engine.clean_up_support").LyingStorage(world.home / "repository")
    packs = opened(world).packs()
    told = rf"{len(packs)} of {len(packs)} packs that no backup needs are still there"
    with pytest.raises(StorageFailed, match=told):
        await clean(world, made, lying)
    assert opened(world).packs() == packs
    assert contents(opened(world)) == {}
    await clean(world, made)
    assert opened(world).packs() == {}


@pytest.mark.parametrize(
    "at", [tasks.make_plan, tasks.remove_manifests, tasks.move, tasks.settle, tasks.remove_packs]
)
async def test_cancelled_at_any_step_it_leaves_nothing_that_the_next_does_not_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: object
) -> None:
    world = make_larger_world(tmp_path)
    made = [(await backed_up_on(world, day, edit_all_but_one)).id for day in range(3)]
    before = contents(opened(world))
    reached, plain = asyncio.Event(), Children.run

    async def run(self: Children, task: object, *arguments: object) -> object:
        if task is at:
            reached.set()
            await asyncio.Event().wait()  # until it is cancelled
        return await plain(self, task, *arguments)  # type: ignore[arg-type]  # any of our tasks

    with monkeypatch.context() as patched:
        patched.setattr(Children, "run", run)
        work = asyncio.create_task(clean(world, made[:2]))
        await asyncio.wait_for(reached.wait(), LIMIT)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(work, LIMIT)
    left = contents(opened(world))
    assert {backup: before[backup] for backup in made[2:]}.items() <= left.items()
    assert left.items() <= before.items()
    await clean(world, made[:2])
    assert set(contents(opened(world))) == set(made[2:])
    check_clean(opened(world))


async def test_progress_is_told(tmp_path: Path) -> None:
    world = make_larger_world(tmp_path)
    made = [(await backed_up_on(world, day, edit_all_but_one)).id for day in range(3)]
    told: list[Progress] = []
    with WorkLock(world.home):
        done = await clean_up(opened(world), made[:2], told.append)
    stages = list(dict.fromkeys(each.stage for each in told))
    assert done.rewritten
    assert stages == [
        "looking for what is still needed",
        "moving what is still needed",
        "removing",
    ]
    assert all(0 <= each.done <= each.total for each in told)
