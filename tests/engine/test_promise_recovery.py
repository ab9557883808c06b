"""A repository describes itself: of it and its key, a lost home is made anew."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    COLLABORATOR,
    OWNER,
    STRANGER,
    World,
    adopted,
    all_rows,
    backed_up,
    hashes,
    make_world,
    restored,
)

from engine.engine import Engine
from engine.errors import Invalid, NotFound, SourceMissing, StorageFailed, Taken, WrongKey
from engine.health import HealthState
from engine.home import KEY_FILE
from engine.model import Encryption, Progress, ProjectState, Recovery
from engine.recovery import DONE, STAGE, needs_key, recover
from engine.repository.keys import KEY_LENGTH, Keys, new_key, recovery_text

ADMIN = "admin"  # who recovers, and owned nothing


@pytest.fixture
async def world(tmp_path: Path) -> World:
    """A home with a project that has two backups."""
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        world.now.pass_by(days=1)
        await backed_up(engine)
    return world


def key_of(world: World) -> str:
    return (world.home / KEY_FILE).read_text().strip()


async def recovered(
    world: World, home: Path, report: Callable[[Progress], None] = lambda _: None
) -> Recovery:
    repository = world.home / "repository"
    key = key_of(world)
    return await recover(repository, home, key=key, user=ADMIN, clock=world.now, report=report)


async def test_a_lost_home_is_made_anew_of_its_repository(world: World, tmp_path: Path) -> None:
    async with world.opened() as engine:
        before = await engine.backups("Plant")
        project = (await engine.project("Plant")).id
    source = hashes(world.home)
    new = tmp_path / "new"
    told: list[Progress] = []
    made = await recovered(world, new, told.append)
    assert hashes(world.home) == source, "what it was made of is left as it is"
    copying = [each for each in told if each.stage == "copying the repository"]
    assert copying[-1].done == copying[-1].total > 0
    assert copying[-1].rate
    (found,) = made.projects
    assert (found.project.id, found.project.name, found.backups) == (project, "Plant", 2)
    assert found.project.state is ProjectState.ABSENT
    assert made.whole
    shutil.rmtree(world.home)
    for user in (OWNER, ADMIN):
        async with Engine.open(new, user=user, clock=world.now, works=True) as engine:
            assert [each._replace(verified=None) for each in await engine.backups("Plant")] == [
                each._replace(verified=None) for each in before
            ]
            report = await restored(engine, f"For {user}")
            assert all_rows(report.project.path) == all_rows(world.source)
    for user in (COLLABORATOR, STRANGER):
        async with Engine.open(new, user=user, clock=world.now) as engine:
            assert await engine.projects() == []


async def test_an_absent_project_does_nothing_until_its_folder_is_adopted(
    world: World, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    await recovered(world, new)
    moved = tmp_path / "moved"
    world.source.rename(moved)
    async with Engine.open(new, user=STRANGER, clock=world.now) as engine:
        with pytest.raises(Taken):
            await engine.adopt(moved, "plant")
    async with Engine.open(new, user=OWNER, clock=world.now, works=True) as engine:
        for refused in (engine.backup("Plant"), engine.stop("Plant"), engine.wake("Plant")):
            with pytest.raises(SourceMissing, match="is not present"):
                await refused
        with pytest.raises(SourceMissing):
            await engine.set_schedule("Plant", at="03:00", zone="UTC")
        (health,) = await engine.status()
        assert health.state is HealthState.FAILING
        assert "backstay adopt" in health.hint
        before = await engine.project("Plant")
        adoption = await engine.adopt(moved, "plant")
        assert "backups are here again (2)" in adoption.notes[0]
        assert (adoption.project.id, adoption.project.path) == (before.id, moved)
        assert adoption.project.state is ProjectState.ACTIVE
        world.now.pass_by(hours=1)
        assert (await backed_up(engine, "plant")).added < 20_000, "what is stored is known"
        assert len(await engine.backups("plant")) == 3


async def test_a_restored_project_is_not_cleaned_up_below_what_was_there(
    world: World, tmp_path: Path
) -> None:
    async with world.opened() as engine:
        await engine.set_schedule("Plant", keep=30)
        for _ in range(7):
            world.now.pass_by(days=1)
            await backed_up(engine)
    new = tmp_path / "new"
    await recovered(world, new)
    async with Engine.open(new, user=OWNER, clock=world.now) as engine:
        assert (await engine.plan("Plant")).keep == 9
        assert await engine.would_remove("Plant") == []


async def test_a_younger_project_keeps_a_name_and_the_older_its_backups(
    world: World, tmp_path: Path
) -> None:
    async with world.opened() as engine:
        old = (await engine.backups("Plant"))[0].id
        await engine.forget("Plant")
    other = make_world(tmp_path / "other")
    async with world.opened() as engine:
        young = (await engine.adopt(other.source, "plant")).project.id
        world.now.pass_by(hours=1)
        await backed_up(engine, "plant")
    new = tmp_path / "new"
    made = await recovered(world, new)
    assert [each.project.id for each in made.projects] == [young]
    assert [each.backups for each in made.forgotten] == [2]
    async with Engine.open(new, user=OWNER, clock=world.now) as engine:
        assert len(await engine.backups("Plant")) == 1
        assert (await engine.show(old)).backup.id == old


async def test_what_cannot_be_read_is_named_and_the_rest_recovered(
    world: World, tmp_path: Path
) -> None:
    async with world.opened() as engine:
        young, old = await engine.backups("Plant")
    manifest = world.home / "repository" / "manifests" / old.id
    manifest.write_bytes(manifest.read_bytes()[:-1])
    new = tmp_path / "new"
    made = await recovered(world, new)
    assert [part.name for part in made.unreadable] == [old.id]
    assert not made.whole
    async with Engine.open(new, user=OWNER, clock=world.now) as engine:
        assert [each.id for each in await engine.backups("Plant")] == [young.id]


async def test_nothing_is_made_of_what_cannot_be_opened(world: World, tmp_path: Path) -> None:
    repository, new = world.home / "repository", tmp_path / "new"
    for source, key, error in (
        (repository, recovery_text(new_key()), WrongKey),
        (repository, None, WrongKey),
        (repository, "AAAA", Invalid),
        (world.source, key_of(world), NotFound),
        (tmp_path / "nowhere", key_of(world), NotFound),
    ):
        with pytest.raises(error):
            await recover(source, new, key=key)
        assert not new.exists()
    config = (repository / "config").read_text()
    claims = json.loads(config) | {"encryption": "none", "key": "00" * KEY_LENGTH}
    claims["key_check"] = Keys.derive(bytes(KEY_LENGTH), claims["id"], Encryption.NONE).check
    (repository / "config").write_text(json.dumps(claims))
    assert not await needs_key(repository)
    with pytest.raises(WrongKey):  # whoever can write there could have made all of it up
        await recover(repository, new, key=key_of(world))
    (repository / "config").write_text(config)
    before = hashes(tmp_path)
    for home, refusal in (
        (world.home, Taken),  # a home already
        (world.source, Taken),  # not empty
        (repository / "new", Taken),  # a part of what is to be left as it is
    ):
        with pytest.raises(refusal):
            await recover(repository, home, key=key_of(world))
        assert hashes(tmp_path) == before
    (world.home / "catalog.db").rename(tmp_path / "catalog.db")
    with pytest.raises(StorageFailed, match="lost its catalog") as told:
        async with Engine.open(world.home):
            pass
    assert f"recover {repository} --key-file" in told.value.hint


async def test_a_recovery_that_is_cut_short_leaves_nothing_or_is_ended(
    world: World, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    copying = asyncio.Event()
    task = asyncio.ensure_future(
        recover(world.home, new, key=key_of(world), report=lambda _: copying.set())
    )
    await copying.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not new.exists()
    # Killed while it was being made: what is left is made anew.
    new.mkdir(mode=0o700)
    shutil.copytree(world.home, new / STAGE)
    await recovered(world, new)
    assert not (new / STAGE).exists()
    # Killed while the parts were given their places: it is ended, and then it is a home.
    (new / DONE).mkdir()
    for name in ("catalog.db", "repository"):
        (new / name).rename(new / DONE / name)
    with pytest.raises(Taken):
        await recovered(world, new)
    assert not (new / DONE).exists()
    async with Engine.open(new, user=OWNER, clock=world.now) as engine:
        assert len(await engine.backups("Plant")) == 2
