"""What the lists say when they have nothing to show, or not what is wanted: each in its words."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

sys.path.append(str(Path(__file__).parent))

from app_support import (
    COPY,
    DAY,
    HARBOUR,
    HOUR,
    NOW,
    PLANT,
    SIZES,
    SMALL,
    SOUTH,
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

from engine.engine import Engine
from engine.errors import Damaged
from engine.lock import WorkerLock
from engine.model import Job, JobKind, JobState, Origin, Progress, ProjectState
from tui.screens.backups import BackupsPage
from tui.screens.projects import ProjectsPage
from tui.screens.too_small import TooSmall
from tui.widgets.state import State

Size = tuple[int, int]
BUENOS_AIRES = "America/Argentina/Buenos_Aires"
LONG = "冷蔵倉庫の監視と計測システム・北海道第二工場・温度と湿度の記録" * 2
HOSTILE = "\x1b[2J\x1b[31mred\u202etxt.exe\nsecond line"


@pytest.fixture
async def home(tmp_path: Path) -> AppHome:
    """A home without projects."""
    return await AppHome(tmp_path).make()


@pytest.fixture
def worker(home: AppHome) -> Iterator[None]:
    """A worker that stays."""
    lock = home.worker_that_stays()
    yield
    lock.release()


def failed(
    state: JobState = JobState.FAILED, reason: str = "data.db of Plant 7 is not there."
) -> Job:
    """A backup that went wrong this morning."""
    begun = NOW.replace(hour=3, minute=0)
    return Job(
        id="a00000000001",
        kind=JobKind.BACKUP,
        project=PLANT,
        project_name="Plant 7",
        user="ana",
        state=state,
        asked=begun,
        started=begun,
        finished=begun + timedelta(seconds=2),
        progress=Progress("read", 0, 0),
        error="SourceMissing",
        reason=reason,
        hint="",
        slot="2026-11-23",
        attempt=1,
    )


def looks(
    home: AppHome,
    snap: Snap,
    size: Size,
    *keys: str,
    user: str = "ana",
    before: Callable[[Pilot[int]], Awaitable[None]] | None = None,
    clock: Callable[[], datetime] = now,
) -> bool:
    """Whether the app looks as it did when it was last accepted, after these keys."""
    app = OpenedApp(home.path, user=user, clock=clock)
    return snap(app, terminal_size=size, run_before=before or pressing(*keys))


# Projects


@pytest.mark.parametrize("size", SIZES)
def test_no_projects_yet(tmp_path: Path, snap_compare: Snap, size: Size) -> None:
    home = AppHome(tmp_path)
    asyncio.run(home.make())
    assert looks(home, snap_compare, size)


@pytest.mark.parametrize("size", SIZES)
def test_projects_in_every_state(tmp_path: Path, snap_compare: Snap, size: Size) -> None:
    home = AppHome(tmp_path)

    async def fill() -> WorkerLock:
        await home.make()
        await home.add_project(PLANT, "Plant 7")
        await home.add_week()
        restored = Origin.RESTORED
        await home.add_project(COPY, "Plant 7 restored", origin=restored, at=None)
        await home.add_project("000000000005", "Old plant", state=ProjectState.STOPPED, at=None)
        await home.add_project(SOUTH, "Cold chain south")
        await home.add_backup(SOUTH, NOW - 3 * DAY, name="Cold chain south")
        await home.add_project(HARBOUR, "Harbour", owners=("rui", "marta"), collaborators=("ana",))
        home.add_job(failed()._replace(project="000000000005", project_name="Old plant", slot=None))
        return home.worker_that_stays()

    lock = asyncio.run(fill())
    try:
        assert looks(home, snap_compare, size, "down")
    finally:
        lock.release()


@pytest.mark.usefixtures("worker")
async def test_what_is_said_of_the_selected_project(home: AppHome) -> None:
    await home.add_project(PLANT, "Plant 7")
    await home.add_backup(PLANT, NOW - 3 * DAY)
    await home.add_project(HARBOUR, "Harbour", owners=("rui", "marta"), collaborators=("ana",))
    async with running(home.path) as pilot:
        assert "Harbour belongs to marta and rui. You collaborate on it" in seen(pilot)
        await pressed(pilot, "j")
        assert "Plant 7: The backup due" in seen(pilot)
        assert "Harbour belongs" not in seen(pilot)


@pytest.mark.usefixtures("worker")
async def test_projects_are_sorted_and_say_by_what(home: AppHome) -> None:
    await home.add_project(PLANT, "Plant 7")
    await home.add_week()
    await home.add_project(SOUTH, "South")
    await home.add_backup(SOUTH, NOW - 3 * DAY)
    await home.add_project(HARBOUR, "Harbour", owners=("rui",), collaborators=("ana",))
    async with running(home.path) as pilot:
        page = pilot.app.screen
        assert isinstance(page, ProjectsPage)
        assert "Project ▴" in seen(pilot)
        assert page.rows.keys == [HARBOUR, PLANT, SOUTH]
        await pressed(pilot, "o", "o")
        assert "Backups ▾" in seen(pilot)
        assert "Project ▴" not in seen(pilot)
        assert page.rows.keys == [SOUTH, PLANT, HARBOUR]  # who needs somebody to look comes first


# Backups


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("at", ["03:00", None], ids=["scheduled", "unscheduled"])
def test_no_backups_yet(tmp_path: Path, snap_compare: Snap, size: Size, at: str | None) -> None:
    home = AppHome(tmp_path)

    async def fill() -> WorkerLock:
        await home.make()
        await home.add_project(PLANT, "Plant 7", at=None)
        if at is not None:
            async with Engine.open(home.path, user="ana", clock=lambda: NOW - HOUR) as engine:
                await engine.set_schedule(PLANT, at=at, zone=BUENOS_AIRES)
        return home.worker_that_stays()

    lock = asyncio.run(fill())
    try:
        assert looks(home, snap_compare, size, "enter")
    finally:
        lock.release()


def week(tmp_path: Path, *, stays: bool = True, zone: str = "Europe/Lisbon") -> AppHome:
    """A home with a project, its week of backups, and a worker that stays unless it is not to."""
    home = AppHome(tmp_path)

    async def fill() -> None:
        await home.make()
        await home.add_project(PLANT, "Plant 7", collaborators=("joao",), zone=zone)
        await home.add_week()
        if stays:
            LOCKS.append(home.worker_that_stays())

    asyncio.run(fill())
    return home


LOCKS: list[WorkerLock] = []


@pytest.fixture(autouse=True)
def released_locks() -> Iterator[None]:
    """Release what tests have locked."""
    yield
    while LOCKS:
        LOCKS.pop().release()


@pytest.mark.parametrize("size", SIZES)
def test_the_filter_hides_all(tmp_path: Path, snap_compare: Snap, size: Size) -> None:
    keys = ("enter", "slash", *"frost", "enter")
    assert looks(week(tmp_path), snap_compare, size, *keys)


@pytest.mark.parametrize("size", SIZES)
def test_the_filter_hides_some(tmp_path: Path, snap_compare: Snap, size: Size) -> None:
    assert looks(week(tmp_path), snap_compare, size, "enter", "slash", *"sat")


@pytest.mark.parametrize("size", SIZES)
def test_not_allowed(tmp_path: Path, snap_compare: Snap, size: Size) -> None:
    assert looks(week(tmp_path), snap_compare, size, "enter", user="joao")


@pytest.mark.parametrize("size", SIZES)
def test_no_worker(tmp_path: Path, snap_compare: Snap, size: Size) -> None:
    assert looks(week(tmp_path, stays=False), snap_compare, size, "enter")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", [JobState.FAILED, JobState.LOST])
def test_the_last_backup_went_wrong(
    tmp_path: Path, snap_compare: Snap, size: Size, state: JobState
) -> None:
    home = week(tmp_path)
    lost = "Its worker ended before it was done."
    home.add_job(
        failed(state, lost if state is JobState.LOST else failed().reason)._replace(
            asked=NOW - HOUR, started=NOW - HOUR, finished=NOW - HOUR
        )
    )
    assert looks(home, snap_compare, size, "enter")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stays", [True, False], ids=["worker", "no worker"])
def test_late(tmp_path: Path, snap_compare: Snap, size: Size, stays: bool) -> None:
    later = NOW + 3 * DAY
    home = week(tmp_path, stays=stays)
    assert looks(home, snap_compare, size, "enter", clock=lambda: later)


@pytest.mark.parametrize("size", SIZES)
def test_the_first_backup_failed(tmp_path: Path, snap_compare: Snap, size: Size) -> None:
    home = AppHome(tmp_path)

    async def fill() -> None:
        await home.make()
        await home.add_project(PLANT, "Plant 7")
        home.add_job(failed())
        LOCKS.append(home.worker_that_stays())

    asyncio.run(fill())
    assert looks(home, snap_compare, size, "enter")


@pytest.mark.parametrize("size", SIZES)
def test_a_zone_with_a_long_name(tmp_path: Path, snap_compare: Snap, size: Size) -> None:
    assert looks(week(tmp_path, zone=BUENOS_AIRES), snap_compare, size, "enter")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [LONG, HOSTILE], ids=["long", "hostile"])
@pytest.mark.parametrize("keys", [(), ("enter",)], ids=["projects", "backups"])
def test_names_of_any_kind(
    tmp_path: Path, snap_compare: Snap, size: Size, name: str, keys: tuple[str, ...]
) -> None:
    home = week(tmp_path)
    with closing(sqlite3.connect(home.path / "catalog.db")) as catalog, catalog:
        catalog.execute("UPDATE project SET name = ?", [name])
    assert looks(home, snap_compare, size, *keys)


# Loading, and what could not be loaded


async def test_loading_says_one_still_line_and_keys_go_on_to_work(tmp_path: Path) -> None:
    home = AppHome(tmp_path)
    await home.make()
    await home.add_project(PLANT, "Plant 7")
    await home.add_week()
    async with running(home.path) as pilot:
        engine = pilot.app.engine  # type: ignore[attr-defined]  # our app has one
        async with engine._catalog.transaction():
            await pilot.press("enter")
            page = pilot.app.screen
            assert isinstance(page, BackupsPage)
            while not page.query_one("#state", State).speaks:
                await pilot.pause()
            assert "Reading the backups…" in seen(pilot)
            await page.look()  # as each second does: nobody waits for it
            await pilot.press("escape")
            await pilot.pause()
            assert shows(pilot, ProjectsPage)
            await pilot.press("enter")
        await settled(pilot)
        assert "Reading" not in seen(pilot)
        assert "Mon 23 Nov 2026  03:00" in seen(pilot)


@pytest.mark.parametrize("size", SIZES)
def test_loading(tmp_path: Path, snap_compare: Snap, size: Size) -> None:
    home = week(tmp_path)

    async def held(pilot: Pilot[int]) -> None:
        await settled(pilot)
        engine = pilot.app.engine  # type: ignore[attr-defined]  # our app has one

        async def hold() -> None:
            async with engine._catalog.transaction():
                holding.set()
                await released.wait()

        holding, released = asyncio.Event(), asyncio.Event()
        pilot.app.run_worker(hold())  # it ends with the app
        await holding.wait()
        await pilot.press("enter")
        while not pilot.app.screen.query_one("#state", State).speaks:
            await pilot.pause()

    assert looks(home, snap_compare, size, before=held)


def _change(home: AppHome, sql: str, *values: str) -> None:
    with closing(sqlite3.connect(home.path / "catalog.db")) as catalog, catalog:
        catalog.execute(sql, values)


def _break(home: AppHome) -> str:
    """Let a row of the catalog make no sense; gives the date that it had."""
    with closing(sqlite3.connect(home.path / "catalog.db")) as catalog:
        ((date,),) = catalog.execute("SELECT date FROM backup WHERE rowid = 1")
    _change(home, "UPDATE backup SET date = 'no date' WHERE rowid = 1")
    return str(date)


def words(pilot: Pilot[int]) -> str:
    """What is on the screen, without its line ends."""
    return " ".join(seen(pilot).split())


async def test_what_could_not_be_read_leaves_the_last_good_list(home: AppHome) -> None:
    await home.add_project(PLANT, "Plant 7")
    await home.add_week()
    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        date = _break(home)
        await pressed(pilot, "r")
        text = words(pilot)
        assert "Mon 23 Nov 2026 03:00" in text  # the list stays
        assert "This is from 06:04 UTC and could not be read since:" in text
        assert "is damaged" in text
        assert "Press r to try again." in text
        _change(home, "UPDATE backup SET date = ? WHERE rowid = 1", date)
        await pressed(pilot, "r")
        assert "could not be read" not in seen(pilot)


async def test_what_could_not_be_read_at_first_says_so(home: AppHome) -> None:
    await home.add_project(PLANT, "Plant 7")
    await home.add_week()
    _break(home)
    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        text = words(pilot)
        assert "is damaged" in text
        assert "Press r to try again." in text
        assert "No backups" not in text  # an error is never an empty list


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("first", [True, False], ids=["nothing", "last good list"])
def test_could_not_load(tmp_path: Path, snap_compare: Snap, size: Size, first: bool) -> None:
    home = week(tmp_path)
    if first:
        _break(home)

    async def fail(pilot: Pilot[int]) -> None:
        await settled(pilot)
        await pressed(pilot, "enter")
        if not first:
            _break(home)
            await pressed(pilot, "r")
        page = pilot.app.screen
        assert isinstance(page, ProjectsPage | BackupsPage)
        with pytest.raises(Damaged) as told:
            await page.read()
        # The same error, but for the folder, which is another one each time.
        message = told.value.message.replace(str(home.path), "/srv/backstay")
        page.could_not_read(Damaged(message, hint=told.value.hint))
        await settled(pilot)

    assert looks(home, snap_compare, size, before=fail)


async def test_a_refusal_is_noted_once_however_much_changes(home: AppHome) -> None:
    await home.add_project(PLANT, "Plant 7", collaborators=("joao",))
    async with running(home.path, user="joao") as pilot:
        await pressed(pilot, "enter")
        page = pilot.app.screen
        assert isinstance(page, BackupsPage)
        await home.add_backup(PLANT, NOW)  # another process changes something
        await page.look()
        await settled(pilot)
        with closing(sqlite3.connect(home.path / "catalog.db")) as catalog:
            ((count,),) = catalog.execute("SELECT count(*) FROM audit WHERE verdict = 'refused'")
        assert count == 1


async def test_a_right_that_is_taken_away_takes_the_list_away(home: AppHome) -> None:
    await home.add_project(PLANT, "Plant 7", owners=("rui", "ana"))
    await home.add_week()
    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        assert "68.2 MB" in seen(pilot)
        async with Engine.open(home.path, user="rui", clock=now) as engine:
            await engine.remove_member(PLANT, "ana")
        page = pilot.app.screen
        assert isinstance(page, BackupsPage)
        await page.look()
        await settled(pilot)
        assert "68.2 MB" not in seen(pilot)
        assert "Plant 7 is not among your projects any more." in seen(pilot)
        await pressed(pilot, "escape")
        assert "No projects yet." in seen(pilot)


# A terminal that is too small


@pytest.mark.parametrize("size", [(59, 24), (80, 15)])
def test_too_small(tmp_path: Path, snap_compare: Snap, size: Size) -> None:
    assert looks(week(tmp_path), snap_compare, size, "question_mark", "ctrl+p")


async def test_a_terminal_that_grows_again_shows_what_was_there(home: AppHome) -> None:
    await home.add_project(PLANT, "Plant 7")
    async with running(home.path, SMALL) as pilot:
        await pressed(pilot, "enter")
        await pilot.resize_terminal(50, 10)
        await settled(pilot)
        assert shows(pilot, TooSmall)
        await pressed(pilot, "question_mark", "ctrl+p")
        await pilot.resize_terminal(60, 16)
        await settled(pilot)
        assert shows(pilot, BackupsPage)
        assert "No backups yet." in seen(pilot)
