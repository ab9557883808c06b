"""A job on a page of its own: every state of it, and what can be done from there."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "engine"))

from app_support import (
    HOUR,
    NOW,
    PLANT,
    SIZES,
    AppHome,
    OpenedApp,
    Snap,
    pressed,
    restoring,
    running,
    seen,
    settled,
    shows,
)
from promises_support import adopted, make_world
from textual.pilot import Pilot

from engine.lock import WorkerLock, WorkLock
from engine.model import (
    Backup,
    BackupKind,
    BackupState,
    Job,
    JobKind,
    JobState,
    Progress,
)
from engine.reports import backup_result
from tui.dialogs.confirm import Confirm
from tui.screens.job import JobPage
from tui.screens.report import ReportPage

ID, OTHER = "4f2a81c09b3d", "9d3c00aa77e1"
SECOND = timedelta(seconds=1)
RUNNING = restoring(
    NOW - 41 * SECOND, Progress("new ids and indexes", 604_000_000, 920_000_000, 210_000_000.0)
)._replace(asked=NOW - 50 * SECOND)
WAITING = RUNNING._replace(state=JobState.QUEUED, started=None, progress=Progress("", 0, 0))
ENDED = RUNNING._replace(finished=NOW - 29 * SECOND, progress=Progress("", 0, 0))
BACKUP: dict[str, Any] = {"kind": JobKind.BACKUP, "new_project": ""}
CLEAN_UP: dict[str, Any] = {"kind": JobKind.CLEAN_UP, "new_project": "", "user": "backstay"}
NO_FILE = "The database of device 'Boiler 3' (715faf2b8b4aa32a54b18ffc) is not there."
MADE = Backup(
    id="b00000000007",
    project=PLANT,
    date=NOW - HOUR,
    kind=BackupKind.SCHEDULED,
    state=BackupState.COMPLETE,
    size=68_200_000,
    added=6_500_000,
    data=920_000_000,
    devices=200,
    variables=2_904_452,
    actions=14,
    analyses=5,
    accounts=3,
    missing=2,
)

# Each state of a job, with what is kept of it.
STATES: dict[str, tuple[Job, dict[str, object]]] = {
    "waiting": (WAITING, {}),
    "running": (RUNNING, {}),
    "estimating": (
        RUNNING._replace(
            **BACKUP, progress=Progress("reading the databases", 12_000_000, 920_000_000)
        ),
        {},
    ),
    "size unknown": (
        RUNNING._replace(**CLEAN_UP, progress=Progress("looking for what is still needed", 0, 0)),
        {},
    ),
    "last stage": (
        RUNNING._replace(progress=Progress("making it available", 920_000_000, 920_000_000)),
        {},
    ),
    "backup made": (
        ENDED._replace(**BACKUP, state=JobState.SUCCEEDED, slot="2026-11-23"),
        dict(backup_result(MADE)),
    ),
    "cleaned up": (
        ENDED._replace(**CLEAN_UP, state=JobState.SUCCEEDED),
        {
            "removed": ["b00000000001", "b00000000002"],
            "freed": 41_300_000,
            "notes": ["2 packs that are mostly garbage were left: the disk is full."],
        },
    ),
    "backup failed": (
        ENDED._replace(
            **BACKUP,
            state=JobState.FAILED,
            error="SourceDamaged",
            reason=NO_FILE,
            hint="Earlier backups are safe and nothing was changed. Mend or bring back the files "
            "named, or back up without these devices: backstay backup PROJECT --without-damaged.",
        ),
        {},
    ),
    "restore failed": (
        ENDED._replace(
            state=JobState.FAILED,
            error="RepositoryDamaged",
            reason="Device 'Boiler 3' (715faf2b8b4aa32a54b18ffc) cannot be restored.",
            hint="Other backups may still restore.",
        ),
        {},
    ),
    "cancelled": (ENDED._replace(state=JobState.CANCELLED), {}),
    "lost": (
        ENDED._replace(
            **BACKUP, state=JobState.LOST, slot="2026-11-23", reason="Its worker ended."
        ),
        {},
    ),
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[AppHome]:
    """A home with one project, in which a worker seems to be at work."""
    made = AppHome(tmp_path)

    async def fill() -> WorkerLock:
        await made.make()
        await made.add_project(PLANT, "Plant 7", collaborators=("joao",))
        return made.worker_that_stays()

    lock = asyncio.run(fill())
    work = WorkLock(made.path)
    work.acquire()
    yield made
    work.release()
    lock.release()


def opening(job: str = ID) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """What opens the page of a job."""

    async def open_it(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        pilot.app.open_job(job)  # type: ignore[attr-defined]  # it is ours
        await settled(pilot)

    return open_it


async def until(pilot: Pilot[int], holds: Callable[[], bool]) -> None:
    """Wait until something is so; the app goes on meanwhile."""
    async with asyncio.timeout(180):
        while not holds():
            await pilot.pause(0.02)
    await settled(pilot)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", STATES)
def test_each_state_of_a_job(
    home: AppHome, snap_compare: Snap, size: tuple[int, int], state: str
) -> None:
    home.add_job(*STATES[state])
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=opening())


@pytest.mark.parametrize("size", SIZES)
def test_a_job_that_waits_says_for_which_other(
    home: AppHome, snap_compare: Snap, size: tuple[int, int]
) -> None:
    home.add_job(RUNNING._replace(id=OTHER, **BACKUP))
    home.add_job(WAITING._replace(id="77aa00112233", **CLEAN_UP))
    home.add_job(WAITING)
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=opening())


@pytest.mark.parametrize("size", SIZES)
def test_the_question_before_a_job_is_cancelled(
    home: AppHome, snap_compare: Snap, size: tuple[int, int]
) -> None:
    home.add_job(RUNNING)

    async def ask(pilot: Pilot[Any]) -> None:
        await opening()(pilot)
        await pressed(pilot, "c")

    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=ask)


async def test_the_page_follows_a_job_to_its_end(home: AppHome) -> None:
    home.add_job(RUNNING._replace(**BACKUP, progress=Progress("looking for changes", 0, 0)))
    async with running(home.path) as pilot:
        await opening()(pilot)
        assert "▸ looking for changes" in seen(pilot)
        assert "estimating" in seen(pilot)
        at_work = Progress("reading the databases", 500_000_000, 1_000_000_000, 250_000_000.0)
        home.add_job(RUNNING._replace(**BACKUP, progress=at_work))
        await until(pilot, lambda: "50 %" in seen(pilot))
        assert "✓ looking for changes" in seen(pilot)
        assert "500.0 MB of 1.0 GB" in seen(pilot)
        assert "250.0 MB/s" in seen(pilot)
        assert "about 2 s left" in seen(pilot)
        assert "· finishing" in seen(pilot)
        assert "esc leave   c cancel" in seen(pilot)
        home.add_job(ENDED._replace(**BACKUP, state=JobState.SUCCEEDED), backup_result(MADE))
        await until(pilot, lambda: "✓ Done" in seen(pilot))
        assert "68.2 MB, of which 6.5 MB were added" in seen(pilot)
        assert "took 12 s" in seen(pilot)
        assert "cancel" not in seen(pilot)
        assert "esc back" in seen(pilot)


async def test_leaving_the_page_leaves_the_job_alone(home: AppHome) -> None:
    home.add_job(RUNNING)
    async with running(home.path) as pilot:
        await opening()(pilot)
        await pressed(pilot, "escape")
        assert not shows(pilot, JobPage)
        job = await pilot.app.engine.job(ID)  # type: ignore[attr-defined]  # it is ours
        assert job.state is JobState.RUNNING
        assert not cancel_asked(home)
        await opening()(pilot)
        assert "604.0 MB of 920.0 MB" in seen(pilot)


def cancel_asked(home: AppHome, job: str = ID) -> bool:
    with closing(sqlite3.connect(home.path / "catalog.db")) as catalog:
        ((asked,),) = catalog.execute("SELECT cancel FROM job WHERE id = ?", (job,))
    return bool(asked)


async def test_cancelling_asks_first_and_begins_at_keeping_it(home: AppHome) -> None:
    home.add_job(RUNNING)
    async with running(home.path) as pilot:
        await opening()(pilot)
        for way_out in ("enter", "escape"):
            await pressed(pilot, "c")
            assert shows(pilot, Confirm)
            assert "nothing is charged" in seen(pilot)
            await pressed(pilot, way_out)
            assert shows(pilot, JobPage)
            assert not cancel_asked(home)
        await pressed(pilot, "c", "right", "enter")
        assert cancel_asked(home)
        assert "Cancelling: what is half-made is being removed." in seen(pilot)
        assert "c cancel" not in seen(pilot)
        home.add_job(ENDED._replace(state=JobState.CANCELLED))
        await until(pilot, lambda: "– Cancelled" in seen(pilot))
        assert "Nothing was made and nothing was charged." in seen(pilot)


async def test_all_of_it_works_by_mouse(home: AppHome) -> None:
    home.add_job(WAITING)
    async with running(home.path) as pilot:
        await opening()(pilot)
        await click_on(pilot, "cancel")
        await click_on(pilot, "Keep it waiting")
        assert shows(pilot, JobPage)
        await click_on(pilot, "cancel")
        await click_on(pilot, "Cancel the job")
        assert "– Cancelled" in seen(pilot)
        await click_on(pilot, "esc")
        assert not shows(pilot, JobPage)


async def click_on(pilot: Pilot[int], text: str) -> None:
    """Click on the last place on the screen where that is written."""
    lines = seen(pilot).splitlines()
    y = max(at for at, line in enumerate(lines) if text in line)
    await pilot.click(offset=(lines[y].index(text) + 1, y))
    await settled(pilot)


async def test_a_job_that_ended_before_it_was_cancelled_says_so(home: AppHome) -> None:
    home.add_job(RUNNING)
    async with running(home.path) as pilot:
        await opening()(pilot)
        await pressed(pilot, "c")
        home.add_job(ENDED._replace(state=JobState.FAILED, reason="It broke."))
        await pressed(pilot, "right", "enter")
        (told,) = pilot.app._notifications
        assert "has ended already: failed" in told.message
        assert "✗ Failed" in seen(pilot)
        assert "It broke." in seen(pilot)


async def test_what_cannot_be_read_leaves_what_was_shown_and_says_so(home: AppHome) -> None:
    home.add_job(RUNNING)
    async with running(home.path) as pilot:
        await opening()(pilot)
        with closing(sqlite3.connect(home.path / "catalog.db", isolation_level=None)) as other:
            other.execute("ALTER TABLE job RENAME TO elsewhere")
            await until(pilot, lambda: "could not be read since" in seen(pilot))
            assert "604.0 MB of 920.0 MB" in seen(pilot)
            other.execute("ALTER TABLE elsewhere RENAME TO job")
        await until(pilot, lambda: "could not be read since" not in seen(pilot))


async def test_a_collaborator_and_a_stranger_see_nothing_of_a_job(home: AppHome) -> None:
    home.add_job(RUNNING)
    async with running(home.path, user="joao") as pilot:
        await opening()(pilot)
        assert "The jobs of Plant 7 are for its owners: ana." in seen(pilot)
        assert "604" not in seen(pilot)
        assert "c cancel" not in seen(pilot)
    async with running(home.path, user="zoe") as pilot:
        await opening()(pilot)
        assert "There is no job" in seen(pilot)
        assert "Plant 7" not in seen(pilot)


async def test_an_owner_who_is_removed_meanwhile_sees_no_more_of_it(home: AppHome) -> None:
    home.add_job(RUNNING)
    async with running(home.path) as pilot:
        await opening()(pilot)
        assert "604.0 MB" in seen(pilot)
        with closing(sqlite3.connect(home.path / "catalog.db")) as catalog, catalog:
            catalog.execute("DELETE FROM member WHERE user = 'ana'")
        await until(pilot, lambda: "There is no job" in seen(pilot))
        assert "604.0 MB" not in seen(pilot)


async def test_hostile_names_can_do_nothing(home: AppHome) -> None:
    home.add_job(RUNNING._replace(new_project="[red]x\x1b[2J\u202e" + "漢" * 60))
    async with running(home.path) as pilot:
        await opening()(pilot)
        assert "Creating [red]x\\x1b[2J\\u202e漢漢" in seen(pilot)
        await pressed(pilot, "c")
        assert "Cancel the creation of [red]x\\x1b[2J\\u202e漢漢" in seen(pilot)


async def test_the_smallest_terminal_holds_all_of_it(home: AppHome) -> None:
    home.add_job(RUNNING)
    async with running(home.path, (60, 16)) as pilot:
        await opening()(pilot)
        text = seen(pilot)
        assert "604.0 MB of 920.0 MB" in text
        assert "65 %" in text
        assert "about 2 s left" in text
        assert "come back." in text
        await pilot.resize_terminal(120, 40)
        await settled(pilot)
        assert "here when you come back." in seen(pilot)


async def test_a_real_backup_is_asked_for_and_followed_to_its_end(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
    async with running(world.home, clock=world.now, works=True) as pilot:
        await pressed(pilot, "enter", "b")
        assert shows(pilot, JobPage)
        await until(pilot, lambda: "✓ Done" in seen(pilot))
        assert "Holds   4 devices" in seen(pilot)
        await pressed(pilot, "escape")
        assert "1 backup" in seen(pilot)


async def test_a_real_restore_goes_on_to_its_report_even_behind_a_question(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await (await engine.backup("Plant")).result()
    hold = WorkLock(world.home)
    hold.acquire()
    async with running(world.home, clock=world.now, works=True) as pilot:
        engine = pilot.app.engine  # type: ignore[attr-defined]  # it is ours
        quote = await engine.quote("Plant@latest")
        fee = quote.creation_fee.amount
        handle = await engine.restore("Plant@latest", "Copy", accept_cost=fee)
        await opening(handle.job)(pilot)
        assert "· Waiting" in seen(pilot)
        await pressed(pilot, "c")
        hold.release()
        await handle.result()
        await settled(pilot)
        assert shows(pilot, Confirm)
        await pressed(pilot, "escape")
        await until(pilot, lambda: shows(pilot, ReportPage))
        assert "Copy is ready" in seen(pilot)
        await pressed(pilot, "escape")
        assert "Projects" not in seen(pilot)
        assert "Copy" in seen(pilot)
        await opening(handle.job)(pilot)
        await until(pilot, lambda: shows(pilot, ReportPage))
        assert "Copy is ready" in seen(pilot)
