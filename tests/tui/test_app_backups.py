"""The backups of a project on the screen: what is seen, and what each key does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from app_support import (
    LARGE,
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
)
from textual.pilot import Pilot

from engine.lock import WorkerLock
from tui.screens.backups import BackupsPage
from tui.widgets.menu import Menu


@pytest.fixture
def home(tmp_path: Path) -> Iterator[AppHome]:
    """A home with one project, a week of backups, and a worker that stays."""
    made = AppHome(tmp_path)

    async def fill() -> WorkerLock:
        await made.make()
        await made.add_project(PLANT, "Plant 7", collaborators=("joao",))
        await made.add_week()
        return made.worker_that_stays()

    lock = asyncio.run(fill())
    yield made
    lock.release()


@pytest.mark.parametrize("size", SIZES)
def test_a_week_of_backups(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing("enter", "down"))


@pytest.mark.parametrize("size", SIZES)
def test_the_menu_of_a_backup(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing("enter", "down", "enter"))


async def test_the_strip_says_whether_the_project_is_safe(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        line = seen(pilot).splitlines()[2].strip()
        assert line == "✓ Last good 3 h ago · Next Tue 03:00 Europe/Lisbon, in 21 h · Running: none"


async def test_the_menu_opens_and_closes_by_key_and_by_mouse(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter", "full_stop")
        assert pilot.app.screen.query(Menu)
        await pressed(pilot, "escape")
        assert not pilot.app.screen.query(Menu)
        assert isinstance(pilot.app.screen, BackupsPage)
        await pilot.click("#rows", offset=(77, 3))
        await settled(pilot)
        assert pilot.app.screen.query(Menu)
        assert "Sat 21 Nov" in seen(pilot)
        await _click_outside(pilot)
        assert not pilot.app.screen.query(Menu)


async def _click_outside(pilot: Pilot[int]) -> None:
    await pilot.click("#rows", offset=(10, 2))
    await settled(pilot)


async def test_the_details_are_those_of_the_selected_backup(home: AppHome) -> None:
    async with running(home.path, LARGE) as pilot:
        await pressed(pilot, "enter")
        assert "Id         b00000000007" in seen(pilot)
        await pressed(pilot, "j")
        text = seen(pilot)
        assert "Id         b00000000006" in text
        assert "b00000000007" not in text
