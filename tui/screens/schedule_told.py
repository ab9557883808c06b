"""A project's plan in words, as the screen of its main database tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from engine import Backup, Invalid, Plan, Project, Storage
from tui.plain_text import cells
from tui.remote import start_worker
from tui.screens.schedule_check import Checked
from tui.screens.schedule_draft import CALLED
from tui.widgets.told import Block
from tui.wording import brief, counted, date_alone, date_there, day_there, listed, short_path, size

_APART = "   "  # between two moments in a line
_NAMED = 9  # backups that are named where more would go
_WORKER = "Start one with backstay worker."
_NOTHING = "Nothing was changed. "  # how the engine's hints begin, where this is plain to see


def runs_told(checked: Checked, *, worker_stays: bool, room: int) -> list[str]:
    """The next runs, as many in a line of `room` as it holds, and what clocks do to them."""
    plan = checked.plan
    if plan is None:
        return ["not known while something is wrong here"]
    if not plan.runs:
        return ["none"]
    lines = _beside_one_another([_moment(run.due, plan.zone) for run in plan.runs], room)
    for run in plan.runs:
        if run.remark:
            lines.append(f"! {date_alone(run.due, plan.zone)}: {run.remark}.")
    if not worker_stays:
        lines.append(f"! No worker runs. {start_worker(_WORKER)}")
    return lines


def going_told(checked: Checked, zone: str | None, *, room: int) -> list[str]:
    """What saving leads to for the backups that are there."""
    if "keep" in checked.wrong:
        return [advice(checked.wrong["keep"])]
    going = checked.going
    if not going:
        return ["Saving deletes nothing."]
    named, more = _to_name(going)
    lines = _beside_one_another([_moment(backup.date, zone) for backup in named], room)
    lines += _more(going, more, zone)
    return [f"! The next clean-up removes {counted(len(going), 'backup')}:", *lines]


def going_asked(checked: Checked, project_name: str, zone: str | None) -> str:
    """What is to be known before fewer backups are kept."""
    going = checked.going
    named, more = _to_name(going)
    dates = [*(date_there(backup.date, zone) for backup in named), *_more(going, more, zone)]
    lines = [
        f"The next clean-up removes {counted(len(going), 'backup')} of {project_name}:",
        "",
        *(f"  {date}" for date in dates),
        "",
        "Nothing is removed now. Until then a larger number keeps them.",
    ]
    return "\n".join(lines)


def facts_told(
    plan: Plan,
    storage: Storage,
    project: Project,
    *,
    worker_stays: bool,
    machine: str,
    now: datetime,
) -> list[Block]:
    """What is not set here: where backups are, who belongs to the project, who runs them."""
    kept = "encrypted" if storage.encrypted else "! Not encrypted"
    cleaned = "no clean-up yet"
    if storage.cleaned:
        cleaned = f"last clean-up {brief(now - storage.cleaned)} ago"
    stored = [
        f"{kept}, on {machine} in {short_path(storage.place)}",
        f"{size(storage.size)} with all projects here, {cleaned}",
    ]
    worker = "runs, and keeps the schedule" if worker_stays else "none runs"
    blocks: list[Block] = [
        ("Stored", stored),
        ("Owners", [listed(project.owners)]),
        ("Collaborators", [listed(project.collaborators) or "none"]),
        ("Worker", [worker]),
    ]
    if plan.notes:
        blocks.append(("Lately", plan.notes))
    return blocks


def unsaved_told(
    unsaved: Sequence[str], meanwhile: Mapping[str, str], error: Invalid | None
) -> list[str]:
    """What is not saved, what others set `meanwhile` (by field), and what keeps it from saving."""
    lines: list[str] = []
    if meanwhile:
        theirs = [f"{CALLED[field]} is {value}" for field, value in meanwhile.items()]
        stays = " What you changed stays until you save it." if unsaved else ""
        lines.append(f"! Changed by someone else meanwhile: {listed(theirs)} now.{stays}")
    if unsaved:
        lines.append(f"● not saved: {', '.join(unsaved)}")
        if error is not None:
            lines.append(f"✗ Saving is not possible: {error.message} {advice(error)}")
    return lines


def advice(error: Invalid) -> str:
    """What to give instead, for somebody who has not asked for a change yet."""
    return error.hint.removeprefix(_NOTHING)


def summary(plan: Plan) -> str:
    """A plan in a sentence."""
    kept = counted(plan.keep, "backup")
    if plan.at is None:
        return f"backups by hand only, the most recent {kept} kept."
    return f"every day at {plan.at} ({plan.zone}), the most recent {kept} kept."


def _moment(moment: datetime, zone: str | None) -> str:
    """A moment on the clocks of a zone, in few columns: ``Tue 24 Nov 03:00``."""
    return f"{date_alone(moment, zone)}{day_there(moment, zone)[3:]}"


def _to_name(going: Sequence[Backup]) -> tuple[Sequence[Backup], int]:
    """The backups to be named, oldest first, and how many more there are."""
    named = going if len(going) <= _NAMED + 1 else going[:_NAMED]
    return named, len(going) - len(named)


def _more(going: Sequence[Backup], more: int, zone: str | None) -> list[str]:
    return [f"and {more:,} more, up to {date_there(going[-1].date, zone)}"] if more else []


def _beside_one_another(texts: Sequence[str], room: int) -> list[str]:
    """Texts of one width, as many in a line as there is room for."""
    many = max(1, (room + cells(_APART)) // (cells(texts[0]) + cells(_APART)))
    return [_APART.join(texts[at : at + many]) for at in range(0, len(texts), many)]
