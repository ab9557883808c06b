"""What the worker decides between two jobs: which slots are due, what goes, what is to be told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from engine.catalog import ScheduleRow, SlotRow
from engine.catalog.jobs import BY_SCHEDULE
from engine.errors import Invalid
from engine.model import BackupKind, BackupState, JobKind, JobState, ProjectState
from engine.settings import read_settings

if TYPE_CHECKING:
    from engine.catalog import Catalog, JobRow
    from engine.clock import Clock
    from engine.health import Health
    from engine.home import Home
    from engine.model import Backup, Job
    from engine.schedule import Schedule, Slot

FAR = 3600.0  # seconds
SHARES = 7  # of the bytes of a project: one is proved after each backup
RESTS = timedelta(hours=20)  # how long a proof is good before it is worth another
INSTANT = timedelta(microseconds=1)


def schedule_of(plan: ScheduleRow) -> Schedule | None:
    """The schedule of a plan; None where backups are taken by hand only."""
    if plan.at is None or plan.zone is None or plan.since is None:
        return None
    from engine.schedule import Schedule

    return Schedule(plan.at, plan.zone)


def gives_way(row: JobRow) -> bool:
    """Whether a job is done only while nothing else is to be done: a proof nobody asked for."""
    return row.job.kind is JobKind.VERIFY and row.job.user == BY_SCHEDULE


class Planner:
    """Looks after the schedules of a home."""

    def __init__(self, home: Home, catalog: Catalog, clock: Clock) -> None:
        self._home = home
        self._catalog = catalog
        self._clock = clock
        self._told: set[str] = set()

    async def queue_due(self) -> list[str]:
        """Queue a backup for each project whose slot has come. Missed slots become one.

        Gives what keeps a project from it, once: a zone that this machine does not know any more.
        """
        plans = await self._catalog.schedules.all()
        now = self._clock()
        trouble: list[str] = []
        slots: dict[str, Slot] = {}
        for project, plan in plans.items():
            schedule = schedule_of(plan)
            if schedule is None or plan.since is None:
                continue
            from engine.schedule import is_due

            try:
                slot = is_due(schedule, plan.since, now, ())
            except Invalid as error:
                trouble.append(f"Project {project} is not backed up: {error.message}")
                continue
            if slot is not None:
                slots[project] = slot
        if slots:
            dates = {slot.date.isoformat() for slot in slots.values()}
            had = await self._catalog.schedules.had(dates)
            for project, slot in slots.items():
                if (project, slot.date.isoformat()) not in had:
                    await self._queue(project, slot)
        new = [each for each in trouble if each not in self._told]
        self._told.update(new)
        return new

    async def _queue(self, project: str, slot: Slot) -> None:
        day = slot.date.isoformat()
        row = await self._catalog.projects.get(project)
        if row is None:
            return
        busy = await self._backup_at(project, slot.due)
        async with self._catalog.transaction():
            if busy is not None:
                note = f"not doubled: the backup that began at {busy} was still under way"
                await self._catalog.schedules.take(SlotRow(project, day, slot.due, None, note))
                return
            if not await self._catalog.schedules.take(SlotRow(project, day, slot.due, None, "")):
                return  # another worker was quicker
            job = await self._catalog.jobs.queue(
                JobKind.BACKUP,
                project,
                row.name,
                BY_SCHEDULE,
                {"kind": BackupKind.SCHEDULED.value},
                slot=day,
            )
            await self._catalog.schedules.note(project, day, job, "")

    async def _backup_at(self, project: str, due: datetime) -> str | None:
        """When the backup began that was still under way at a moment; None where none was."""
        for row in await self._catalog.jobs.list([project], limit=20):
            job = row.job
            if job.kind is JobKind.BACKUP and job.started is not None and job.started < due:
                if job.finished is None or job.finished > due:
                    return job.started.isoformat(timespec="minutes")
                return None
        return None

    async def seconds_to_next(self) -> float:
        """How long until the next slot of any project; an hour at most."""
        now = self._clock()
        nearest = FAR
        for plan in (await self._catalog.schedules.all()).values():
            schedule = schedule_of(plan)
            if schedule is None:
                continue
            from engine.schedule import next_slots

            with contextlib.suppress(Invalid):  # told by `queue_due`
                for slot in next_slots(schedule, now, 1):
                    nearest = min(nearest, (slot.due - now).total_seconds())
        return nearest

    async def queue_proofs(self, row: JobRow) -> None:
        """After a good backup, ask for proofs of it and of a share of the project's others.

        With a backup a day each is proved within seven days: those that were never proved first,
        then the oldest proofs, a seventh of their bytes, and one at least.
        """
        done = await self._catalog.jobs.get(row.job.id)
        if (
            done is None
            or done.job.kind is not JobKind.BACKUP
            or done.job.state is not JobState.SUCCEEDED
        ):
            return
        project, now = done.job.project, self._clock()
        waiting = {
            str(each.request["backup"])
            for each in await self._catalog.jobs.unfinished()
            if each.job.kind is JobKind.VERIFY
        }
        backups = [found.backup for found in await self._catalog.backups.list(project)]
        for backup in share_to_prove(backups, str(done.result["backup"]), now):
            if backup.id not in waiting:
                request = {"backup": backup.id}
                name = done.job.project_name
                await self._catalog.jobs.queue(JobKind.VERIFY, project, name, BY_SCHEDULE, request)

    async def after(self, row: JobRow) -> str:
        """Call the healthcheck's address after a good backup; gives what was wrong with that."""
        if row.job.kind is not JobKind.BACKUP:
            return ""
        done = await self._catalog.jobs.get(row.job.id)
        if done is None or done.job.state is not JobState.SUCCEEDED:
            return ""
        settings = await asyncio.to_thread(read_settings, self._home.path)
        if settings.healthcheck_url is None:
            return ""
        from engine.notify import ping

        return await ping(settings.healthcheck_url)

    async def healths(self, *, worker_stays: bool) -> list[Health]:
        """The health of all projects, by name."""
        from engine.health import judge, with_absence, with_damage
        from engine.schedule import next_slots

        plans = await self._catalog.schedules.all()
        last_jobs = {row.job.project: row.job for row in await self._catalog.jobs.newest_backups()}
        running: dict[str, Job] = {
            row.job.project: row.job
            for row in await self._catalog.jobs.unfinished()
            if row.job.state is JobState.RUNNING and not gives_way(row)
        }
        now = self._clock()
        found = []
        for row in await self._catalog.projects.list():
            plan = plans.get(row.id, ScheduleRow())
            schedule = schedule_of(plan)
            due, due_before, following = None, None, None
            if schedule is not None and plan.since is not None:
                with contextlib.suppress(Invalid):  # told by `queue_due`
                    due = _due(schedule, plan.since, now)
                    due_before = _due(schedule, plan.since, due - INSTANT) if due else None
                    following = next_slots(schedule, now, 1)[0].due
            backups = [each.backup for each in await self._catalog.backups.list(row.id)]
            damaged = [each for each in backups if each.state is BackupState.DAMAGED]
            health = judge(
                project=row.id,
                project_name=row.name,
                now=now,
                last_good=await self._last_good(row.id, now),
                last_job=last_jobs.get(row.id),
                due=due,
                due_before=due_before,
                next_run=following,
                zone=schedule.zone if schedule else None,
                running=running.get(row.id),
                worker_stays=worker_stays,
            )
            health = with_damage(health, damaged)
            found.append(with_absence(health) if row.state is ProjectState.ABSENT else health)
        return found

    async def _last_good(self, project: str, now: datetime) -> datetime | None:
        for found in await self._catalog.backups.list(project):
            # One from the future was dated by a clock that was wrong: it says nothing of today.
            if found.backup.state is BackupState.COMPLETE and found.backup.date <= now:
                return found.backup.date
        return None

    async def tell_news(self, *, worker_stays: bool) -> list[str]:
        """Tell of incidents that begin or are over, once each; gives what was wrong with that."""
        settings = await asyncio.to_thread(read_settings, self._home.path)
        if not settings.notify_urls:
            return []
        from engine.notify import news, send

        healths = await self.healths(worker_stays=worker_stays)
        known = await self._catalog.incidents.open()
        failures = []
        for each in news(healths, known, self._clock()):
            incidents = self._catalog.incidents
            if each.begins:
                new = await incidents.begin(each.project, each.kind, each.since)
            else:
                new = await incidents.end(each.project, each.kind)
            if new and not each.silent:
                failures += await send(settings.notify_urls, each.title, each.body, tone=each.tone)
        return failures


def share_to_prove(backups: Sequence[Backup], made: str, now: datetime) -> list[Backup]:
    """The backups to prove after `made` (an id), which comes first."""
    total = sum(backup.data for backup in backups)
    chosen, others = [], []
    for backup in backups:
        if backup.id == made:
            chosen.append(backup)
        elif backup.verified is None or now - backup.verified >= RESTS:
            others.append(backup)
    budget = -(-total // SHARES)
    for backup in sorted(others, key=_proved_before):
        if budget <= 0:
            break
        chosen.append(backup)
        budget -= backup.data
    return chosen


def _proved_before(backup: Backup) -> tuple[bool, datetime]:
    return backup.verified is not None, backup.verified or backup.date


def _due(schedule: Schedule, since: datetime, now: datetime) -> datetime | None:
    """When the latest slot was due, if the schedule was on then."""
    from engine.schedule import latest_slot

    latest = latest_slot(schedule, now)
    return latest.due if latest and latest.due > since else None
