"""Following a job in the catalog, wherever it runs: its progress, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from engine import errors
from engine.errors import BackstayError, Cancelled, Failed, NotFound
from engine.model import JobState

if TYPE_CHECKING:
    from engine.catalog import Catalog, JobRow
    from engine.handle import Report
    from engine.model import Job, Progress

POLL = 0.1  # seconds between two looks at a job that another process does
_REMINDER = 10  # looks between two at whether there is a worker to do the job, or to tell it lost


class Nudge:
    """Lets those who wait in this process know at once that something changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def give(self) -> None:
        """Wake everyone who waits."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float, work: asyncio.Future[None] | None = None) -> None:
        """Wait for a nudge, `seconds` at most, or until `work` is done."""
        waiting = asyncio.ensure_future(self._event.wait())
        both: list[asyncio.Future[Any]] = [waiting] if work is None else [waiting, work]
        try:
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()


async def follow(
    catalog: Catalog,
    job: str,
    report: Report,
    nudge: Nudge,
    remind: Callable[[], Awaitable[None]],
) -> JobRow:
    """Wait until a job has succeeded; its row then.

    `remind` is called now and then: it is to see that there is a worker. Raises what the job ended
    with: `Cancelled`, `Failed` where its worker died, or the error that made it fail.
    """
    looks = 0
    told: Progress | None = None
    while True:
        row = await catalog.jobs.get(job)
        if row is None:
            raise NotFound(f"The job {job} is not in the catalog any more.")
        if row.job.state.ended:
            return succeeded(row)
        if row.job.progress != told:
            report(row.job.progress)
            told = row.job.progress
        looks += 1
        if looks % _REMINDER == 0:
            await remind()
        await nudge.wait(POLL)


def succeeded(row: JobRow) -> JobRow:
    """Give a job that has ended back when it succeeded. Raises what it ended with."""
    job = row.job
    if job.state is JobState.SUCCEEDED:
        return row
    raise ended_with(job)


def ended_with(job: Job) -> BackstayError:
    """The error that a job ended with."""
    if job.state is JobState.CANCELLED:
        return Cancelled(job.reason or "The work was cancelled.", hint=job.hint)
    kind = getattr(errors, job.error, Failed)
    if not (isinstance(kind, type) and issubclass(kind, BackstayError)):
        kind = Failed
    return kind(job.reason, hint=job.hint)
