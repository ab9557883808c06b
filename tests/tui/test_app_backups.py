"""The backups of a project on the screen: what is seen, and what each key does."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from app_support import (
    LARGE,
    PLANT,
    SIZES,
    SMALL,
    AppHome,
    OpenedApp,
    Snap,
    now,
    pressed,
    pressing,
    running,
    seen,
    settled,
    shows,
)
from textual import events
from textual.pilot import Pilot

from engine.engine import Engine
from engine.lock import WorkerLock
from engine.model import JobKind
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


async def test_the_menu_stays_beside_its_row_when_the_terminal_changes(home: AppHome) -> None:
    async with running(home.path, LARGE) as pilot:
        await pressed(pilot, "enter", "full_stop")
        for size in ((60, 16), SMALL):
            await pilot.resize_terminal(*size)
            await settled(pilot)
            menu = pilot.app.screen.query_one(Menu)
            assert pilot.app.screen.region.contains_region(menu.region)
            assert "Export…" in seen(pilot)
        changed = seen(pilot)
    async with running(home.path, SMALL) as pilot:
        await pressed(pilot, "enter", "full_stop")
        assert seen(pilot) == changed


async def test_keys_work_while_a_backup_is_asked_for(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        with closing(sqlite3.connect(home.path / "catalog.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")  # now the engine waits for its turn
            await pilot.press("b", "b", "j", "full_stop")
            assert pilot.app.screen.query(Menu)
            other.execute("ROLLBACK")
        await settled(pilot)
    async with Engine.open(home.path, user="ana", clock=now) as engine:
        assert len([job for job in await engine.jobs() if job.kind is JobKind.BACKUP]) == 1


@pytest.mark.parametrize("letter", ["n", "c"])
async def test_a_letter_typed_right_after_the_menu_was_asked_for(
    home: AppHome, letter: str
) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        for key in ("enter", letter):  # as they come in one packet over SSH
            pilot.app.post_message(events.Key(key, "\r" if key == "enter" else key))
        await settled(pilot)
        assert not pilot.app.screen.query(Menu)
        assert not shows(pilot, BackupsPage)
        await pressed(pilot, "escape")
        assert shows(pilot, BackupsPage)
        await pressed(pilot, "j")  # the list has the focus again
        assert "▸ Sun 22 Nov" in seen(pilot)


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
