"""What is in a backup, on the screen: its devices, what is included, and what could not be read."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from app_support import (
    DAY,
    LARGE,
    NOW,
    PLANT,
    SIZES,
    AppHome,
    OpenedApp,
    Snap,
    device,
    pressed,
    pressing,
    running,
    seen,
    settled,
    shows,
)

from tui.dialogs.new_project import NewProject
from tui.screens.backups import BackupsPage
from tui.screens.contents import ContentsPage
from tui.widgets.rows import Rows

WHY = "its database is held by a writer that did not let go for a minute, so it was left out"
NOTE = "The device Pump 12 was deleted while the backup was made; it has what it held until then."
OPEN = ("enter", "full_stop", "c")  # from the projects to what is in the newest backup


@pytest.fixture
def home(tmp_path: Path) -> AppHome:
    """A project with two backups: one whose contents are known, and an older one that is damaged.

    In the newer one the data of two devices is missing.
    """
    made = AppHome(tmp_path)

    async def fill() -> None:
        await made.make()
        await made.add_project(PLANT, "Plant 7", collaborators=("joao",))
        await made.add_backup(PLANT, NOW - DAY - DAY)
        backup = await made.add_backup(PLANT, NOW - DAY, missing=2)
        devices = [device(number, f"Pump {number}", rows=number * 1000) for number in range(1, 28)]
        devices += [
            device(28, "Valve", rows=0, missing=WHY),
            device(29, "Gate \x1b[2J", rows=0, missing="it is no database"),
            device(30, "Idle", rows=0),
        ]
        await made.add_contents(backup, devices, notes=(NOTE, "A second note."))

    asyncio.run(fill())
    return made


@pytest.mark.parametrize("size", SIZES)
def test_the_devices(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*OPEN, "down"))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_included(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*OPEN, "c", "G", "k"))


async def test_those_without_data_come_first_and_say_why(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, *OPEN)
        lines = seen(pilot).splitlines()
        assert lines[3].startswith(" ▸ Gate \\x1b[2J")
        assert "✗ not in it" in lines[3]
        assert lines[4].startswith("   Valve")
        assert "it is no database" in seen(pilot)
        await pressed(pilot, "j")
        text = seen(pilot)
        assert "Valve: its database is held by a writer" in text
        assert "it is no database" not in text
        assert "! The data of 2 devices is not in it." in text


async def test_sorting_and_filtering_by_keyboard(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, *OPEN)
        rows = pilot.app.screen.query_one("#rows", Rows)
        orders = []
        for _ in range(4):
            orders.append(rows.keys[0])
            await pressed(pilot, "o")
        names = [f"{number:024x}" for number in (29, 27, 27, 1)]  # name, variables, data, last
        assert orders == names
        await pressed(pilot, "slash", *"idle", "enter")
        assert rows.keys == [f"{30:024x}"]
        assert "1 of 30" in seen(pilot)
        await pressed(pilot, "escape")
        assert len(rows.keys) == 30
        assert shows(pilot, ContentsPage)
        await pressed(pilot, "escape")
        assert shows(pilot, BackupsPage)


async def test_what_is_included_turns_by_key_and_by_mouse(home: AppHome) -> None:
    async with running(home.path, LARGE) as pilot:
        await pressed(pilot, *OPEN)
        assert "Id         00000000000000000000001d" in seen(pilot)
        await pressed(pilot, "c")
        text = seen(pilot)
        assert "Analysis code     not included" in text
        assert "Device tokens     regenerated" in text
        assert "Id   " not in text
        await pressed(pilot, "c")
        assert "Pump 3" in seen(pilot)
        await pilot.click("#keys", offset=(2, 0))
        await settled(pilot)
        assert "Analysis code     not included" in seen(pilot)
        await pilot.click("#rows", offset=(10, 19))
        await settled(pilot)
        assert NOTE in seen(pilot)


async def test_a_note_that_is_cut_short_is_told_in_full(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, *OPEN, "c", "G", "k")
        text = " ".join(seen(pilot).split())
        assert NOTE in text


async def test_a_new_project_is_asked_for_from_here(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, *OPEN, "n")
        assert shows(pilot, NewProject)
        await pressed(pilot, "escape")
        assert shows(pilot, ContentsPage)


async def test_a_backup_that_cannot_be_read_says_so(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter", "j", "full_stop", "c")
        assert shows(pilot, ContentsPage)
        text = seen(pilot)
        assert "damaged" in text
        assert "new project" not in text
        assert "filter" not in text
