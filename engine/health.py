"""Is a project safe: its last good backup, its next run, and one state that a monitor can ask for.

Nothing here looks at a clock or a catalog: what is known is passed in, timezone-aware.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.model import Backup, Job, JobKind, JobState, Json, iso
from engine.names import word

GRACE = timedelta(hours=1)  # how long after its slot a backup may still be missing

_SAFE = "Backups that were made before are safe."


class HealthState(StrEnum):
    """How a project's backups are."""

    FINE = "fine"
    LATE = "late"
    FAILING = "failing"
    NEVER = "never"
    NO_WORKER = "no worker running"


class Health(NamedTuple):
    """How a project's backups are, and why.

    `reason` is a sentence on what is wrong and since when, `hint` says what is safe and what to do
    next; both are empty when all is fine. `since` is when the backup that is late was due, or when
    the one that failed began. `waiting` means that a backup is due and not there, yet not late.
    """

    project: str  # id
    project_name: str
    state: HealthState
    reason: str
    last_good: datetime | None
    next_run: datetime | None
    zone: str | None
    running: Job | None
    hint: str = ""
    since: datetime | None = None
    waiting: bool = False
    absent: bool = False  # whether its folder is not known, and it from its backups only
    damaged: str = ""  # id of the newest backup that does not restore, where that is what is told

    @property
    def alarming(self) -> bool:
        """Whether somebody has to look: a backup is late or has failed."""
        return self.state in (HealthState.LATE, HealthState.FAILING)

    def as_json(self) -> Json:
        """The stable keys of a project's health."""
        return {
            "project": self.project,
            "project_name": self.project_name,
            "state": self.state.value,
            "reason": self.reason or None,
            "hint": self.hint or None,
            "since": iso(self.since),
            "last_good": iso(self.last_good),
            "next_run": iso(self.next_run),
            "zone": self.zone,
            "running": self.running.as_json() if self.running else None,
        }


def judge(
    *,
    project: str,
    project_name: str,
    now: datetime,
    last_good: datetime | None,
    last_job: Job | None,
    due: datetime | None,
    next_run: datetime | None,
    zone: str | None,
    running: Job | None,
    worker_stays: bool,
    due_before: datetime | None = None,
) -> Health:
    """Judge a project's backups; where several states would fit, the worst is told.

    `last_good` is the date of the newest complete backup that is not dated after `now`; `last_job`
    the backup job that ended last and was not cancelled; `due` the latest slot that has come since
    the schedule was switched on, and `due_before` the one before it: with it, a project that is
    late stays so while its next backup may still come in time. `running` is any job of the project
    that runs; `next_run` is None where no schedule is on.

    A backup dated after `now` stems from a clock that was wrong and counts for nothing here: a
    needless alarm is better than none.
    """

    def good_since(moment: datetime) -> bool:
        return last_good is not None and moment <= last_good <= now

    def made_since(moment: datetime) -> bool:
        # A backup that was under way when a slot came stands for it: it is not doubled.
        return good_since(moment) or (
            last_job is not None
            and last_job.state is JobState.SUCCEEDED
            and last_job.finished is not None
            and moment <= last_job.finished <= now
        )

    missing = [each for each in (due_before, due) if each is not None and not made_since(each)]
    late = next((each for each in missing if each + GRACE <= now), None)
    state, reason, hint, since = HealthState.FINE, "", "", None
    if last_job is not None and _went_wrong(last_job) and not good_since(_beginning(last_job)):
        state, since = HealthState.FAILING, _beginning(last_job)
        reason, hint = _failing(last_job, zone), _after_failure(last_job, last_good, running)
    elif late is not None:
        state, since = HealthState.LATE, late
        reason = _late(late, zone, running, worker_stays)
        hint = _after_lateness(project_name, last_good, running, worker_stays)
    elif last_good is None:
        state, reason = HealthState.NEVER, _never(next_run, zone, running)
        hint = "" if running else f"To make one now: backstay backup {word(project_name)}."
    elif next_run is not None and not worker_stays:
        state, hint = HealthState.NO_WORKER, f"{_SAFE} {_START_ONE}"
        when = moment_text(next_run, zone)
        reason = f"No worker is running that stays, so the backup due {when} would not be made."
    return Health(
        project=project,
        project_name=project_name,
        state=state,
        reason=reason,
        last_good=last_good,
        next_run=next_run,
        zone=zone,
        running=running,
        hint=hint,
        since=since,
        waiting=late is None and bool(missing),
    )


