"""A project that was forgotten is found again, with its backups, by who owned it."""

from __future__ import annotations

import sys
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
    make_world,
    restored,
)

from engine.errors import NotFound


async def forgotten(world: World) -> tuple[str, str]:
    """A project with a backup, forgotten; gives the ids of both."""
    async with world.opened() as engine:
        project = await adopted(engine, world)
        backup = (await backed_up(engine)).id
        await engine.forget("Plant")
        with pytest.raises(NotFound):
            await engine.backups("Plant")
        assert (await engine.show(backup)).backup.id == backup
    return project, backup


async def test_the_same_folder_is_the_same_project_again(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    project, backup = await forgotten(world)
    async with world.opened() as engine:
        again = await engine.adopt(world.source, "Works")
        assert again.project.id == project
        assert again.project.name == "Works"
        assert again.project.collaborators == (COLLABORATOR,)
        assert '"Plant"' in again.notes[0]
        assert "backups are here again (1)" in again.notes[0]
        assert [each.id for each in await engine.backups("Works")] == [backup]
        world.now.pass_by(hours=1)
        assert (await backed_up(engine, "Works")).added < 20_000, "what is stored is known again"
        report = await restored(engine, "Copy", "Works@latest")
        assert all_rows(report.project.path) == all_rows(world.source)
        await engine.forget("Works")
        assert (await engine.adopt(world.source, "Plant")).project.id == project


@pytest.mark.parametrize("user", [STRANGER, COLLABORATOR])
async def test_who_did_not_own_it_gets_a_new_project_without_its_backups(
    tmp_path: Path, user: str
) -> None:
    world = make_world(tmp_path)
    project, backup = await forgotten(world)
    async with world.opened(user) as engine:
        adoption = await engine.adopt(world.source, "Plant")
        assert adoption.project.id != project
        assert adoption.project.owners == (user,)
        assert not any("before" in note for note in adoption.notes)
        assert await engine.backups("Plant") == []
        await engine.forget("Plant")
    async with world.opened(OWNER) as engine:
        assert (await engine.adopt(world.source, "Plant")).project.id == project
        assert [each.id for each in await engine.backups("Plant")] == [backup]


async def test_a_project_that_was_never_backed_up_comes_back_too(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        project = await adopted(engine, world)
        await engine.forget("Plant")
        again = await engine.adopt(world.source, "Plant")
    assert again.project.id == project
    assert "it had no backups" in again.notes[0]
