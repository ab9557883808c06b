"""Jobs in the catalog: queued, claimed, told of, ended once; and the slots of schedules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from engine.catalog import Catalog, ScheduleRow, SlotRow
from engine.model import JobKind, JobState, Origin, Progress, ProjectState

START = datetime(2026, 11, 23, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
P1, P2 = "000000000001", "000000000002"


class Hand:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
async def catalog(tmp_path: Path, clock: Hand) -> AsyncIterator[Catalog]:
    async with await Catalog.open(tmp_path / "catalog.db", clock=clock) as opened:
        for project, name in ((P1, "Plant 7"), (P2, "Harbour")):
            await opened.projects.add(
                project, name, tmp_path / project, ProjectState.ACTIVE, Origin.ADOPTED
            )
        yield opened


async def ask(catalog: Catalog, project: str = P1, kind: JobKind = JobKind.BACKUP) -> str:
    return await catalog.jobs.queue(kind, project, "Plant 7", "ana", {"name": "x"})


async def test_a_job_waits_is_claimed_and_ends_once(catalog: Catalog, clock: Hand) -> None:
    job = await ask(catalog, kind=JobKind.RESTORE)
    waiting = await catalog.jobs.get(job)
    assert waiting is not None
    assert waiting.job.state is JobState.QUEUED
    assert (waiting.job.asked, waiting.job.started, waiting.job.finished) == (START, None, None)
    assert waiting.request == {"name": "x"}
    clock.now += HOUR
    claimed = await catalog.jobs.claim()
    assert claimed is not None
    assert (claimed.job.id, claimed.job.state, claimed.job.started) == (
        job,
        JobState.RUNNING,
        START + HOUR,
    )
    assert await catalog.jobs.claim() is None
    clock.now += HOUR
    assert await catalog.jobs.finish(
        job, JobState.FAILED, "The disk is full.", error="StorageFailed", hint="Make room."
    )
    assert not await catalog.jobs.finish(job, JobState.SUCCEEDED)
    ended = await catalog.jobs.get(job)
    assert ended is not None
    assert ended.job == claimed.job._replace(
        state=JobState.FAILED,
        reason="The disk is full.",
        error="StorageFailed",
        hint="Make room.",
        finished=START + 2 * HOUR,
    )
    assert await catalog.jobs.get("nothing") is None
    for state in (JobState.RUNNING, JobState.QUEUED):
        with pytest.raises(ValueError, match="no end"):
            await catalog.jobs.finish(job, state)


async def test_jobs_are_claimed_in_the_order_in_which_they_were_asked_for(
    catalog: Catalog, clock: Hand
) -> None:
    asked = []
    for _ in range(3):
        asked.append(await ask(catalog))
        clock.now -= HOUR  # a clock that is set back does not matter
    claimed = [row.job.id for _ in range(3) if (row := await catalog.jobs.claim())]
    assert claimed == asked
    listed = [row.job.id for row in await catalog.jobs.list()]
    assert listed == asked[::-1], "newest first"


async def test_two_who_claim_get_different_jobs(catalog: Catalog, tmp_path: Path) -> None:
    jobs = {await ask(catalog) for _ in range(4)}
    async with await Catalog.open(tmp_path / "catalog.db") as other:
        rows = await asyncio.gather(*(each.jobs.claim() for each in (catalog, other) * 3))
    claimed = [row.job.id for row in rows if row is not None]
    assert set(claimed) == jobs
    assert len(claimed) == len(jobs)


async def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked(
    catalog: Catalog,
) -> None:
    running, waiting = await ask(catalog), await ask(catalog)
    await catalog.jobs.claim()
    assert await catalog.jobs.tell(running, Progress("reading", 1, 2))
    assert await catalog.jobs.cancel(running)
    assert await catalog.jobs.cancel(waiting)
    gone = await catalog.jobs.get(waiting)
    assert gone is not None
    assert gone.job.state is JobState.CANCELLED
    assert not await catalog.jobs.tell(running, Progress("reading", 2, 2, 10.0)), "asked to stop"
    row = await catalog.jobs.get(running)
    assert row is not None
    assert row.job.state is JobState.RUNNING
    assert row.job.progress == Progress("reading", 2, 2, 10.0)
    await catalog.jobs.finish(running, JobState.CANCELLED)
    assert not await catalog.jobs.cancel(running)


async def test_a_job_that_was_put_back_waits_again(catalog: Catalog) -> None:
    job = await ask(catalog)
    await catalog.jobs.claim()
    await catalog.jobs.tell(job, Progress("reading", 1, 2))
    assert await catalog.jobs.put_back(job)
    row = await catalog.jobs.get(job)
    assert row is not None
    assert (row.job.state, row.job.started) == (JobState.QUEUED, None)
    assert row.job.progress == Progress("", 0, 0)
    assert not await catalog.jobs.put_back(job), "it waits already"
    again = await catalog.jobs.claim()
    assert again is not None
    assert again.job.id == job


async def test_running_jobs_of_a_dead_worker_are_lost(catalog: Catalog, clock: Hand) -> None:
    dead, waiting = await ask(catalog), await ask(catalog)
    await catalog.jobs.claim()
    clock.now += HOUR
    (lost,) = await catalog.jobs.mark_lost()
    assert (lost.job.id, lost.job.state) == (dead, JobState.LOST)
    assert lost.job.finished == START + HOUR
    assert lost.job.reason
    row = await catalog.jobs.get(waiting)
    assert row is not None
    assert row.job.state is JobState.QUEUED
    assert await catalog.jobs.mark_lost() == ()


async def test_jobs_of_some_projects_are_listed(catalog: Catalog) -> None:
    await ask(catalog)
    other = await ask(catalog, P2)
    assert [row.job.id for row in await catalog.jobs.list([P2])] == [other]
    assert await catalog.jobs.list([]) == ()
    assert len(await catalog.jobs.list(limit=1)) == 1


async def test_the_newest_backup_jobs_pass_over_those_that_were_cancelled(
    catalog: Catalog,
) -> None:
    ends = (JobState.FAILED, JobState.SUCCEEDED, JobState.CANCELLED)
    asked = [await ask(catalog) for _ in ends]
    other = await ask(catalog, P2, JobKind.RESTORE)
    for job, state in zip((*asked, other), (*ends, JobState.FAILED), strict=True):
        await catalog.jobs.claim()
        await catalog.jobs.finish(job, state)
    assert [row.job.id for row in await catalog.jobs.newest_backups()] == [asked[1]]


async def test_a_plan_is_kept_and_has_defaults(catalog: Catalog) -> None:
    assert await catalog.schedules.get(P1) == ScheduleRow(None, None, None, 7)
    plan = ScheduleRow(time(3, 30), "Europe/Lisbon", START, 30)
    await catalog.schedules.set(P1, plan)
    await catalog.schedules.set(P2, ScheduleRow(keep=3))
    assert await catalog.schedules.all() == {P1: plan, P2: ScheduleRow(keep=3)}
    await catalog.schedules.set(P1, plan._replace(at=None, zone=None, since=None))
    assert await catalog.schedules.get(P1) == ScheduleRow(None, None, None, 30)


async def test_a_slot_is_taken_once_by_whoever_is_first(catalog: Catalog, tmp_path: Path) -> None:
    slot = SlotRow(P1, "2026-11-23", START, None, "")
    async with await Catalog.open(tmp_path / "catalog.db") as other:
        taken = await asyncio.gather(*(each.schedules.take(slot) for each in (catalog, other) * 4))
    assert taken.count(True) == 1
    await catalog.schedules.note(P1, slot.date, "job", "run again")
    assert await catalog.schedules.taken(P1) == [slot._replace(job="job", note="run again")]
    days = ["2026-11-22", "2026-11-23"]
    assert await catalog.schedules.had(days) == {(P1, "2026-11-23")}
    assert await catalog.schedules.had(days[:1]) == frozenset()


async def test_plans_slots_and_incidents_go_with_their_project(catalog: Catalog) -> None:
    await catalog.schedules.set(P1, ScheduleRow(time(3), "UTC", START))
    await catalog.schedules.take(SlotRow(P1, "2026-11-23", START, None, ""))
    assert await catalog.incidents.begin(P1, "failing", START)
    assert not await catalog.incidents.begin(P1, "failing", START + HOUR)
    assert await catalog.incidents.open() == {(P1, "failing"): START}
    await catalog.projects.remove(P1)
    assert await catalog.schedules.all() == {}
    assert await catalog.schedules.had(["2026-11-23"]) == frozenset()
    assert await catalog.incidents.open() == {}
    assert not await catalog.incidents.end(P1, "failing")
