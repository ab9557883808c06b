"""Being invited to a project, on the screen: offered, withdrawn, accepted and declined."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from app_support import (
    HARBOUR,
    NOW,
    PLANT,
    SIZES,
    AppHome,
    OpenedApp,
    Snap,
    pressed,
    pressing,
    running,
    seen,
    settled,
    shows,
)

from engine.engine import Engine
from engine.model import Role
from tui.dialogs.confirm import Confirm
from tui.dialogs.invitations import InvitationsPage
from tui.dialogs.members import MembersPage

MEMBERS = ("enter", "s", "m")


@pytest.fixture
def home(tmp_path: Path) -> AppHome:
    """A home where ana owns one project, and rui, who owns another, has no role in it."""
    made = AppHome(tmp_path)

    async def fill() -> None:
        await made.make()
        await made.add_project(PLANT, "Plant 7", collaborators=("joao",))
        await made.add_project(HARBOUR, "Harbour", owners=("rui",))

    asyncio.run(fill())
    return made


async def invite(home: AppHome, project: str, by: str, user: str, role: Role) -> None:
    async with Engine.open(home.path, user=by, clock=lambda: NOW) as engine:
        await engine.invite(project, user, role)


async def roles(home: AppHome, user: str) -> dict[str, Role | None]:
    """What a user is to each project that they see."""
    async with Engine.open(home.path, user=user, clock=lambda: NOW) as engine:
        return {project.name: project.role for project in await engine.projects()}


@pytest.mark.parametrize("size", SIZES)
def test_somebody_is_invited(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    asyncio.run(invite(home, HARBOUR, "rui", "ana", Role.OWNER))
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=pressing())


@pytest.mark.parametrize("size", SIZES)
def test_the_invitations(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    asyncio.run(invite(home, HARBOUR, "rui", "ana", Role.OWNER))
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=pressing("i"))


def test_members_and_who_is_invited(home: AppHome, snap_compare: Snap) -> None:
    asyncio.run(invite(home, PLANT, "ana", "joao", Role.OWNER))
    press = pressing(*MEMBERS, "G")
    assert snap_compare(OpenedApp(home.path), terminal_size=SIZES[0], run_before=press)


async def test_invited_on_the_screen_and_accepted_on_anothers(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, *MEMBERS, "i", *"marta", "enter", "enter")
        assert "[ Invite marta as an owner ]" in seen(pilot)
        assert "marta sees the invitation in the app" in seen(pilot)
        await pressed(pilot, "down", "right", "enter")
        assert shows(pilot, MembersPage)
        assert "invited by ana" in seen(pilot)
    assert await roles(home, "marta") == {}
    async with running(home.path, user="marta") as pilot:
        assert "No projects yet." in seen(pilot)
        assert "ana invites you to Plant 7 as an owner. Press i to answer." in seen(pilot)
        await pressed(pilot, "i", "enter")
        assert shows(pilot, Confirm)
        await pressed(pilot, "enter")  # Cancel has the focus
        assert await roles(home, "marta") == {}
        await pressed(pilot, "enter", "right", "enter")
        assert await roles(home, "marta") == {"Plant 7": Role.OWNER}
        assert "No invitations." in seen(pilot)
        await pressed(pilot, "escape")
        assert "Plant 7" in seen(pilot)
        assert "invites you" not in seen(pilot)
        await pressed(pilot, "i")  # there is nothing to answer any more
        assert not shows(pilot, InvitationsPage)


async def test_declined_and_withdrawn(home: AppHome) -> None:
    await invite(home, HARBOUR, "rui", "ana", Role.COLLABORATOR)
    async with running(home.path) as pilot:
        await pressed(pilot, "i", "x", "right", "enter")
        assert await roles(home, "ana") == {"Plant 7": Role.OWNER}
        assert "No invitations." in seen(pilot)
        await pressed(pilot, "escape", "enter", "s", "m", "i", *"rui", "down", "down", "right")
        await pressed(pilot, "enter", "G")
        assert "withdraw" in seen(pilot).splitlines()[-1]
        assert "remove" not in seen(pilot).splitlines()[-1]
        await pressed(pilot, "x", "right", "enter")
        assert "invited by" not in seen(pilot)
    async with Engine.open(home.path, user="rui", clock=lambda: NOW) as engine:
        assert await engine.invitations() == []


async def test_an_invitation_that_comes_or_changes_meanwhile(home: AppHome) -> None:
    async with running(home.path) as pilot:
        assert "invites you" not in seen(pilot)
        await invite(home, HARBOUR, "rui", "ana", Role.COLLABORATOR)
        await pilot.app._look()  # type: ignore[attr-defined]  # what the app does each second
        await settled(pilot)
        assert "rui invites you to Harbour as a collaborator." in seen(pilot)
        await pressed(pilot, "i", "enter")
        await invite(home, HARBOUR, "rui", "ana", Role.OWNER)
        await pressed(pilot, "right", "enter")
        (told,) = pilot.app._notifications
        assert "was changed or taken back meanwhile" in told.message
    assert await roles(home, "ana") == {"Plant 7": Role.OWNER}


async def test_who_owns_a_project_is_not_invited_to_it(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, *MEMBERS, "i", *"ana")
        assert "is an owner now" in seen(pilot)
        assert pilot.app.screen.query_one("#add").disabled
