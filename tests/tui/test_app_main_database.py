"""A project's schedule and retention on the screen: what is shown, refused, asked and saved."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from app_support import (
    HARBOUR,
    LISBON,
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
from textual.widgets import Input

from engine.engine import Engine
from engine.lock import WorkerLock
from engine.model import Plan, Role
from tui.dialogs.confirm import Confirm
from tui.dialogs.zone import ChooseZone, folded, matching
from tui.screens.backups import BackupsPage
from tui.screens.main_database import MainDatabasePage
from tui.widgets.rows import Rows

OPEN = ("enter", "s")
TO_TIME, TO_ZONE, TO_KEEP = ("g", "j"), ("g", "j", "j"), ("G",)
EVE_OF_THE_GAP = datetime(2027, 3, 26, 12, 0, tzinfo=UTC)


def eve_of_the_gap() -> datetime:
    return EVE_OF_THE_GAP


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are shown from ~, so that screens look the same."""
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[AppHome]:
    """A home with one project of two owners, a week of backups, and a worker that stays."""
    made = AppHome(tmp_path)

    async def fill() -> WorkerLock:
        await made.make()
        await made.add_project(PLANT, "Plant 7", owners=("ana", "rui"), collaborators=("joao",))
        await made.add_week()
        return made.worker_that_stays()

    lock = asyncio.run(fill())
    yield made
    lock.release()


@asynccontextmanager
async def opened(home: AppHome, size: tuple[int, int] = SMALL) -> AsyncIterator[Pilot[int]]:
    """The app, showing what is set for the project."""
    async with running(home.path, size) as pilot:
        await pressed(pilot, *OPEN)
        yield pilot


async def plan_of(home: AppHome, project: str = PLANT) -> Plan:
    """The project's plan as the home has it."""
    async with Engine.open(home.path, user="ana", clock=lambda: NOW) as engine:
        return await engine.plan(project)


async def others_set(home: AppHome, *, at: str | None = None, keep: int | None = None) -> None:
    """Another owner changes the plan, from another connection."""
    async with Engine.open(home.path, user="rui", clock=lambda: NOW) as engine:
        await engine.set_schedule(PLANT, at=at, keep=keep)


def shows(pilot: Pilot[int], kind: type[Screen[Any]]) -> bool:
    """Whether a screen of that kind is in front."""
    return isinstance(pilot.app.screen, kind)


async def looked(pilot: Pilot[int]) -> None:
    """Let the screen see what others changed, as it does each second."""
    screen = pilot.app.screen
    assert isinstance(screen, MainDatabasePage)
    await screen.look()
    await settled(pilot)


def typed(text: str) -> list[str]:
    """The keys that type a text."""
    names = {":": "colon", "/": "slash", " ": "space", "_": "underscore"}
    return [names.get(sign, sign) for sign in text]


def value(pilot: Pilot[int], field: str) -> str:
    """What a field holds."""
    return pilot.app.screen.query_one(f"#{field}", Input).value


def row_of(pilot: Pilot[int], text: str) -> str:
    """The first line of the screen that has a text."""
    return next(line for line in seen(pilot).splitlines() if text in line)


# How it looks


@pytest.mark.parametrize("size", SIZES)
def test_the_settings(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*OPEN))


@pytest.mark.parametrize("size", SIZES)
def test_something_unsaved_that_removes_backups(
    home: AppHome, snap_compare: Snap, size: tuple[int, int]
) -> None:
    app = OpenedApp(home.path)
    keys = (*OPEN, *TO_KEEP, "2")
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES)
def test_a_time_that_is_none(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    keys = (*OPEN, *TO_TIME, *typed("25:00"))
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES)
def test_by_hand_only(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*OPEN, "enter"))


