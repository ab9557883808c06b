"""Looking into a backup and comparing it, on the screen: real backups of a real project."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from app_support import (
    DAY,
    LARGE,
    LISBON,
    NOW,
    SIZES,
    OpenedApp,
    Snap,
    pressed,
    pressing,
    running,
    seen,
    settled,
    shows,
)

from engine import Engine
from tui.dialogs.choose_backup import ChooseBackup
from tui.dialogs.choose_variable import ChooseVariable
from tui.screens.backups import BackupsPage
from tui.screens.comparison import ComparisonPage
from tui.screens.contents import ContentsPage
from tui.screens.device_rows import DeviceRowsPage
from tui.widgets.rows import Rows

INSTANCE = Path(__file__).parents[1] / "data" / "instance"
TANK = "715f6b96bfa47992f15881f9"
LONG = "what nobody reads in one line of a table " * 4
HOSTILE = "\x1b[2J\u202e"
DEVICES = ("enter", "full_stop", "c")  # from the projects to what is in the newest backup
ROWS = (*DEVICES, "slash", *"tank", "enter", "enter")  # and on to the rows of one device
SPAN = (*ROWS, "t")  # and on to the choice of a span of time
OTHERS = ("enter", "full_stop", "d")  # to what the newest backup is compared with


@pytest.fixture(scope="module")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inside")
    source, path = folder / "source", folder / "home"
    shutil.copytree(INSTANCE, source)
    (tank,) = source.rglob(f"{TANK}.db")
    (database,) = source.rglob("data.db")

    async def back_up(ago: timedelta) -> None:
        async with Engine.open(
            path, user="ana", clock=lambda: NOW - ago, create=True, works=True
        ) as engine:
            if not await engine.projects():
                await engine.adopt(source, "Plant 7")
                await engine.set_schedule("Plant 7", at="03:00", zone=LISBON, keep=7)
            await (await engine.backup("Plant 7")).result()

    def change() -> None:
        with closing(sqlite3.connect(tank)) as writer, writer:
            writer.execute("DELETE FROM data WHERE rowid IN (1, 2)")
            insert = "INSERT INTO data (id, variable, type, value, time) VALUES (?, ?, ?, ?, ?)"
            writer.executemany(
                insert,
                [
                    (f"{n:024x}", "level", "number", str(n), 1_795_500_000_000 + n)
                    for n in range(500)
                ],
            )
            writer.execute(insert, ("h", HOSTILE, "string", f"{HOSTILE}a\0b", 1_796_000_000_000))
            writer.execute(insert, ("e", "era", "string", LONG, -62_135_596_800_000))
        with closing(sqlite3.connect(database)) as writer, writer:
            writer.execute("UPDATE device SET active = 0 WHERE name LIKE 'Freezer%'")
            writer.execute("UPDATE account SET password = 'hunter2'")
            writer.execute("DELETE FROM action WHERE rowid = (SELECT max(rowid) FROM action)")

    asyncio.run(back_up(DAY))
    change()
    asyncio.run(back_up(DAY / 24))
    return path


@pytest.fixture
def home(_prepared: Path, tmp_path: Path) -> Path:
    """A home with two backups of a project: yesterday's, and today's with what changed."""
    return Path(shutil.copytree(_prepared, tmp_path / "home"))


@pytest.mark.parametrize("size", SIZES)
def test_the_rows_of_a_device(home: Path, snap_compare: Snap, size: tuple[int, int]) -> None:
    assert snap_compare(OpenedApp(home), terminal_size=size, run_before=pressing(*ROWS, "j"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "keys",
    [
        pytest.param((*SPAN, *"2026-11-23", "tab", *"2026-11-22 14:30"), id="wrong"),
        pytest.param((*SPAN, *"2026-11-24", "tab", *"2026-11-25", "enter"), id="rows"),
        pytest.param((*SPAN, *"2030-01-01", "enter"), id="none"),
    ],
)
def test_a_span_of_time(
    home: Path, snap_compare: Snap, size: tuple[int, int], keys: tuple[str, ...]
) -> None:
    assert snap_compare(OpenedApp(home), terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES)
def test_what_differs(home: Path, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*OTHERS, "j", "enter"))


async def test_rows_come_as_one_goes_down_and_one_variable_at_a_time(home: Path) -> None:
    async with running(home) as pilot:
        await pressed(pilot, *ROWS)
        assert shows(pilot, DeviceRowsPage)
        text = seen(pilot)
        assert "\\x1b[2J\\u202e" in text, "what a name holds cannot act on the terminal"
        assert "The newest 200 of 600 rows." in text
        rows = pilot.app.screen.query_one("#rows", Rows)
        for _ in range(4):
            await pressed(pilot, "G")
        assert len(rows.keys) == len(set(rows.keys)) == 600
        assert "600 rows, newest first." in seen(pilot)
        assert "1-01-01 00:00:00" in seen(pilot), "the first day of the calendar"
        await pressed(pilot, "v")
        assert shows(pilot, ChooseVariable)
        await pressed(pilot, "j", "j", "enter")
        assert "10 rows of counter, newest first." in seen(pilot)
        await pressed(pilot, "v", "g", "enter")
        assert "The newest 200 of 600 rows." in seen(pilot)
        await pressed(pilot, "escape")
        assert shows(pilot, ContentsPage)


async def test_all_that_a_row_holds_is_beside_the_list(home: Path) -> None:
    async with running(home, LARGE) as pilot:
        await pressed(pilot, *ROWS, *["G"] * 4)
        beside = " ".join(line.partition("│")[2].strip() for line in seen(pilot).splitlines())
        assert LONG.strip() in beside


async def test_rows_of_a_span_of_time_come_as_one_goes_down_until_it_is_taken_back(
    home: Path,
) -> None:
    async with running(home) as pilot:
        await pressed(pilot, *SPAN, *"2026-11-24T06:00+00:00", "down", *"2026-11-26", "ctrl+o")
        assert "The newest 200 rows; more come as you go down." in seen(pilot)
        assert "Since Tue 24 Nov 2026 06:00 WET, until Thu 26 Nov 2026 00:00 WET." in seen(pilot)
        rows = pilot.app.screen.query_one("#rows", Rows)
        for _ in range(4):
            await pressed(pilot, "G")
        assert len(rows.keys) == len(set(rows.keys)) == 500
        await pressed(pilot, "v", "j", "j", "enter")
        assert "No rows of counter in this span of time." in seen(pilot)
        await pressed(pilot, "t", *["backspace"] * 22, "escape")
        assert "No rows of counter in this span of time." in seen(pilot)
        await pressed(pilot, "t", *["backspace"] * 22, "down", *["backspace"] * 10)
        assert "Show all rows" in seen(pilot)
        await pressed(pilot, "enter")
        assert "10 rows of counter, newest first." in seen(pilot)


async def test_a_backup_is_compared_with_now_and_the_choice_is_left(home: Path) -> None:
    async with running(home, LARGE) as pilot:
        await pressed(pilot, *OTHERS)
        assert shows(pilot, ChooseBackup)
        assert "the project as it is now" in seen(pilot)
        await pressed(pilot, "escape")
        assert shows(pilot, BackupsPage)
        await pressed(pilot, "d", "enter")
        assert shows(pilot, ComparisonPage)
        assert "Nothing differs." in seen(pilot)
        await pressed(pilot, "escape", "j", "d", "enter")
        text = seen(pilot)
        assert "rows 502 added, 2 removed" in text
        assert "hunter2" not in text
        await pressed(pilot, "r")
        assert "rows 502 added, 2 removed" in seen(pilot)


async def test_leaving_ends_a_comparison(home: Path) -> None:
    async with running(home) as pilot:
        await pressed(pilot, "enter", "j", "d")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("escape")
        await settled(pilot)
        assert shows(pilot, BackupsPage)
        await asyncio.gather(
            *[worker.wait() for worker in pilot.app.workers], return_exceptions=True
        )
    assert not list(home.glob(".aside-*"))  # noqa: ASYNC240  # the app is gone
