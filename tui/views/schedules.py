"""A project's plan: when it is backed up, the next runs, how many backups are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine import Backup, Plan
from tui.invocation import Invocation
from tui.output import Layout
from tui.plain_text import plain
from tui.table import Column, table
from tui.views.backups import short_ids
from tui.views.facts import folded, notes
from tui.views.health import start_one
from tui.wording import NONE, age, ahead, date_there, size


def plan_lines(
    plan: Plan, now: datetime, invocation: Invocation, layout: Layout, *, worker_stays: bool
) -> list[str]:
    """The plan of a project, in its own zone."""
    name = plan.project_name
    if plan.at is None:
        lines = folded(plain(f"{name} is backed up by hand only."), layout)
        every_day = ("schedule", name, "--at", "03:00", "--timezone", "Europe/Lisbon")
        lines.append(f"Every day, with: {plain(invocation.command_line(*every_day))}")
    else:
        said = f"{name} is backed up every day at {plan.at} ({plan.zone})."
        lines = folded(plain(said), layout)
    kept = "backup" if plan.keep == 1 else f"{plan.keep} backups"
    lines.append(f"It keeps the most recent {kept}.")
    if plan.runs:
        lines += ["", *_runs_table(plan, now, layout)]
    lines += notes(plan.notes, layout, title="What went otherwise")
    if plan.runs and not worker_stays:
        said = "No worker is running that stays, so none of these would be made."
        lines += ["", *folded(said, layout), start_one(invocation)]
    return lines


def _runs_table(plan: Plan, now: datetime, layout: Layout) -> list[str]:
    columns = [Column("Next runs"), Column("That is")]
    rows = [[date_there(run.due, plan.zone), ahead(run.due, now)] for run in plan.runs]
    if any(run.remark for run in plan.runs):
        columns.append(Column("Remark", folds=True))
        rows = [[*row, run.remark or NONE] for row, run in zip(rows, plan.runs, strict=True)]
    return list(table(columns, rows, layout).lines)


def leaving_table(
    backups: Sequence[Backup], zone: str | None, now: datetime, layout: Layout
) -> list[str]:
    """Backups that go, or went, newest first."""
    backups = sorted(backups, key=lambda backup: (backup.date, backup.id), reverse=True)
    short = short_ids([backup.id for backup in backups])
    columns = [
        Column("Date"),
        Column("Age", drop=2),
        Column("Size", right=True),
        Column("Kind", drop=1),
        Column("Id"),
    ]
    rows = [
        [
            date_there(backup.date, zone),
            age(backup.date, now),
            size(backup.size),
            backup.kind.value,
            backup.id if layout.width is None else short[backup.id],
        ]
        for backup in backups
    ]
    return list(table(columns, rows, layout, indent=2).lines)