def with_damage(health: Health, damaged: Sequence[Backup]) -> Health:
    """A project's health where backups were found damaged, newest first: failing, until each is
    removed or restores again. A backup that is late or has failed is told before that.
    """
    if health.alarming or not damaged:
        return health
    newest = damaged[0]
    more = f", and {len(damaged) - 1} more" if len(damaged) > 1 else ""
    when = moment_text(newest.date, health.zone)
    return health._replace(
        state=HealthState.FAILING,
        reason=f"The backup {newest.id} of {when} is damaged{more}.",
        hint=f"Another backup stores again what it lacks; then backstay verify {newest.id} tells "
        f"whether it restores. To make one now: backstay backup {word(health.project_name)}.",
        since=newest.date,
        damaged=newest.id,
    )


def with_absence(health: Health) -> Health:
    """A project's health where its folder is not known: nothing is backed up until it is."""
    name = health.project_name
    return health._replace(
        state=HealthState.FAILING,
        absent=True,
        reason="It is not present: it is known from its backups only, and no more are made.",
        hint=f"{_SAFE} Where its folder is there: backstay adopt PATH --name {word(name)}; where "
        f"it is not wanted any more: backstay forget {word(name)}.",
    )


def moment_text(moment: datetime, zone: str | None) -> str:
    """A moment as its owner's clocks show it: ``Mon 23 Nov 2026 03:00 (Europe/Lisbon)``.

    In UTC where no zone was chosen, or this machine no longer knows it.
    """
    there: tzinfo = UTC
    if zone is not None:
        try:
            there = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            zone = None
    return f"{moment.astimezone(there):%a %d %b %Y %H:%M} ({zone or 'UTC'})"


_START_ONE = (  # for who reads this over SSH or in a message, too
    "Whoever keeps its machine can start one: backstay worker, or the unit for systemd that "
    "backstay worker --unit prints."
)


def _went_wrong(job: Job) -> bool:
    return job.state in (JobState.FAILED, JobState.LOST)


def _beginning(job: Job) -> datetime:
    return job.started or job.asked  # one that failed while it waited never began


def _failing(job: Job, zone: str | None) -> str:
    what = "was lost" if job.state is JobState.LOST else "failed"
    why = " ".join(job.reason.split())
    said = f"The backup of {moment_text(_beginning(job), zone)} {what}"
    return f"{said}: {why}" if why else f"{said}."


def _after_failure(job: Job, last_good: datetime | None, running: Job | None) -> str:
    if running is not None and running.kind is JobKind.BACKUP:
        return _with_safe("Another one is being made now.", last_good)
    if job.hint:
        return job.hint
    again = f"try again: backstay backup {word(job.project_name)}."
    if job.state is JobState.LOST:
        return _with_safe(f"Nothing half-made is kept; {again}", last_good)
    return _with_safe(f"Mend what it names, then {again}", last_good)


def _late(due: datetime, zone: str | None, running: Job | None, worker_stays: bool) -> str:
    said = f"The backup due {moment_text(due, zone)}"
    if running is not None:
        since = moment_text(_beginning(running), zone)
        if running.kind is JobKind.BACKUP:
            return f"{said} is not there: one has been running since {since} and is not done."
        return f"{said} has not been made: a {running.kind.value} has been running since {since}."
    if not worker_stays:
        return f"{said} has not been made: no worker is running."
    return f"{said} has not been made."


def _after_lateness(
    project_name: str, last_good: datetime | None, running: Job | None, worker_stays: bool
) -> str:
    if running is not None:
        return _with_safe("See how far it is: backstay jobs.", last_good)
    now = f"Make one now: backstay backup {word(project_name)}."
    return _with_safe(now if worker_stays else f"{now} {_START_ONE}", last_good)


def _never(next_run: datetime | None, zone: str | None, running: Job | None) -> str:
    if running is not None and running.kind is JobKind.BACKUP:
        return "There is no backup yet; the first is being made now."
    if next_run is not None:
        return f"There is no backup yet; the first is due {moment_text(next_run, zone)}."
    return "There is no backup yet, and no schedule that would make one."


def _with_safe(advice: str, last_good: datetime | None) -> str:
    return advice if last_good is None else f"{_SAFE} {advice}"
