"""The worker: what is asked for is done once, by one process, whoever is watching."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    OWNER,
    World,
    adopted,
    all_rows,
    backed_up,
    leftovers,
    make_world,
    query,
    restored,
)

from engine.catalog import Catalog
from engine.engine import Engine
from engine.errors import Cancelled, Failed, PriceNotAccepted
from engine.lock import WorkerLock, WorkLock, has_worker, worker_stays
from engine.model import Backup, BackupKind, Job, JobKind, JobState
from engine.worker import Worker, run_worker

PATIENCE = 180.0  # seconds after which a test gives up
STAY = (
    "import asyncio, sys; from pathlib import Path; from engine.worker import run_worker;"
    " asyncio.run(run_worker(Path(sys.argv[1]), stay=sys.argv[2] == 'stay'))"
)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not await asyncio.to_thread(holds):
        assert asyncio.get_running_loop().time() < deadline, "it never came to be"
        await asyncio.sleep(0.01)


def states(world: World) -> list[str]:
    """The states of all jobs, in the order in which they were asked for."""
    rows = query(world.home / "catalog.db", "SELECT state FROM job ORDER BY rowid")
    return [str(state) for (state,) in rows]


@asynccontextmanager
async def client(world: World) -> AsyncIterator[Engine]:
    """The home, open by who does no work: the worker does it."""
    async with Engine.open(world.home, user=OWNER) as engine:
        yield engine


def start(world: World, how: str) -> subprocess.Popen[bytes]:
    """A worker in a process of its own: "stay" or "once"."""
    return subprocess.Popen(
        [sys.executable, "-c", STAY, str(world.home), how], start_new_session=True
    )


async def prepared(folder: Path) -> World:
    world = make_world(folder)
    # What holds a database holds it until the test lets go, however slow the machine is.
    world.set_prices("[snapshot]\npatience = 900\n")
    world.now.moment = datetime.now(UTC)
    async with world.opened() as engine:
        await adopted(engine, world)
    return world


async def test_a_worker_is_started_for_what_is_asked_and_ends_after_it(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    async with client(world) as engine:
        backup = await backed_up(engine)
        assert await engine.backups("Plant") == [backup]
        made = await restored(engine, "Copy")
        assert all_rows(made.project.path) == all_rows(world.source)
        assert made.tokens, "they are read from the new project"
    await until(lambda: not has_worker(world.home))
    assert states(world) == ["succeeded", "succeeded"]
    assert leftovers(world.home) == []
    text = (world.home / "catalog.db").read_bytes()
    assert not any(token.token.encode() in text for token in made.tokens)


async def test_work_goes_on_when_the_one_who_asked_is_gone(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    lock = WorkLock(world.home)
    lock.acquire()  # so that nothing can be done before we are gone
    async with client(world) as engine:
        await engine.backup("Plant")
        await until(lambda: has_worker(world.home))
    assert states(world) == ["queued"]
    lock.release()
    await until(lambda: states(world) == ["succeeded"])
    await until(lambda: not has_worker(world.home))


async def test_an_error_crosses_from_the_worker_whole(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    async with client(world) as engine:
        backup = await backed_up(engine)
        world.set_prices()
        offer = await engine.quote(backup.id)
        lock = WorkLock(world.home)
        lock.acquire()
        handle = await engine.restore(backup.id, "Copy", accept_cost=offer.creation_fee.amount)
        world.set_prices('[prices]\ncurrency = "EUR"\ncreation_fee = "50.00"\n')
        lock.release()
        with pytest.raises(PriceNotAccepted, match="The price has changed") as told:
            await handle.result()
        assert "--accept-cost 50.00" in told.value.hint
        assert [each.name for each in await engine.projects()] == ["Plant"]
        assert await engine.costs() == []


async def test_two_workers_at_once_are_one(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    lock = WorkLock(world.home)
    lock.acquire()
    async with client(world) as engine:
        handles = [await engine.backup("Plant") for _ in range(4)]
        workers = [start(world, "once") for _ in range(4)]
        await until(lambda: has_worker(world.home))
        lock.release()
        made = [await handle.result() for handle in handles]
        codes = [await asyncio.to_thread(worker.wait) for worker in workers]
        assert len({backup.id for backup in made}) == 4
        assert sorted(await engine.backups("Plant")) == sorted(made)
        jobs = [job for job in await engine.jobs("Plant") if job.kind is JobKind.BACKUP]
    assert len(jobs) == 4
    assert set(codes) <= {0, 1}, "who is too many ends with Busy"
    await until(lambda: not has_worker(world.home))


async def test_a_worker_that_stays_is_seen_and_ends_cleanly_when_told(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    worker = start(world, "stay")
    try:
        await until(lambda: worker_stays(world.home))
        async with client(world) as engine:
            await backed_up(engine)
            assert [health.running for health in await engine.status()] == [None]
    finally:
        worker.terminate()
    assert await asyncio.to_thread(worker.wait) == 0
    assert not has_worker(world.home)
    assert not worker_stays(world.home)


async def test_a_worker_that_is_told_to_stop_lets_its_job_wait(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    gate = world.files[0].with_name(f"{world.files[0].name}-journal")
    worker = start(world, "stay")
    await until(lambda: worker_stays(world.home))
    with _held(world.files[0]):
        async with client(world) as engine:
            await engine.backup("Plant")
            await until(lambda: states(world) == ["running"])
            worker.terminate()
            assert await asyncio.to_thread(worker.wait) == 0
    assert not gate.exists()
    assert states(world) == ["queued"]
    assert leftovers(world.home) == []
    again = start(world, "once")
    assert await asyncio.to_thread(again.wait) == 0
    assert states(world) == ["succeeded"]


async def test_a_job_is_cancelled_in_the_middle_and_nothing_is_left(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    with _held(world.files[0]):  # the backup cannot end
        async with client(world) as engine:
            handle = await engine.backup("Plant")
            await until(lambda: states(world) == ["running"])
            handle.cancel()
            async with asyncio.timeout(PATIENCE):  # far less than the backup would wait
                with pytest.raises(Cancelled) as told:
                    await handle.result()
            assert told.value.hint
            (job,) = await engine.jobs("Plant")
            assert job.state is JobState.CANCELLED
            assert await engine.backups("Plant") == []
    assert leftovers(world.home) == []


async def test_a_job_whose_worker_was_killed_is_lost_and_told(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    worker = start(world, "stay")
    await until(lambda: worker_stays(world.home))
    with _held(world.files[0]):
        async with client(world) as engine:
            handle = await engine.backup("Plant")
            await until(lambda: states(world) == ["running"])
            os.killpg(worker.pid, signal.SIGKILL)
            await asyncio.to_thread(worker.wait)
            # What it was just about to start holds its locks until it is gone, too.
            await until(lambda: not has_worker(world.home))
            async with client(world) as other:  # whoever opens the home mends it
                (job,) = await other.jobs("Plant")
                assert job.state is JobState.LOST
            with pytest.raises(Failed, match="Its worker ended before it was done"):
                await handle.result()
    assert leftovers(world.home) == []


async def test_who_waits_for_a_job_whose_worker_was_killed_is_told(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    worker = start(world, "stay")
    await until(lambda: worker_stays(world.home))
    with _held(world.files[0]):
        async with client(world) as engine:
            handle = await engine.backup("Plant")
            await until(lambda: states(world) == ["running"])
            os.killpg(worker.pid, signal.SIGKILL)
            await asyncio.to_thread(worker.wait)
            async with asyncio.timeout(PATIENCE):  # though nobody else opens the home
                with pytest.raises(Failed, match="Its worker ended before it was done"):
                    await handle.result()
    await until(lambda: not has_worker(world.home))
    assert leftovers(world.home) == []


async def test_a_worker_that_slept_goes_on_where_it_was(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    worker = start(world, "stay")
    await until(lambda: worker_stays(world.home))
    with _held(world.files[0]):
        async with client(world) as engine:
            handle = await engine.backup("Plant")
            await until(lambda: states(world) == ["running"])
            os.killpg(worker.pid, signal.SIGSTOP)
            # The kernel holds its lock, however long it sleeps: nobody takes its place.
            other = start(world, "once")
            assert await asyncio.to_thread(other.wait) == 1
            async with client(world):
                assert states(world) == ["running"]
            os.killpg(worker.pid, signal.SIGCONT)
    backup = await _result_of(world, handle.job)
    assert backup.state is JobState.SUCCEEDED
    worker.terminate()
    assert await asyncio.to_thread(worker.wait) == 0


async def test_a_worker_that_is_told_to_end_while_a_job_ends_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await prepared(tmp_path)
    end_of_job = Worker._end

    async def told(self: Worker, *arguments: Any, **named: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(10):  # turns of the loop, in which the signal is heeded
            await asyncio.sleep(0)
        await end_of_job(self, *arguments, **named)

    monkeypatch.setattr(Worker, "_end", told)
    working = asyncio.ensure_future(run_worker(world.home, stay=True))
    await until(lambda: worker_stays(world.home))
    async with client(world) as engine:
        handle = await engine.backup("Plant")
        await asyncio.wait_for(working, PATIENCE)
        assert (await engine.job(handle.job)).state is JobState.SUCCEEDED


async def _result_of(world: World, job: str) -> Job:
    await until(lambda: states(world)[:1] == ["succeeded"])  # a proof may follow
    async with client(world) as engine:
        return await engine.job(job)


class _held:  # noqa: N801  # reads as a phrase where it is used
    """Hold a database with a write lock, as a writer would."""

    def __init__(self, database: Path) -> None:
        self._code = (
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
            " c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read();"
            " c.execute('ROLLBACK'); c.close()"
        )
        self._database = database

    def __enter__(self) -> None:
        self._holder = subprocess.Popen(
            [sys.executable, "-c", self._code, str(self._database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"held\n"

    def __exit__(self, *_: object) -> None:
        self._holder.communicate()


# Schedules, with a clock that only the test moves

DAY = timedelta(days=1)
NIGHT = datetime(2026, 11, 24, 3, tzinfo=UTC)


async def scheduled(folder: Path) -> World:
    """A project that is backed up at 03:00 UTC from the evening before `NIGHT` on."""
    world = make_world(folder)
    world.now.moment = NIGHT - timedelta(hours=8)
    async with world.opened() as engine:
        await adopted(engine, world)
        plan = await engine.set_schedule("Plant", at="03:00", zone="UTC")
        assert [run.due for run in plan.runs] == [NIGHT + number * DAY for number in range(5)]
    return world


async def work(world: World) -> None:
    """Be the worker until nothing is left to do."""
    await run_worker(world.home, clock=world.now)


async def taken(world: World) -> list[Backup]:
    """The backups of the project, oldest first."""
    async with world.opened() as engine:
        return (await engine.backups("Plant"))[::-1]


async def test_a_slot_runs_once_when_it_has_come(tmp_path: Path) -> None:
    world = await scheduled(tmp_path)
    await work(world)
    assert await taken(world) == []
    world.now.moment = NIGHT
    for _ in range(3):
        await work(world)
    (backup,) = await taken(world)
    assert (backup.kind, backup.date) == (BackupKind.SCHEDULED, NIGHT)
    world.now.pass_by(hours=23, minutes=59)
    await work(world)
    assert len(await taken(world)) == 1
    world.now.pass_by(minutes=1)
    await work(world)
    assert [each.date for each in await taken(world)] == [NIGHT, NIGHT + DAY]


@pytest.mark.parametrize("asleep", [timedelta(hours=9), timedelta(days=3)])
async def test_missed_slots_become_one_run(tmp_path: Path, asleep: timedelta) -> None:
    world = await scheduled(tmp_path)
    world.now.moment = NIGHT - timedelta(minutes=1) + asleep
    for _ in range(2):
        await work(world)
    assert len(await taken(world)) == 1


async def test_a_clock_that_is_set_back_or_forward_runs_nothing_twice(tmp_path: Path) -> None:
    world = await scheduled(tmp_path)
    world.now.moment = NIGHT
    await work(world)
    world.now.moment = NIGHT - DAY  # back a day
    await work(world)
    assert len(await taken(world)) == 1
    world.now.moment = NIGHT + 7 * DAY  # forward a week
    await work(world)
    assert len(await taken(world)) == 2
    for day in range(1, 8):  # and right again
        world.now.moment = NIGHT + day * DAY + timedelta(minutes=1)
        await work(world)
    dates = [slot for (slot,) in query(world.home / "catalog.db", "SELECT date FROM slot")]
    assert len(dates) == len(set(dates)) == 8


async def test_a_scheduled_backup_that_was_lost_is_run_again_once(tmp_path: Path) -> None:
    world = await scheduled(tmp_path)
    world.now.moment = NIGHT
    for attempt in (1, 2):
        async with await Catalog.open(world.home / "catalog.db", clock=world.now) as catalog:
            if attempt == 1:
                await _queue_slot(catalog, world)
            row = await catalog.jobs.claim()
            assert row is not None
            assert row.job.attempt == attempt
        async with world.opened():  # finds that nobody runs it any more
            pass
    assert states(world) == ["lost", "lost"]
    await work(world)
    assert await taken(world) == [], "the slot had its two attempts"
    world.now.pass_by(days=1)
    await work(world)
    assert len(await taken(world)) == 1


async def _queue_slot(catalog: Catalog, world: World) -> None:
    from engine.home import Home
    from engine.planning import Planner

    await Planner(Home(world.home), catalog, world.now).queue_due()


async def test_a_backup_still_running_at_its_next_slot_is_not_doubled_and_that_is_told(
    tmp_path: Path,
) -> None:
    world = await scheduled(tmp_path)
    world.now.moment = NIGHT
    async with await Catalog.open(world.home / "catalog.db", clock=world.now) as catalog:
        await _queue_slot(catalog, world)
        row = await catalog.jobs.claim()
        assert row is not None
        world.now.pass_by(days=1, hours=1)
        await catalog.jobs.finish(row.job.id, JobState.SUCCEEDED)
    await work(world)
    assert states(world) == ["succeeded"]
    async with world.opened() as engine:
        (note,) = (await engine.plan("Plant")).notes
    assert note.startswith("2026-11-25: not doubled")


async def test_two_workers_that_race_for_a_slot_queue_it_once(tmp_path: Path) -> None:
    world = await scheduled(tmp_path)
    world.now.moment = NIGHT
    path = world.home / "catalog.db"
    async with (
        await Catalog.open(path, clock=world.now) as one,
        await Catalog.open(path, clock=world.now) as two,
    ):
        await asyncio.gather(*(_queue_slot(each, world) for each in (one, two) * 4))
    assert states(world) == ["queued"]


async def test_only_the_seven_most_recent_are_kept_and_each_restores(tmp_path: Path) -> None:
    world = await scheduled(tmp_path)
    for day in range(10):
        world.now.moment = NIGHT + day * DAY
        await work(world)
    kept = await taken(world)
    assert [each.date for each in kept] == [NIGHT + day * DAY for day in range(3, 10)]
    async with world.opened() as engine:
        for number, backup in enumerate(kept):
            made = await restored(engine, f"Copy {number}", backup.id)
            assert all_rows(made.project.path) == all_rows(world.source)


async def test_a_lock_of_a_worker_is_seen_without_being_taken(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    assert not has_worker(world.home)
    lock = WorkerLock(world.home)
    lock.acquire()
    assert has_worker(world.home)
    assert not worker_stays(world.home)
    lock.say_that_it_stays()
    assert worker_stays(world.home)
    lock.release()
    assert not has_worker(world.home)
