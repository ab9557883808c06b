"""How a job is told on a page of its own: how far it is, or what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine import (
    BackstayError,
    Backup,
    CleanUpReport,
    Job,
    JobKind,
    JobState,
    VerifyReport,
)
from tui.views.backups import holds
from tui.widgets.lines import Line, folded, pairs
from tui.widgets.rows import Cell
from tui.wording import about, counted, date_with_zone, duration, listed, size

_SAFE = "Safe to leave: this goes on without you. It will be here when you come back."
_STOPPING = "Cancelling: what is half-made is being removed."
_DONE, _NOW, _TO_COME = "✓ ", "▸ ", "· "
_FULL, _REST, _PARTS = "█", "·", ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_SHORTEST = 0.001  # seconds
_ITSELF = "backstay"  # the user of what nobody asked for
_NAMED = 8  # removed backups, or damaged parts, at most
_AFTER_BAR = 30  # columns for the share and the time left


def title(job: Job) -> str:
    """What a job does; what it was, when it has ended."""
    if job.state.ended:
        what = subject(job)
        return what[0].upper() + what[1:]
    match job.kind:
        case JobKind.BACKUP:
            return f"Backing up {job.project_name}"
        case JobKind.RESTORE:
            return f"Creating {made(job)}"
        case JobKind.CLEAN_UP:
            return f"Cleaning up after {job.project_name}"
        case JobKind.TRANSFER:
            return f"Moving data into {job.project_name}"
        case JobKind.VERIFY:
            return f"Proving a backup of {job.project_name}"


def subject(job: Job) -> str:
    """What a job is, in a sentence."""
    match job.kind:
        case JobKind.BACKUP:
            return f"backup of {job.project_name}"
        case JobKind.RESTORE:
            return f"creation of {made(job)}"
        case JobKind.CLEAN_UP:
            return f"clean-up after {job.project_name}"
        case JobKind.TRANSFER:
            return f"transfer into {job.project_name}"
        case JobKind.VERIFY:
            return f"proof of a backup of {job.project_name}"


def made(job: Job) -> str:
    """What the project is called that a restore makes."""
    return job.new_project or f"a project from {job.project_name}"


def elapsed(job: Job, now: datetime) -> str:
    """How long a job has been going on, or took: ``00:41``, ``1:02:03``; empty before it began."""
    if job.started is None:
        return ""
    if job.finished is not None:
        seconds = (job.finished - job.started).total_seconds()
        return f"took {duration(seconds)}" if seconds >= _SHORTEST else ""
    minutes, seconds = divmod(max(0, round((now - job.started).total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"


# While it waits or runs


def waiting(job: Job, before: Sequence[Job], nobody: BackstayError | None, room: int) -> list[Line]:
    """That a job waits, and for what.

    `before` are those known that go first, the next one last; `nobody` is why no worker comes.
    """
    if nobody is not None:
        lines = folded("Waiting, and nobody does it now", room, first=[Cell("! ", "warn")])
        for text in (nobody.message, f"{nobody.hint} Press r to try again.".strip()):
            lines += folded(text, room, first=[_INDENT])
        return lines
    if not before:
        why = "It begins as soon as the worker is free, which does one job at a time."
    else:
        first = before[-1]
        runs = first.state is JobState.RUNNING
        why = f"It waits for the {subject(first)}, which {'runs now' if runs else 'goes first'}"
        more = len(before) - 1
        why += f", and for {counted(more, 'more job')}." if more else "."
    lines = folded("Waiting", room, first=[Cell(_TO_COME)], style="strong")
    return [*lines, *folded(why, room, first=[_INDENT]), [], *folded(_SAFE, room)]


def running(job: Job, room: int, *, stopping: bool) -> list[Line]:
    """How far a job is: its stages, bytes, share and the time left."""
    stages = job.kind.stages
    progress = job.progress
    at = stages.index(progress.stage) if progress.stage in stages else -1
    lines: list[Line] = []
    for number, stage in enumerate(stages):
        if number == at:
            space = " " * max(2, room - len(_NOW) - len(stage) - len(_bytes(job)))
            lines.append([Cell(_NOW + stage, "strong"), Cell(space + _bytes(job))])
        else:
            lines.append([Cell((_DONE if number < at else _TO_COME) + stage, "dim")])
    last = 0 < at == len(stages) - 1
    said = _STOPPING if stopping else _SAFE
    return [*lines, [], _bar(job, room, last=last), [], *folded(said, room)]


def _bytes(job: Job) -> str:
    progress = job.progress
    if not progress.total:
        return ""
    rate = f"   {size(round(progress.rate))}/s" if progress.rate else ""
    return f"{size(progress.done)} of {size(progress.total)}{rate:>13}"


def _bar(job: Job, room: int, *, last: bool) -> Line:
    """A bar, the share, and the time left; in its `last` stage all bytes of a job are done."""
    progress = job.progress
    share = min(1.0, progress.done / progress.total) if progress.total else float(last)
    width = max(1, room - _AFTER_BAR)
    eighths = int(share * width * 8)
    bar = (_FULL * (eighths // 8) + _PARTS[eighths % 8])[:width]
    left = progress.seconds_left
    if last and share == 1.0:
        said = "nearly done"
    else:
        said = "estimating" if left is None else f"{about(left)} left"
    return [
        Cell(bar),
        Cell(_REST * (width - len(bar)), "dim"),
        Cell(f"{int(share * 100):>4} %"),
        Cell(f"{said:>{_AFTER_BAR - 6}}", "dim"),
    ]


# When it has ended

_INDENT = Cell("  ")


def ended(job: Job, outcome: Backup | CleanUpReport | VerifyReport | None, room: int) -> list[Line]:
    """What came of a job, each end in its own words."""
    glyph, style, head, said = _end(job)
    if isinstance(outcome, VerifyReport):
        glyph, style, head, said = _proof(outcome)
    lines = [*folded(head, room, first=[Cell(f"{glyph} ", style)], style="strong")]
    for number, text in enumerate(said):
        if number and job.state is JobState.FAILED:
            lines.append([])
        lines += folded(text, room, first=[_INDENT])
    facts: list[tuple[str, str]] = []
    if isinstance(outcome, Backup):
        facts += _backup(outcome)
    elif isinstance(outcome, CleanUpReport):
        facts += _cleaned(outcome)
    elif isinstance(outcome, VerifyReport):
        facts.append(("Backup", outcome.backup))
    facts += _when(job)
    lines += [[], *([_INDENT, *line] for line in pairs(facts, room - 2))]
    if isinstance(outcome, CleanUpReport) and outcome.notes:
        lines.append([])
        for note in outcome.notes:
            lines += folded(note, room, first=[Cell("  - ")])
    return lines


def _end(job: Job) -> tuple[str, str, str, list[str]]:
    """Glyph, its style, a heading, and sentences."""
    match job.state:
        case JobState.FAILED:
            said = [job.reason, job.hint]
            if not job.hint or (job.kind is JobKind.RESTORE and "charged" not in job.hint):
                said.append(_what_stays(job))
            return "✗", "bad", "Failed", [text for text in said if text]
        case JobState.CANCELLED:
            return "–", "dim", "Cancelled", [_what_stays(job)]
        case JobState.LOST:
            return "!", "warn", "Lost", _what_was_lost(job)
        case _:
            return "✓", "good", "Done", []


def _proof(report: VerifyReport) -> tuple[str, str, str, list[str]]:
    if report.ok:
        said = f"{size(report.data)} of data were rebuilt and checked."
        return "✓", "good", "The backup restores", [said]
    reasons = [part.reason for part in report.damaged[:_NAMED]]
    if len(report.damaged) > _NAMED:
        reasons.append(f"And {len(report.damaged) - _NAMED} more.")
    again = "Take another backup now: it stores again what the project still has."
    return "✗", "bad", "The backup is damaged", [*reasons, again]


def _what_stays(job: Job) -> str:
    match job.kind:
        case JobKind.BACKUP:
            return "Earlier backups are safe, and nothing half-made is left."
        case JobKind.RESTORE:
            return f"Nothing was made and nothing was charged. {job.project_name} is not touched."
        case JobKind.CLEAN_UP:
            return "All backups that are listed are safe. The next clean-up does what is left."
        case JobKind.TRANSFER:
            return "What was brought stays. Run it again to bring the rest: nothing comes twice."
        case JobKind.VERIFY:
            return "The backup is not touched by that, and nothing is left in the scratch folder."


def _what_was_lost(job: Job) -> list[str]:
    said = ["The worker that did it ended before it was done.", _what_stays(job)]
    if job.slot is not None and job.attempt == 1:
        return [*said, "It is tried once more by itself: see the jobs of the project."]
    if job.slot is not None:
        return [*said, "It was tried twice. The next scheduled backup is made as planned."]
    return [*said, "It is not tried again by itself: ask for it again when you like."]


def _when(job: Job) -> list[tuple[str, str]]:
    by = f"by {job.user}" if job.user != _ITSELF else "by Backstay itself"
    if job.slot is not None:
        by = "by schedule"
    facts = [("Asked", f"{date_with_zone(job.asked)}, {by}")]
    if job.slot is not None:
        facts.append(("For", f"{job.slot}{', once more' if job.attempt > 1 else ''}"))
    if job.finished is not None:
        facts.append(("Ended", date_with_zone(job.finished)))
    return facts


def _backup(backup: Backup) -> list[tuple[str, str]]:
    facts = [
        ("Backup", f"{backup.id}, {date_with_zone(backup.date)}"),
        ("Size", f"{size(backup.size)}, of which {size(backup.added)} were added"),
        ("Data", size(backup.data)),
        ("Holds", holds(backup)),
    ]
    if backup.missing:
        missing = counted(backup.missing, "device")
        facts.append(("Missing", f"the data of {missing}, which could not be read"))
    return facts


def _cleaned(report: CleanUpReport) -> list[tuple[str, str]]:
    removed = counted(len(report.removed), "backup") if report.removed else "no backup"
    named = list(report.removed[:_NAMED])
    if len(report.removed) > _NAMED:
        named.append(f"{len(report.removed) - _NAMED} more")
    ids = f": {listed(named)}" if named else ""
    return [("Removed", removed + ids), ("Freed", size(report.freed))]
