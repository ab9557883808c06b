"""The list of jobs: each state in its words, cancelling, and a real job from it to its end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "engine"))

from app_support import (
    DAY,
    HOUR,
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
from promises_support import adopted, backed_up, make_world

from engine.lock import WorkLock
from engine.model import Job, JobKind, JobState, Progress
from tui.app import Backstay
from tui.dialogs.cancel_job import CancelJob
from tui.screens.job import JobPage
from tui.screens.jobs import JobsPage
from tui.widgets.rows import Rows

Size = tuple[int, int]
SECOND = timedelta(seconds=1)


def job(number: int, kind: JobKind, state: JobState, *, ago: timedelta, **other: object) -> Job:
    """A job of Plant 7, asked for that long ago."""
    asked = NOW - ago
    plain = Job(
        id=f"d{number:011x}",
        kind=kind,
        project=PLANT,
        project_name="Plant 7",
        user="ana",
        state=state,
        asked=asked,
        started=None if state is JobState.QUEUED else asked + SECOND,
        finished=asked + 13 * SECOND if state.ended else None,
        progress=Progress("", 0, 0),
        error="",
        reason="",
        hint="",
        slot=None,
        attempt=1,
    )
    return plain._replace(**other)  # type: ignore[arg-type]  # fields of a job


JOBS = [
    job(
        1, JobKind.BACKUP, JobState.LOST, ago=9 * DAY, reason="Its worker ended before it was done."
    ),
    job(2, JobKind.CLEAN_UP, JobState.CANCELLED, ago=8 * DAY, user="rui"),
    job(3, JobKind.BACKUP, JobState.SUCCEEDED, ago=DAY + 3 * HOUR, slot="2026-11-22"),
    job(
        4,
        JobKind.BACKUP,
        JobState.FAILED,
        ago=DAY,
        reason="The disk that holds the repository is full: 12.4 MB are missing.",
        hint="Earlier backups are safe. Free some room, then ask for it again.",
    ),
    job(5, JobKind.RESTORE, JobState.SUCCEEDED, ago=HOUR, new_project="Plant 7 restored"),
    job(
        6,
        JobKind.RESTORE,
        JobState.RUNNING,
        ago=41 * SECOND,
        progress=Progress("new ids and indexes", 604_000_000, 920_000_000, 210_000_000.0),
        new_project="Plant 7 again",
    ),
    job(7, JobKind.BACKUP, JobState.QUEUED, ago=SECOND),
]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[AppHome]:
    """A home with a job in each state, one of them running."""
    made = AppHome(tmp_path)

    async def fill() -> None:
        await made.make()
        await made.add_project(PLANT, "Plant 7", collaborators=("joao",))

    asyncio.run(fill())
    work = WorkLock(made.path)
    work.acquire()  # as the worker does that runs one of them
    worker = made.worker_that_stays()
    for each in JOBS:
        made.add_job(each)
    yield made
    worker.release()
    work.release()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "keys",
    [("J",), ("J", "j", "j", "j"), ("enter", "J", "j"), ("J", "c")],
    ids=["all", "failed", "of a project", "cancelling"],
)
def test_jobs(home: AppHome, snap_compare: Snap, size: Size, keys: tuple[str, ...]) -> None:
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES)
def test_no_jobs_yet(tmp_path: Path, snap_compare: Snap, size: Size) -> None:
    made = AppHome(tmp_path)
    asyncio.run(made.make())
    assert snap_compare(OpenedApp(made.path), terminal_size=size, run_before=pressing("J"))


def rows(pilot: Pilot[int]) -> Rows:
    """The list that is shown."""
    return pilot.app.screen.query_one("#rows", Rows)


def state_of(pilot: Pilot[int], number: int) -> JobState:
    """The state of a job as the list knows it."""
    page = pilot.app.screen
    assert isinstance(page, JobsPage)
    assert page.data is not None
    (found,) = [each for each in page.data.jobs if each.id == f"d{number:011x}"]
    return found.state


async def test_newest_first_and_in_other_orders(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "J")
        assert rows(pilot).keys == [each.id for each in reversed(JOBS)]
        await pressed(pilot, "o")
        assert "State ▾" in seen(pilot)
        assert rows(pilot).keys[:2] == [JOBS[5].id, JOBS[6].id]
        await pressed(pilot, "o")
        assert "Job ▴" in seen(pilot)


async def test_each_state_says_what_came_of_it(home: AppHome) -> None:
    said = [
        "It waits for its turn.",
        "Now: new ids and indexes: 604.0 MB of 920.0 MB, 210.0 MB/s. It makes Plant 7 again",
        "It made Plant 7 restored from a backup of Plant 7.",
        "12.4 MB are missing. Earlier backups are safe. Free some room",
        "The scheduled backup of 2026-11-22.",
        "Nothing half-made was kept.",
        "Its worker ended before it was done.",
    ]
    async with running(home.path) as pilot:
        await pressed(pilot, "J")
        for text in said:
            assert text in " ".join(seen(pilot).split())
            await pressed(pilot, "j")


async def test_what_waits_is_cancelled_by_keyboard_after_asking(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "J", "c")
        assert shows(pilot, CancelJob)
        await pressed(pilot, "enter")  # the question begins at letting it go on
        assert shows(pilot, JobsPage)
        assert state_of(pilot, 7) is JobState.QUEUED
        await pressed(pilot, "c", "escape")
        assert state_of(pilot, 7) is JobState.QUEUED
        await pressed(pilot, "c", "right", "enter")
        assert state_of(pilot, 7) is JobState.CANCELLED
        assert "c cancel" not in seen(pilot).splitlines()[-1]
        await pressed(pilot, "c")
        assert shows(pilot, JobsPage)


async def test_what_waits_is_cancelled_by_mouse_after_asking(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "J")
        await pilot.click(offset=(seen(pilot).splitlines()[-1].index("c cancel"), 23))
        await settled(pilot)
        await pilot.click("#no")
        await settled(pilot)
        assert state_of(pilot, 7) is JobState.QUEUED
        await pilot.click(offset=(seen(pilot).splitlines()[-1].index("c cancel"), 23))
        await settled(pilot)
        await pilot.click("#yes")
        await settled(pilot)
        assert state_of(pilot, 7) is JobState.CANCELLED


async def test_a_job_that_ended_meanwhile_is_not_cancelled_and_says_so(
    home: AppHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(Backstay, "notify", lambda app, text, **options: told.append(text))
    async with running(home.path) as pilot:
        await pressed(pilot, "J", "c")
        home.add_job(JOBS[6]._replace(state=JobState.SUCCEEDED, started=NOW, finished=NOW))
        await pressed(pilot, "right", "enter")
        (text,) = told
        assert "has ended already: succeeded. Nothing was changed." in text


async def test_a_job_is_opened_from_the_list_and_left_again(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "J", "j", "j", "j", "enter")
        assert shows(pilot, JobPage)
        await pressed(pilot, "escape")
        assert shows(pilot, JobsPage)
        assert rows(pilot).selected == JOBS[3].id


async def test_a_collaborator_sees_no_jobs(home: AppHome) -> None:
    async with running(home.path, user="joao") as pilot:
        await pressed(pilot, "J")
        assert "No jobs yet." in seen(pilot)


async def test_a_real_job_is_followed_in_the_list(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world, "Plant")
        await backed_up(engine)
    async with running(world.home, clock=world.now, works=True) as pilot:
        await pressed(pilot, "enter", "b")
        assert shows(pilot, JobPage)
        await pressed(pilot, "escape", "J")
        page = pilot.app.screen
        assert isinstance(page, JobsPage)
        while page.data is None or not all(each.state.ended for each in page.data.jobs):
            await pilot.pause()
        await settled(pilot)
        assert seen(pilot).count("✓ succeeded") == 2