@pytest.mark.parametrize("size", SIZES)
def test_the_hour_that_does_not_exist(
    home: AppHome, snap_compare: Snap, size: tuple[int, int]
) -> None:
    app = OpenedApp(home.path, clock=eve_of_the_gap)
    keys = (*OPEN, *TO_TIME, *typed("01:30"))
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES)
def test_nobody_keeps_the_schedule(
    tmp_path: Path, snap_compare: Snap, size: tuple[int, int]
) -> None:
    made = AppHome(tmp_path)

    async def fill() -> None:
        await made.make()
        await made.add_project(PLANT, "Plant 7")

    asyncio.run(fill())
    app = OpenedApp(made.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*OPEN))


@pytest.mark.parametrize("size", SIZES)
def test_the_choice_of_a_zone(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    keys = (*OPEN, *TO_ZONE, "enter", *typed("sao"))
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES)
def test_no_zone_is_called_so(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    keys = (*OPEN, *TO_ZONE, "enter", *typed("porto alegre"))
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES)
def test_the_question_before_backups_go(
    home: AppHome, snap_compare: Snap, size: tuple[int, int]
) -> None:
    app = OpenedApp(home.path)
    keys = (*OPEN, *TO_KEEP, "2", "ctrl+o")
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES)
def test_the_question_before_leaving(
    home: AppHome, snap_compare: Snap, size: tuple[int, int]
) -> None:
    app = OpenedApp(home.path)
    keys = (*OPEN, *TO_TIME, *typed("04:30"), "escape")
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


# Saving


async def test_by_keyboard_alone(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, *TO_TIME, *typed("04:30"))
        await pressed(pilot, "down", "enter", *typed("sao pau"), "enter")
        assert "Sao_Paulo" in row_of(pilot, "Time zone")
        await pressed(pilot, *TO_KEEP, *typed("30"))
        assert "● not saved" in seen(pilot)
        assert "Tue 24 Nov 04:30" in seen(pilot)
        await pressed(pilot, "ctrl+o")
        assert "● not saved" not in seen(pilot)
        await pressed(pilot, "escape")
        assert shows(pilot, BackupsPage)
    plan = await plan_of(home)
    assert (plan.at, plan.zone, plan.keep) == ("04:30", "America/Sao_Paulo", 30)


