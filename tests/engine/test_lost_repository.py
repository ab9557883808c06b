"""A repository that is gone is told, and never replaced by a new one that knows no backups."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import World, adopted, backed_up, hashes, make_world

from engine.errors import BackstayError, RepositoryDamaged, StorageFailed


async def told_on_opening(world: World) -> BackstayError:
    """What opening the home raises, which must change nothing in it."""
    before = hashes(world.home)
    with pytest.raises(BackstayError) as told:
        async with world.opened():
            pass
    assert hashes(world.home) == before
    return told.value


@pytest.fixture
async def world(tmp_path: Path) -> World:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
    return world


async def test_a_config_that_is_gone_is_damage_and_names_the_file(world: World) -> None:
    config = world.home / "repository" / "config"
    content = config.read_bytes()
    config.unlink()
    told = await told_on_opening(world)
    assert isinstance(told, RepositoryDamaged)
    assert str(config) in told.message
    config.write_bytes(content)
    async with world.opened() as engine:
        assert len(await engine.backups("Plant")) == 1


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
async def test_a_repository_that_is_gone_is_storage_out_of_reach(world: World, left: str) -> None:
    repository = world.home / "repository"
    away = world.folder / "unmounted"
    shutil.move(repository, away)
    if left != "nothing":
        repository.mkdir(mode=0o700)
    told = await told_on_opening(world)
    assert isinstance(told, StorageFailed)
    assert str(repository) in told.message
    assert "mounted" in told.hint
    shutil.rmtree(repository, ignore_errors=True)
    shutil.move(away, repository)
    async with world.opened() as engine:
        assert len(await engine.backups("Plant")) == 1


async def test_a_home_without_backups_gets_its_repository(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
    shutil.rmtree(world.home / "repository")
    async with world.opened() as engine:
        await backed_up(engine)
        assert len(await engine.backups("Plant")) == 1
