"""Who belongs to a project, on the screen: added, changed, removed, and what is refused."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from app_support import (
    NOW,
    PLANT,
    SIZES,
    SMALL,
    AppHome,
    OpenedApp,
    Snap,
    pressed,
    pressing,
    running,
    seen,
    settled,
)
from textual.pilot import Pilot
from textual.screen import Screen

from engine.engine import Engine
from engine.model import Project
from tui.dialogs.add_member import AddMember
from tui.dialogs.confirm import Confirm
from tui.dialogs.members import MembersPage

OPEN = ("enter", "s", "m")


@pytest.fixture
def home(tmp_path: Path) -> AppHome:
    """A home with one project of one owner and a collaborator."""
    made = AppHome(tmp_path)

    async def fill() -> None:
        await made.make()
        await made.add_project(PLANT, "Plant 7", collaborators=("joao",))

    asyncio.run(fill())
    return made


@asynccontextmanager
async def opened(home: AppHome, size: tuple[int, int] = SMALL) -> AsyncIterator[Pilot[int]]:
    """The app, showing who belongs to the project."""
    async with running(home.path, size) as pilot:
        await pressed(pilot, *OPEN)
        yield pilot


async def members_of(home: AppHome, user: str = "ana") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The owners and the collaborators as the home has them."""
    async with Engine.open(home.path, user=user, clock=lambda: NOW) as engine:
        project: Project = await engine.members(PLANT)
        return project.owners, project.collaborators


def shows(pilot: Pilot[int], kind: type[Screen[Any]]) -> bool:
    """Whether a screen of that kind is in front."""
    return isinstance(pilot.app.screen, kind)


async def click_on(pilot: Pilot[int], text: str) -> None:
    """Click on a text; the lowest on the screen, where the keys are."""
    for y, line in reversed(list(enumerate(seen(pilot).splitlines()))):
        if text in line:
            await pilot.click(offset=(line.index(text) + 1, y))
            await settled(pilot)
            return
    raise AssertionError(f"{text} is not on the screen")


@pytest.mark.parametrize("size", SIZES)
def test_the_members(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*OPEN))


@pytest.mark.parametrize("size", SIZES)
def test_somebody_is_to_be_added(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    keys = (*OPEN, "a", *"rui", "enter", "enter")
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES)
def test_the_only_owner_stays(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    keys = (*OPEN, "enter", "down", "down", "enter")
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES)
def test_the_question_before_one_goes(
    home: AppHome, snap_compare: Snap, size: tuple[int, int]
) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*OPEN, "j", "x"))


async def test_added_and_removed_by_keyboard_alone(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, "a", *"rui", "enter", "enter")  # name, then the other role
        assert "[ Add rui as an owner ]" in seen(pilot)
        await pressed(pilot, "down", "right", "enter")
        assert shows(pilot, MembersPage)
        assert await members_of(home) == (("ana", "rui"), ("joao",))
        await pressed(pilot, "G", "x")
        assert "Remove joao from Plant 7?" in seen(pilot)
        await pressed(pilot, "enter")  # Cancel has the focus
        assert await members_of(home) == (("ana", "rui"), ("joao",))
        await pressed(pilot, "x", "right", "enter")
        assert await members_of(home) == (("ana", "rui"), ())
        assert "joao" not in seen(pilot)


async def test_added_and_removed_by_mouse_alone(home: AppHome) -> None:
    async with opened(home) as pilot:
        await click_on(pilot, "  joao ")
        await click_on(pilot, "change role")
        assert shows(pilot, AddMember)
        await click_on(pilot, "[ Make joao an owner ]")
        assert await members_of(home) == (("ana", "joao"), ())
        await click_on(pilot, "remove")
        assert shows(pilot, Confirm)
        await click_on(pilot, "[ Remove joao ]")
        assert await members_of(home) == (("ana",), ())


async def test_leaving_the_form_adds_nobody(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, "a", *"rui", "escape")
        assert shows(pilot, MembersPage)
        await pressed(pilot, "a", *"rui", "enter")
        await click_on(pilot, "[ Cancel ]")
        assert await members_of(home) == (("ana",), ("joao",))


async def test_the_engine_refuses_to_be_left_without_an_owner(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, "x", "right", "enter")
        (told,) = pilot.app._notifications
        assert "the project's only owner" in told.message
        await pressed(pilot, "enter")
        assert "[ Make ana a collaborator ]" in seen(pilot)
        await pressed(pilot, "down", "right", "enter")
        assert shows(pilot, AddMember)
        assert '✗ "ana" is the project\'s only owner' in seen(pilot)
        assert await members_of(home) == (("ana",), ("joao",))


async def test_a_name_takes_only_what_a_user_can_be_called(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, "a", "minus", "slash", "r", "space", "u", "ç", "i", "minus", "2")
        assert "[ Add rui-2 as a collaborator ]" in seen(pilot)
        await pressed(pilot, *("x" * 70))
        await pressed(pilot, "enter", "down", "right", "enter")
        assert (await members_of(home))[1] == ("joao", "rui-2" + "x" * 59)


async def test_who_has_the_role_cannot_be_given_it(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, "a", *"joao")
        assert "is a collaborator now" in seen(pilot)
        assert pilot.app.screen.query_one("#add").disabled
        await click_on(pilot, "[ collaborator ]")
        assert not pilot.app.screen.query_one("#add").disabled


async def test_nobody_can_be_added_without_a_name(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, "a")
        assert pilot.app.screen.query_one("#add").disabled
        await click_on(pilot, "[ Add ]")
        assert shows(pilot, AddMember)


async def test_who_goes_sees_the_members_no_more(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, "a", *"rui", "enter", "enter", "down", "right", "enter")
        await pressed(pilot, "g", "x")
        assert "You will not see Plant 7 any more" in seen(pilot)
        await pressed(pilot, "right", "enter")
        assert 'There is no project "Plant 7"' in seen(pilot) or "no project" in seen(pilot)
        assert "joao" not in seen(pilot)
        await pressed(pilot, "a")
        assert shows(pilot, MembersPage)
    assert await members_of(home, "rui") == (("rui",), ("joao",))