async def test_by_mouse_alone(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pilot.click("#rows", offset=(10, 1))
        await settled(pilot)
        await _click_on(pilot, "Main Database")
        assert shows(pilot, MainDatabasePage)
        await _click_on(pilot, "[ Europe/Lisbon ]")
        assert shows(pilot, ChooseZone)
        await pilot.click("#zones", offset=(10, 1))
        await settled(pilot)
        chosen = pilot.app.screen.query_one(Rows).selected
        await _click_on(pilot, "choose")
        assert shows(pilot, MainDatabasePage)
        await _click_on(pilot, "save")
        assert (await plan_of(home)).zone == chosen != LISBON
        await _click_on(pilot, "[ on ]")
        await _click_on(pilot, "esc")
        assert shows(pilot, Confirm)
        await _click_on(pilot, "[ Keep editing ]")
        await _click_on(pilot, "save")
        await _click_on(pilot, "esc")
        assert shows(pilot, BackupsPage)
    assert (await plan_of(home)).at is None


async def _click_on(pilot: Pilot[int], text: str) -> None:
    """Click on a text; the lowest on the screen, where the keys are."""
    for y, line in reversed(list(enumerate(seen(pilot).splitlines()))):
        if text in line:
            await pilot.click(offset=(line.index(text) + 1, y))
            await settled(pilot)
            return
    raise AssertionError(f"{text} is not on the screen")


async def test_what_is_typed_changes_nothing_before_it_is_saved(home: AppHome) -> None:
    before = await plan_of(home)
    async with opened(home) as pilot:
        await pressed(pilot, *TO_TIME, *typed("04:30"), *TO_KEEP, "2")
        assert await plan_of(home) == before


async def test_a_schedule_is_switched_off_and_on_again(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, "enter", "ctrl+o")
        assert (await plan_of(home)).at is None
        assert "backups are made by hand only" in seen(pilot)
        await pressed(pilot, "enter")
        assert "Tue 24 Nov 03:00" in seen(pilot)
        await pressed(pilot, "ctrl+o")
    plan = await plan_of(home)
    assert (plan.at, plan.zone) == ("03:00", LISBON)


async def test_a_first_schedule_needs_a_zone(tmp_path: Path) -> None:
    made = await AppHome(tmp_path).make()
    await made.add_project(PLANT, "Plant 7", at=None)
    async with opened(made) as pilot:
        await pressed(pilot, "enter")
        assert "Saving is not possible" in seen(pilot)
        await pressed(pilot, "ctrl+o")
        assert (await plan_of(made)).at is None
        await pressed(pilot, *TO_ZONE, "enter", *typed("lisb"), "enter", "ctrl+o")
    plan = await plan_of(made)
    assert (plan.at, plan.zone) == ("03:00", LISBON)


async def test_only_what_the_engine_takes_can_be_saved(home: AppHome) -> None:
    before = await plan_of(home)
    async with opened(home) as pilot:
        for field, text, sentence in (
            (TO_TIME, "24:00", '"24:00" is not a time of day.'),
            (TO_TIME, "3:7", '"3:7" is not a time of day.'),
            (TO_KEEP, "0", "A project cannot keep 0 backups."),
            (TO_KEEP, "366", "Choose a number from 1 to 365."),
        ):
            await pressed(pilot, *field, "home", "shift+end", *typed(text))
            assert sentence in " ".join(seen(pilot).split())
            assert "✗ Saving is not possible" in seen(pilot)
            assert "ctrl+o" not in seen(pilot).splitlines()[-1]
            await pressed(pilot, "ctrl+o")
        await pressed(pilot, *TO_TIME, "home", "shift+end", *typed("03:00"))
        await pressed(pilot, *TO_KEEP, "home", "shift+end", "backspace")
        assert "A number is missing." in seen(pilot)
        await pressed(pilot, "7")
        assert "not saved" not in seen(pilot)
    assert await plan_of(home) == before


async def test_a_field_takes_only_what_it_can_hold(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, *TO_TIME, *typed("a1x2:30z99"))
        assert value(pilot, "at") == "12:30"
        await pressed(pilot, *TO_KEEP, *typed("1a4-44"))
        assert value(pilot, "keep") == "144"


async def test_letters_move_and_lead_on_from_within_a_field(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, *TO_TIME)
        await pressed(pilot, "j")
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "zone"
        await pressed(pilot, "k", "m")
        assert "Members" in seen(pilot).splitlines()[0]


async def test_a_zone_that_the_engine_refuses_is_told_beside_it(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, *TO_ZONE, "enter", *typed("factory"))
        if "Factory" in seen(pilot):
            await pressed(pilot, "enter")
            assert "✗ Saving is not possible" in seen(pilot)


# What saving leads to


async def test_saving_that_removes_backups_asks_and_names_them(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, *TO_KEEP, "5")
        assert "The next clean-up removes 3 backups" in seen(pilot)
        assert "Tue 17 Nov 03:00   Wed 18 Nov 03:00   Thu 19 Nov 03:00" in seen(pilot)
        await pressed(pilot, "ctrl+o")
        assert shows(pilot, Confirm)
        assert "Wed 18 Nov 2026 03:00 WET" in seen(pilot)
        await pressed(pilot, "enter")  # Cancel has the focus
        assert (await plan_of(home)).keep == 7
        assert value(pilot, "keep") == "5"
        await pressed(pilot, "ctrl+o", "right", "enter")
        assert (await plan_of(home)).keep == 5
        assert "not saved" not in seen(pilot)


async def test_many_backups_that_go_are_counted(home: AppHome) -> None:
    for day in range(1, 17):
        await home.add_backup(PLANT, datetime(2026, 10, day, 3, tzinfo=UTC))
    async with opened(home) as pilot:
        await pressed(pilot, *TO_KEEP, "1")
        assert "The next clean-up removes 23 backups" in seen(pilot)
        assert "and 14 more, up to Sun 22 Nov 2026 03:00 WET" in seen(pilot)
        await pressed(pilot, "ctrl+o")
        assert "and 14 more, up to Sun 22 Nov 2026 03:00 WET" in seen(pilot)
        assert "[ Keep 1 backup ]" in seen(pilot)


async def test_keeping_more_deletes_nothing_and_asks_nothing(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, *TO_KEEP, *typed("30"))
        assert "Saving deletes nothing." in seen(pilot)
        await pressed(pilot, "ctrl+o")
        assert shows(pilot, MainDatabasePage)
    assert (await plan_of(home)).keep == 30


async def test_the_gap_of_lisbon_is_told_as_one_types(home: AppHome) -> None:
    async with running(home.path, clock=eve_of_the_gap) as pilot:
        await pressed(pilot, *OPEN, *TO_TIME, *typed("01:3"))
        assert "does not exist" not in seen(pilot)
        await pressed(pilot, "0")
        said = " ".join(seen(pilot).split())
        assert "! Sun 28 Mar: 01:30 does not exist on this day: it runs at 02:00 WEST." in said
        assert "Sun 28 Mar 02:00" in said
        await pressed(pilot, *TO_ZONE, "enter", *typed("utc"), "enter")
        assert "does not exist" not in seen(pilot)


# Leaving


async def test_escape_asks_only_where_something_is_not_saved(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, "escape")
        assert shows(pilot, BackupsPage)
        await pressed(pilot, "s", *TO_TIME, *typed("04:30"), "escape")
        assert shows(pilot, Confirm)
        assert "time 03:00 → 04:30" in seen(pilot)
        await pressed(pilot, "escape")  # stays, nothing lost
        assert value(pilot, "at") == "04:30"
        await pressed(pilot, "escape", "right", "enter")
        assert shows(pilot, BackupsPage)
    assert (await plan_of(home)).at == "03:00"


async def test_quitting_asks_too(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, *TO_TIME, *typed("04:30"), "q")
        assert shows(pilot, Confirm)
        await pressed(pilot, "enter")
        assert shows(pilot, MainDatabasePage)
        await pilot.press("q")
        await settled(pilot)
        await pilot.press("right", "enter")
        await pilot.pause()
        assert pilot.app.return_code == 0


# Others


async def test_untouched_fields_follow_others_and_touched_ones_stay(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, *TO_TIME, *typed("04:30"))
        await others_set(home, at="05:00", keep=14)
        await looked(pilot)
        assert value(pilot, "at") == "04:30"
        assert value(pilot, "keep") == "14"
        said = " ".join(seen(pilot).split())
        assert (
            "! Changed by someone else meanwhile: time is 05:00 and number to keep is 14 now. "
            "What you changed stays until you save it."
        ) in said
        assert "not saved: time 05:00 → 04:30" in said
        await pressed(pilot, "ctrl+o")
        assert "meanwhile" not in seen(pilot)
    plan = await plan_of(home)
    assert (plan.at, plan.keep) == ("04:30", 14)


async def test_saving_is_refused_to_who_is_an_owner_no_more(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, *TO_TIME, *typed("04:30"))
        async with Engine.open(home.path, user="rui", clock=lambda: NOW) as engine:
            await engine.add_member(PLANT, "ana", Role.COLLABORATOR)
        await pressed(pilot, "ctrl+o")
        await looked(pilot)
        assert "Backups of Plant 7 are for its owners: rui." in seen(pilot)
        assert "not saved" not in seen(pilot)
        await pressed(pilot, "escape")
        assert shows(pilot, BackupsPage)
    async with Engine.open(home.path, user="rui", clock=lambda: NOW) as engine:
        assert (await engine.plan(PLANT)).at == "03:00"


async def test_a_collaborator_sees_who_the_owners_are(tmp_path: Path) -> None:
    made = await AppHome(tmp_path).make()
    await made.add_project(HARBOUR, "Harbour", owners=("rui", "marta"), collaborators=("ana",))
    async with running(made.path) as pilot:
        pilot.app.open_main_database(HARBOUR, "Harbour")  # type: ignore[attr-defined]  # Backstay
        await settled(pilot)
        assert "for its owners: marta, rui." in seen(pilot)
        assert "Daily backup" not in seen(pilot)
        assert "members" not in seen(pilot).splitlines()[-1]


async def test_a_locked_catalog_leaves_what_was_shown_and_typed(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, *TO_TIME, *typed("04:30"))
        with closing(sqlite3.connect(home.path / "catalog.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await pressed(pilot, "ctrl+o")
            assert value(pilot, "at") == "04:30"
            assert "● not saved" in seen(pilot)
        await pressed(pilot, "ctrl+o")
        assert "● not saved" not in seen(pilot)
    assert (await plan_of(home)).at == "04:30"


async def test_a_low_terminal_scrolls_to_the_facts(home: AppHome) -> None:
    async with opened(home, (60, 16)) as pilot:
        assert "Worker" not in seen(pilot)
        await pressed(pilot, "pagedown")
        assert "Worker" in seen(pilot)
        await pressed(pilot, "pageup", "G")
        assert "▸ Keep" in seen(pilot)


# Zones

ZONES = [
    "Africa/Sao_Tome",
    "America/Argentina/Buenos_Aires",
    "America/Bogota",
    "America/Indiana/Indianapolis",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Tbilisi",
    "Etc/GMT+1",
    "Europe/Lisbon",
    "Europe/Zurich",
    "UTC",
]


@pytest.mark.parametrize(
    ("wanted", "first"),
    [
        ("lis", "Europe/Lisbon"),
        ("LISBON", "Europe/Lisbon"),
        ("São Paulo", "America/Sao_Paulo"),
        ("sao_p", "America/Sao_Paulo"),
        ("Zürich", "Europe/Zurich"),
        ("Bogotá", "America/Bogota"),
        ("new york", "America/New_York"),
        ("york new", "America/New_York"),
        ("america/new", "America/New_York"),
        ("buenos", "America/Argentina/Buenos_Aires"),
        ("gmt+1", "Etc/GMT+1"),
        ("utc", "UTC"),
    ],
)
def test_a_zone_is_found_by_any_part_of_its_name(wanted: str, first: str) -> None:
    assert matching(ZONES, wanted)[0] == first


def test_the_list_narrows_as_one_types() -> None:
    assert matching(ZONES, "  ") == ZONES
    assert matching(ZONES, "lis") == [
        "Europe/Lisbon",
        "America/Indiana/Indianapolis",
        "Asia/Tbilisi",
    ]
    assert matching(ZONES, "lisb") == ["Europe/Lisbon"]
    assert matching(ZONES, "atlantis") == []


def test_texts_are_compared_without_case_accents_and_signs() -> None:
    assert folded(" SÃO__Paulo/x-y ") == "sao paulo x y"


async def test_a_zone_is_left_as_it_was_by_escape(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, *TO_ZONE, "enter", *typed("tokyo"), "escape")
        assert shows(pilot, MainDatabasePage)
        assert "[ Europe/Lisbon ]" in seen(pilot)
        assert "not saved" not in seen(pilot)


async def test_the_arrows_choose_while_one_types(home: AppHome) -> None:
    async with opened(home) as pilot:
        await pressed(pilot, *TO_ZONE, "enter", *typed("south"), "down", "down", "up", "enter")
        assert "[ America/North_Dakota" not in seen(pilot)
        assert shows(pilot, MainDatabasePage)
        assert "● not saved: time zone Europe/Lisbon →" in seen(pilot)
