"""The recovery key is for who owns every project, and for the account that owns the home."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    OWNER,
    STRANGER,
    World,
    adopted,
    backed_up,
    make_world,
    query,
)

from engine.access import login_name
from engine.errors import NotAllowed, WrongKey
from engine.home import KEY_FILE
from engine.model import Role
from engine.records import enter_recovery_key
from engine.repository.keys import new_key, recovery_text

BEA = "bea"


def told(world: World, action: str) -> list[tuple[object, ...]]:
    """Who was allowed or refused an action, oldest first."""
    lines = f"SELECT user, verdict FROM audit WHERE action = '{action}' ORDER BY number"
    return query(world.home / "catalog.db", lines)


@pytest.fixture
async def world(tmp_path: Path) -> World:
    """A home in which ana owns one project and bea another; both have a backup."""
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
    other = make_world(tmp_path / "other")
    async with world.opened(BEA) as engine:
        await engine.adopt(other.source, "Harbour")
        await backed_up(engine, "Harbour")
    return world


async def test_nobody_who_owns_only_some_projects_has_the_key(world: World) -> None:
    for user in (OWNER, BEA, STRANGER):
        async with world.opened(user) as engine:
            with pytest.raises(NotAllowed) as refused:
                await engine.recovery_key()
        assert login_name() in refused.value.hint
    refusals = [(user, "refused") for user in (OWNER, BEA, STRANGER)]
    assert told(world, "show recovery key") == refusals


async def test_a_project_that_is_gone_counts_as_long_as_it_has_backups(world: World) -> None:
    async with world.opened(BEA) as engine:
        await engine.forget("Harbour")
    async with world.opened() as engine:
        with pytest.raises(NotAllowed):
            await engine.recovery_key()


async def test_the_account_that_owns_the_home_has_the_key_and_can_enter_it(world: World) -> None:
    async with world.opened(login_name()) as engine:
        assert await engine.projects() == []
        key = await engine.recovery_key()
    (world.home / KEY_FILE).unlink()
    await enter_recovery_key(world.home, key)
    async with world.opened() as engine:
        assert len(await engine.backups("Plant")) == 1
    assert told(world, "show recovery key") == [(login_name(), "allowed")]
    assert told(world, "enter recovery key") == [(login_name(), "allowed")]


async def test_only_its_login_name_makes_it_that_account(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = login_name()
    monkeypatch.setattr(os, "getuid", lambda: 54321)  # another account, which reaches the home
    async with world.opened(me) as engine:
        with pytest.raises(NotAllowed):
            await engine.recovery_key()


async def test_others_cannot_enter_a_key_and_a_wrong_one_is_not_told_as_entered(
    world: World,
) -> None:
    file = world.home / KEY_FILE
    before = file.read_bytes()
    right = before.decode("ascii").strip()
    with pytest.raises(NotAllowed):
        await enter_recovery_key(world.home, right, user=OWNER)
    with pytest.raises(WrongKey):
        await enter_recovery_key(world.home, recovery_text(new_key()))
    assert file.read_bytes() == before
    assert told(world, "enter recovery key") == [(OWNER, "refused")]


async def test_what_is_about_the_home_is_shown_to_who_may_have_its_key(world: World) -> None:
    async def shown(user: str) -> list[tuple[str, str, str | None]]:
        async with world.opened(user) as engine:
            lines = await engine.audit()
        return [
            (line.user, line.verdict.value, line.project)
            for line in lines
            if line.action == "show recovery key"
        ]

    for user in (OWNER, BEA):
        async with world.opened(user) as engine:
            with pytest.raises(NotAllowed):
                await engine.recovery_key()
    async with world.opened(login_name()) as engine:
        await engine.recovery_key()
    by_ana, by_bea = (OWNER, "refused", None), (BEA, "refused", None)
    everything = [(login_name(), "allowed", None), by_bea, by_ana]
    assert await shown(login_name()) == everything
    assert await shown(OWNER) == [by_ana]
    assert await shown(BEA) == [by_bea]
    assert await shown(STRANGER) == []
    async with world.opened(BEA) as engine:
        await engine.add_member("Harbour", OWNER, Role.OWNER)
    assert await shown(OWNER) == everything
