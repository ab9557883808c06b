"""Jobs as a table, and one job with where it is and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine import Job, JobState
from tui.output import Layout
from tui.plain_text import plain
from tui.table import Column, table
from tui.views.backups import short_ids
from tui.views.facts import facts, folded
from tui.wording import NONE, about, age, date_with_zone, duration, short_date, size

_SHORTEST = 0.001  # seconds
_STARTING, _ESTIMATING = "starting", "estimating"
_STATES = {
    "queued": "dim",
    "succeeded": "green",
    "failed": "red",
    "lost": "red",
    "cancelled": "dim",
}


def jobs_table(jobs: Sequence[Job], layout: Layout) -> list[str]:
    """Jobs as they are given: who asked for what, and where it is or why it ended."""
    short = short_ids([job.id for job in jobs])
    columns = [
        Column("Id"),
        Column("Kind"),
        Column("Project", least=8),
        Column("State", colours=_STATES),
        Column("Asked (UTC)"),
        Column("By", least=8),
        Column("Progress", least=11),
    ]
    rows = [
        [
            job.id if layout.width is None else short[job.id],
            job.kind.value,
            job.project_name,
            job.state.value,
            short_date(job.asked),
            job.user,
            progress_text(job),
        ]
        for job in jobs
    ]
    return list(table(columns, rows, layout).lines)


def progress_text(job: Job) -> str:
    """How far a job is or how long it took, in a few words; why, where it failed."""
    if job.state is JobState.RUNNING:
        done = percent(job)
        return f"{done}, {left_text(job)}" if done else job.progress.stage or _STARTING
    if job.state is JobState.QUEUED:
        return "waits"
    return job.reason or _took(job) or ("done" if job.state is JobState.SUCCEEDED else NONE)


def percent(job: Job) -> str:
    """How much of a job is done; nothing while its size is not known."""
    total = job.progress.total
    return f"{min(100, 100 * job.progress.done // total)} %" if total else ""


def left_text(job: Job) -> str:
    """How long a running job will still take."""
    left = job.progress.seconds_left
    return _ESTIMATING if left is None else f"{about(left)} left"


def job_lines(job: Job, now: datetime, layout: Layout) -> list[str]:
    """One job with all that is known of it."""
    pairs = [
        ("State", job.state.value),
        ("Asked", f"{date_with_zone(job.asked)} by {job.user}, {age(job.asked, now)}"),
    ]
    if job.slot is not None:
        again = ", once more after its worker had died" if job.attempt > 1 else ""
        pairs.append(("For", f"the scheduled backup of {job.slot}{again}"))
    if job.started is not None:
        pairs.append(("Started", date_with_zone(job.started)))
    if job.finished is not None:
        took = _took(job)
        pairs.append(("Ended", date_with_zone(job.finished) + (f", {took}" if took else "")))
    if job.state is JobState.RUNNING:
        pairs += _progress(job)
    if job.reason:
        pairs.append(("Reason", job.reason))
    if job.hint:
        pairs.append(("To do", job.hint))
    title = plain(f"Job {job.id}: {job.kind.value} of {job.project_name}")
    return [*folded(title, layout), *facts(pairs, layout)]


def _progress(job: Job) -> list[tuple[str, str]]:
    progress = job.progress
    pairs = [("Stage", progress.stage or _STARTING)]
    if progress.total:
        done = f"{size(progress.done)} of {size(progress.total)}, {percent(job)}"
        rate = f", {size(round(progress.rate))}/s" if progress.rate else ""
        pairs.append(("Done", done + rate))
    left = progress.seconds_left
    return [*pairs, ("Left", _ESTIMATING if left is None else about(left))]


def _took(job: Job) -> str:
    """How long a job took; nothing where it never began, or took less than can be told."""
    if job.started is None or job.finished is None:
        return ""
    seconds = (job.finished - job.started).total_seconds()
    return f"took {duration(seconds)}" if seconds >= _SHORTEST else ""
