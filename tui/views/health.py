"""Is each project safe: a table, and a sentence where something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from engine import Health, Job
from tui.invocation import Invocation
from tui.output import Layout
from tui.plain_text import plain
from tui.remote import start_worker
from tui.table import Column, table
from tui.views.facts import folded
from tui.views.jobs import left_text, percent
from tui.wording import NONE, age, ahead, date_there, date_with_zone

_NO_WORKER = "no worker"  # in a column; the sentence below says it in full
_STATES = {"fine": "green", "late": "amber", "failing": "red", "never": "dim", _NO_WORKER: "amber"}


def health_lines(healths: Sequence[Health], now: datetime, layout: Layout) -> list[str]:
    """The projects as they are given; below, what is wrong with which and what runs."""
    columns = [
        Column("Project", least=12),
        Column("State", colours=_STATES),
        Column("Last good backup", folds=True, least=26),
        Column("Next run", folds=True, least=26),
    ]
    rows = [
        [
            health.project_name,
            _NO_WORKER if health.state.value.startswith(_NO_WORKER) else health.state.value,
            _when(health.last_good, health, age, now),
            _when(health.next_run, health, ahead, now),
        ]
        for health in healths
    ]
    lines = list(table(columns, rows, layout).lines)
    for health in healths:
        told = [text for text in (health.reason, health.hint) if text]
        if health.running is not None:
            told.append(_running(health.running))
        if told:
            said = f"{health.project_name}: {' '.join(told)}"
            lines += ["", *folded(plain(said), layout)]
    return lines


def start_one(invocation: Invocation) -> str:
    """How to get a worker that stays, after a sentence which says that there is none."""
    command = plain(invocation.for_anyone().command_line("worker"))
    return start_worker(f"Start one with: {command}")


def _when(
    moment: datetime | None,
    health: Health,
    far: Callable[[datetime, datetime], str],
    now: datetime,
) -> str:
    if moment is None:
        return NONE
    return f"{date_there(moment, health.zone)}, {far(moment, now)}"


def _running(job: Job) -> str:
    since = date_with_zone(job.started or job.asked)
    how_far = ", ".join(text for text in (percent(job), left_text(job)) if text)
    return f"A {job.kind.value} is running since {since}: {how_far}."
