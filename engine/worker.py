"""The worker of a home: it runs what is due and what was asked for, one job after the other.

There is one at most: it holds the home's `WorkerLock`. It ends when nothing is left to do, unless
it was started to stay. What it does is in the catalog, so that whoever asked may come and go.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.cancelling import finish_anyway
from engine.catalog import Catalog, JobRow
from engine.clock import Clock, system_clock
from engine.errors import BackstayError, Busy, Cancelled, StorageFailed
from engine.following import Nudge
from engine.handle import Report
from engine.home import Home
from engine.lock import WorkerLock, WorkLock
from engine.model import JobKind, JobState, Progress
from engine.names import word
from engine.performing import Performer
from engine.planning import Planner, gives_way
from engine.repository.repository import Repository
from engine.reserve import Reserve
from engine.settings import read_settings
from engine.telling import Telling
from engine.work import clean, mend, needs_mending

LOOK = 0.25  # seconds between two looks at the catalog; also how often progress is noted
_LONGEST_REST = 30.0  # seconds; a clock that was set is noticed after that
_PATIENCE = 2.0  # seconds to wait for a worker that is just ending, or somebody who looks for one
LOG = "worker.log"
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from engine.worker import main; main(sys.argv[2])"
)


class Worker:
    """Runs the jobs of a home that is open. Its caller holds the `WorkerLock`."""

    def __init__(
        self,
        home: Home,
        catalog: Catalog,
        repository: Repository,
        clock: Clock,
        nudge: Nudge,
        *,
        stay: bool = False,
    ) -> None:
        self.leaving = False  # set by who wants it to begin no other job
        self.job: str | None = None  # the one under way
        self.watchers: dict[str, list[Report]] = {}  # who hears of jobs at once, in this process
        self._home = home
        self._catalog = catalog
        self._repository = repository
        self._nudge = nudge
        self._stay = stay
        self._reserve = Reserve(home)
        self._performer = Performer(home, catalog, repository, self._reserve, clock)
        self._planner = Planner(home, catalog, clock)

    async def run(self) -> None:
        """Work until nothing is due or waits; one that stays, until it is cancelled.

        When it is cancelled, the job under way is cancelled too and cleaned up after.
        """
        while True:
            await self._quietly(self._planner.queue_due())
            if not self.leaving and await self._next():
                continue
            await asyncio.to_thread(self._reserve.make)
            await self._quietly(self._planner.tell_news(worker_stays=self._stay))
            if self.leaving or not self._stay:
                return
            await self._rest()

    async def _next(self) -> bool:
        """Do the job that has waited longest; False where none waits."""
        if not any(not row.job.state.ended for row in await self._catalog.jobs.unfinished()):
            return False
        lock = WorkLock(self._home.path)
        await lock.wait()
        try:
            if await needs_mending(self._home, self._catalog, self._repository):
                await mend(self._home, self._catalog, self._repository)
            row = await self._claim()
            if row is not None:
                self.job = row.job.id
                await self._do(row)
        finally:
            self.job = None
            lock.release()
            self._nudge.give()
        await self._reserve.take_back()
        if row is not None:
            await self._quietly(self._planner.after(row))
            if self._stay:  # one that was only started for a job ends after it
                await self._planner.queue_proofs(row)
            self._nudge.give()
        return True

    async def _claim(self) -> JobRow | None:
        """Begin the job that has waited longest; on a full disk a clean-up, which makes room."""
        jobs = self._catalog.jobs
        try:
            return await jobs.claim()
        except StorageFailed:
            if not any(row.job.kind is JobKind.CLEAN_UP for row in await jobs.unfinished()):
                raise
        return await self._reserve.lend(lambda: jobs.claim(JobKind.CLEAN_UP))

    async def _quietly(self, telling: Coroutine[Any, Any, str | list[str]]) -> None:
        """Tell somebody something. What goes wrong with that is in the log, and stops nothing."""
        try:
            said = await telling
        except BackstayError as error:
            said = error.message
        for line in [said] if isinstance(said, str) else said:
            if line:
                await asyncio.to_thread(write_log, self._home.path, line)

    async def _do(self, row: JobRow) -> None:
        telling = Telling(lambda progress: self._tell(row.job.id, progress))
        work = asyncio.ensure_future(self._performer.perform(row, telling.report))
        try:
            while not work.done():
                await self._nudge.wait(LOOK, work)
                if work.done():
                    break
                if await self._is_told_to_stop(row, telling.progress()):
                    work.cancel()
                elif gives_way(row) and await self._others_wait():
                    work.cancel()
                    await finish_anyway(self._end(row, work, put_back=True))
                    return
        except asyncio.CancelledError:
            work.cancel()
            await finish_anyway(self._end(row, work, put_back=True))
            raise
        await finish_anyway(self._end(row, work))

    async def _others_wait(self) -> bool:
        """Whether something waits that a proof in the background is to make room for."""
        try:
            waiting = await self._catalog.jobs.unfinished()
        except BackstayError:
            return False
        return any(row.job.state is JobState.QUEUED and not gives_way(row) for row in waiting)

    def _tell(self, job: str, progress: Progress) -> None:
        for watcher in self.watchers.get(job, ()):
            watcher(progress)

    async def _is_told_to_stop(self, row: JobRow, progress: Progress) -> bool:
        """Note how far a job is. Gives whether somebody cancelled it meanwhile."""
        try:
            return not await self._catalog.jobs.tell(row.job.id, progress)
        except BackstayError:
            return False  # a locked catalog, a full disk: the job meets that itself if it lasts

    async def _end(
        self, row: JobRow, work: asyncio.Future[None], *, put_back: bool = False
    ) -> None:
        """Wait for the work, clean up after it, and note how it ended unless it did so itself.

        With `put_back` it waits again where it was cut short.
        """
        error: BackstayError
        jobs = self._catalog.jobs
        try:
            await work
        except (asyncio.CancelledError, Cancelled) as ended:
            if put_back:
                await asyncio.to_thread(clean, self._home, self._repository)
                await self._reserve.lend(lambda: jobs.put_back(row.job.id))
                return
            state, error = JobState.CANCELLED, Cancelled("The work was cancelled.")
            if isinstance(ended, Cancelled):  # it says itself what became of it
                error = ended
        except BackstayError as failed:
            state, error = JobState.FAILED, failed
        except Exception as fault:  # noqa: BLE001  # the worker goes on, and the job tells it
            write_log(self._home.path, _told(fault))
            state, error = (
                JobState.FAILED,
                BackstayError(
                    f"A fault in Backstay itself: {type(fault).__name__}.",
                    hint=f"Please report it, with {LOG} of the home. Earlier backups are safe.",
                ),
            )
        else:
            return
        await asyncio.to_thread(clean, self._home, self._repository)
        # What was raised deep inside does not know what the project is called.
        hint = error.hint.replace("PROJECT", word(row.job.project_name))
        await self._reserve.lend(
            lambda: jobs.finish(row.job.id, state, error.message, error=error.name, hint=hint)
        )

    async def _rest(self) -> None:
        """Wait until the catalog changes or the next slot is due."""
        seen = await self._catalog.changes_of_others()
        until = time.monotonic() + min(await self._planner.seconds_to_next(), _LONGEST_REST)
        while (left := until - time.monotonic()) > 0:
            await self._nudge.wait(min(LOOK, left))
            if self.leaving or await self._catalog.changes_of_others() != seen:
                return


async def work_off(
    home: Home,
    catalog: Catalog,
    repository: Repository,
    clock: Clock,
    nudge: Nudge,
    *,
    stay: bool = False,
    patience: float = _PATIENCE,
    seen: Callable[[Worker], None] = lambda _: None,
) -> None:
    """Be the home's worker until nothing is left to do. Raises `Busy` where there is one already.

    `seen` is given the worker. What is asked for while it ends is still done: by it, or by another.
    """
    while True:
        lock = WorkerLock(home.path)
        await lock.wait(patience)
        try:
            if stay:
                lock.say_that_it_stays()
            worker = Worker(home, catalog, repository, clock, nudge, stay=stay)
            seen(worker)
            await worker.run()
        finally:
            lock.release()
        if worker.leaving or not await catalog.jobs.unfinished():
            return


async def run_worker(home: Path, *, stay: bool = False, clock: Clock = system_clock) -> None:
    """Open a home and be its worker. SIGTERM and SIGINT end it cleanly: its job is cancelled.

    Raises `Busy` where there is a worker already, and what opening a home raises.
    """
    place = Home(home.absolute())  # noqa: ASYNC240  # asks for the current folder, no more
    await asyncio.to_thread(place.prepare, create=False)
    settings = await asyncio.to_thread(read_settings, place.path)
    repository = await asyncio.to_thread(place.open_repository, settings.encryption)
    reserve = Reserve(place)
    catalog = await reserve.lend(lambda: Catalog.open(place.catalog, clock=clock, create=False))
    await reserve.take_back()  # what was not needed is for clean-ups
    seen: list[Worker] = []
    task = asyncio.ensure_future(
        work_off(place, catalog, repository, clock, Nudge(), stay=stay, seen=seen.append)
    )

    def end() -> None:
        for worker in seen:
            worker.leaving = True  # a step that is finished anyway takes no cancellation
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    try:
        await task
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        await catalog.close()
        await reserve.take_back()


def start_worker(home: Path) -> None:
    """Start a worker in a process of its own, detached from the terminal and its signals."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    package = str(Path(__file__).resolve().parent.parent)
    # Two processes: the first ends at once, so that nobody has to wait for the second.
    starter = subprocess.Popen(
        [sys.executable, "-I", "-c", _BOOT, package, os.fspath(home)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment,
        start_new_session=True,
    )
    starter.wait()


def main(home: str) -> None:
    """Be a worker that was started detached."""
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        asyncio.run(run_worker(Path(home)))
    except Busy:
        pass  # another was quicker, and does the work
    except Exception as fault:  # noqa: BLE001  # nobody else is there to hear of it
        write_log(Path(home), _told(fault))
        os._exit(1)
    os._exit(0)


def write_log(home: Path, text: str) -> None:
    """Add to the worker's log, with the time. Where that cannot be done, nothing is."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(home / LOG, flags, 0o600)
        try:
            os.write(file, f"{now} {text}\n".encode())
        finally:
            os.close(file)
    except OSError:
        return  # a full disk: the state of jobs tells the rest


def _told(fault: BaseException) -> str:
    """A fault that nobody foresaw, without the values that were at hand: they may be secret."""
    lines = traceback.format_list(traceback.extract_tb(fault.__traceback__))
    return f"{type(fault).__name__}\n{''.join(lines)}"
