"""Invitations: who is invited decides, has no role until then, and learns of nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import COLLABORATOR, OWNER, STRANGER, adopted, make_world, query

from engine.errors import Invalid, NotAllowed, NotFound
from engine.model import Role


async def test_who_is_invited_has_no_role_until_they_accept(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        made = await engine.invite("Plant", STRANGER, Role.OWNER)
        assert (made.user, made.role, made.by) == (STRANGER, Role.OWNER, OWNER)
        assert await engine.invited("Plant") == [made]
    async with world.opened(STRANGER) as invited:
        assert await invited.projects() == []
        with pytest.raises(NotFound):
            await invited.backups("Plant")
        assert await invited.invitations() == [made]
        project = await invited.accept("Plant")
        assert project.role is Role.OWNER
        assert await invited.invitations() == []
        assert await invited.backups("Plant") == []
        with pytest.raises(NotFound, match="not invited"):
            await invited.accept("Plant")
    done = query(world.home / "catalog.db", "SELECT user, action FROM audit ORDER BY number")
    assert (OWNER, "invite") in done
    assert (STRANGER, "accept invitation") in done


async def test_an_invitation_is_declined_or_withdrawn(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine, world.opened(STRANGER) as invited:
        await adopted(engine, world)
        await engine.invite("Plant", STRANGER, Role.COLLABORATOR)
        await invited.decline("Plant")
        assert await engine.invited("Plant") == []
        await engine.invite("Plant", STRANGER, Role.COLLABORATOR)
        await engine.withdraw("Plant", STRANGER)
        assert await invited.invitations() == []
        for call in (invited.accept, invited.decline):
            with pytest.raises(NotFound, match="not invited"):
                await call("Plant")
        with pytest.raises(NotFound, match="not invited to Plant"):
            await engine.withdraw("Plant", STRANGER)


@pytest.mark.parametrize("demoted", [False, True])
async def test_an_owner_that_goes_leaves_no_way_in_behind(tmp_path: Path, demoted: bool) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await engine.add_member("Plant", "rui", Role.OWNER)
        await engine.invite("Plant", "max", Role.OWNER)
        async with world.opened("rui") as rui:
            await rui.invite("Plant", STRANGER, Role.OWNER)
            await rui.invite("Plant", "rui", Role.COLLABORATOR)
        if demoted:
            await engine.add_member("Plant", "rui", Role.COLLABORATOR)
        else:
            await engine.remove_member("Plant", "rui")
        assert [each.user for each in await engine.invited("Plant")] == ["max"]
    async with world.opened(STRANGER) as invited:
        with pytest.raises(NotFound, match="not invited"):
            await invited.accept("Plant")


async def test_an_invitation_ends_with_the_role_that_was_given_or_taken(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine, world.opened(STRANGER) as invited:
        await adopted(engine, world)
        await engine.invite("Plant", STRANGER, Role.COLLABORATOR)
        await engine.add_member("Plant", STRANGER, Role.OWNER)
        assert await invited.invitations() == []
        await engine.add_member("Plant", STRANGER, Role.COLLABORATOR)
        await engine.invite("Plant", STRANGER, Role.OWNER)
        await engine.add_member("Plant", STRANGER, Role.COLLABORATOR)
        assert await invited.invitations() == []
        await engine.invite("Plant", STRANGER, Role.OWNER)
        await engine.remove_member("Plant", STRANGER)
        with pytest.raises(NotFound, match="not invited"):
            await invited.accept("Plant")


async def test_nothing_tells_a_project_from_none_to_who_is_not_invited(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await engine.invite("Plant", STRANGER, Role.OWNER)
    async with world.opened("mallory") as other:
        told = []
        for ref in ("Plant", "Nothing"):
            with pytest.raises(NotFound) as refused:
                await other.accept(ref)
            told.append(refused.value.message.replace(ref, "REF"))
        assert len(set(told)) == 1
        assert await other.invitations() == []


async def test_only_owners_invite_and_see_who_is_invited(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await engine.invite("Plant", STRANGER, Role.OWNER)
    async with world.opened(COLLABORATOR) as engine:
        for call in (
            engine.invite("Plant", COLLABORATOR, Role.OWNER),
            engine.withdraw("Plant", STRANGER),
            engine.invited("Plant"),
        ):
            with pytest.raises(NotAllowed):
                await call


async def test_an_invitation_never_takes_the_last_owner_away(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        with pytest.raises(Invalid, match="already"):
            await engine.invite("Plant", OWNER, Role.OWNER)
        await engine.invite("Plant", OWNER, Role.COLLABORATOR)
        with pytest.raises(Invalid, match="nothing to accept"):
            await engine.accept("Plant")
        await engine.decline("Plant")
        assert (await engine.members("Plant")).owners == (OWNER,)


async def test_an_invitation_goes_with_its_project(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine, world.opened(STRANGER) as invited:
        await adopted(engine, world)
        await engine.invite("Plant", STRANGER, Role.OWNER)
        await engine.forget("Plant")
        assert await invited.invitations() == []
