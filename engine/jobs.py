"""What an owner does with jobs, schedules and retention, and how the home is."""

from __future__ import annotations

import asyncio
from datetime import time
from typing import TYPE_CHECKING

from engine.access import Action
from engine.catalog.backups import SHORTEST_PREFIX
from engine.errors import Invalid, NotAllowed, NotFound
from engine.following import succeeded
from engine.home import REPOSITORY
from engine.model import JobKind, Storage, Verdict
from engine.names import shown
from engine.session import Gone, Session

if TYPE_CHECKING:
    from engine.catalog import JobRow, ProjectRow, ScheduleRow
    from engine.handle import Handle
    from engine.health import Health
    from engine.model import Backup, CleanUpReport, Delivery, Job, Plan, PlannedRun

RUNS_SHOWN = 5


class Jobs(Session):
    """The jobs of a home, the schedules of its projects, and their health."""

    async def jobs(self, ref: str | None = None, *, limit: int = 100) -> list[Job]:
        """The jobs of a project, or of all projects that the user owns, newest first."""
        if ref is None:
            projects = await self._owned()
        else:
            projects = [(await self._project(ref, Action.SEE_JOBS)).id]
        return [row.job for row in await self._catalog.jobs.list(projects, limit=limit)]

    async def job(self, job: str) -> Job:
        """One job by its id, or by the beginning of it, of a project that the user owns."""
        return (await self._job(job, Action.SEE_JOBS)).job

    async def cancel(self, job: str) -> Job:
        """Ask for a job to stop. One that waits is cancelled at once, one that runs soon.

        Raises `Invalid` where it has ended already.
        """
        row = await self._job(job, Action.CANCEL)
        project = Gone(row.job.project, row.job.project_name)
        async with self._catalog.transaction():
            cancelled = await self._catalog.jobs.cancel(row.job.id)
            if cancelled:
                await self._access.record(Action.CANCEL, project, f"job {row.job.id}")
        if not cancelled:
            raise Invalid(
                f"The job {row.job.id} has ended already: {row.job.state.value}.",
                hint=f"Nothing was changed. See it with: backstay jobs {row.job.id[:8]}",
            )
        self._nudge.give()
        return (await self._job(row.job.id, Action.SEE_JOBS)).job

    async def watch(self, job: str) -> Handle[Job]:
        """Follow a job that somebody asked for; the result is the job when it has succeeded."""
        row = await self._job(job, Action.SEE_JOBS)

        async def as_it_is(done: JobRow) -> Job:
            return succeeded(done).job

        return self._following(row.job.id, as_it_is)

    async def _job(self, ref: str, action: Action) -> JobRow:
        """Find a job of a project that the user may do `action` with."""
        roles = await self._catalog.members.of(self.user)
        long_enough = len(ref) >= SHORTEST_PREFIX
        found = await self._catalog.jobs.find(ref.lower(), list(roles)) if long_enough else []
        if len(found) != 1:
            raise _no_job(ref)
        job = found[0].job
        project = await self._catalog.projects.get(job.project)
        known = project or Gone(job.project, job.project_name)
        await self._access.check(action, known, unknown=_no_job(ref), detail=f"job {job.id}")
        return found[0]

    async def plan(self, ref: str) -> Plan:
        """When a project is backed up, the next runs, and how many backups it keeps."""
        row = await self._project(ref, Action.SEE_BACKUPS)
        return await self._plan(row, await self._catalog.schedules.get(row.id))

    async def _plan(self, row: ProjectRow, plan: ScheduleRow) -> Plan:
        from engine.model import Plan, PlannedRun
        from engine.planning import schedule_of

        schedule = schedule_of(plan)
        runs: list[PlannedRun] = []
        if schedule is not None:
            from engine.schedule import next_slots

            runs = [
                PlannedRun(slot.date.isoformat(), slot.due, slot.remark)
                for slot in next_slots(schedule, self._clock(), RUNS_SHOWN)
            ]
        taken = await self._catalog.schedules.taken(row.id)
        notes = tuple(f"{slot.date}: {slot.note}" for slot in taken if slot.note)
        at = plan.at.isoformat("minutes") if plan.at else None
        return Plan(row.id, row.name, at, plan.zone, plan.keep, tuple(runs), notes)

    async def set_schedule(
        self,
        ref: str,
        *,
        at: str | None = None,
        zone: str | None = None,
        keep: int | None = None,
        off: bool = False,
    ) -> Plan:
        """Change a project's plan; what is not given stays as it is. `off` ends the schedule.

        A first time of day needs a zone. Raises `Invalid` for a time, a zone (with near matches)
        or a number of backups that is none. With fewer backups to keep, the next clean-up removes
        what `would_remove` tells.
        """
        row = await self._project(ref, Action.SET_SCHEDULE)
        plan = await self._catalog.schedules.get(row.id)
        changed = self._changed(plan, at=at, zone=zone, keep=keep, off=off)
        detail = f"{changed.at:%H:%M} {changed.zone}" if changed.at else "by hand only"

        async def change() -> None:
            async with self._catalog.transaction():
                await self._access.record(
                    Action.SET_SCHEDULE, row, f"{detail}, keep {changed.keep}"
                )
                await self._catalog.schedules.set(row.id, changed)

        # To keep fewer backups is how a clean-up makes room.
        await (self._reserve.lend(change) if changed.keep < plan.keep else change())
        await self._reserve.take_back()
        return await self._plan(row, changed)

    async def preview_schedule(
        self,
        ref: str,
        *,
        at: str | None = None,
        zone: str | None = None,
        keep: int | None = None,
        off: bool = False,
    ) -> Plan:
        """What `set_schedule` would make of a project's plan. Nothing is changed.

        Raises what `set_schedule` raises.
        """
        row = await self._project(ref, Action.SEE_BACKUPS)
        plan = await self._catalog.schedules.get(row.id)
        return await self._plan(row, self._changed(plan, at=at, zone=zone, keep=keep, off=off))

    def _changed(
        self, plan: ScheduleRow, *, at: str | None, zone: str | None, keep: int | None, off: bool
    ) -> ScheduleRow:
        """A plan with what is given changed. Raises `Invalid`."""
        from engine.catalog import ScheduleRow
        from engine.retention import check_keep
        from engine.schedule import check_time, check_zone

        new_at: time | None = check_time(at) if at is not None else plan.at
        new_zone = check_zone(zone) if zone is not None else plan.zone
        new_keep = check_keep(keep) if keep is not None else plan.keep
        if (new_at is None) != (new_zone is None):
            raise Invalid(
                "A schedule has a time of day and a time zone.",
                hint="Nothing was changed. Give both: --at 03:00 --timezone Europe/Lisbon",
            )
        since = plan.since if new_at is None else (plan.since or self._clock())
        return ScheduleRow(keep=new_keep) if off else ScheduleRow(new_at, new_zone, since, new_keep)

    async def zones(self) -> list[str]:
        """The names of the IANA time zones that this machine knows, sorted."""
        from zoneinfo import available_timezones

        return sorted(await asyncio.to_thread(available_timezones))

    async def would_remove(self, ref: str, *, keep: int | None = None) -> list[Backup]:
        """The backups that a clean-up would remove if the project kept `keep`; oldest first."""
        from engine.retention import check_keep, to_remove

        row = await self._project(ref, Action.SEE_BACKUPS)
        count = check_keep(keep) if keep is not None else None
        if count is None:
            count = (await self._catalog.schedules.get(row.id)).keep
        backups = [found.backup for found in await self._catalog.backups.list(row.id)]
        return to_remove(backups, count, self._clock())

    async def clean_up(self, ref: str) -> Handle[CleanUpReport]:
        """Remove the backups of a project beyond those it keeps, and what no backup needs."""
        row = await self._project(ref, Action.CLEAN_UP)
        return await self._submit(Action.CLEAN_UP, JobKind.CLEAN_UP, row, {}, self._cleaned)

    async def _cleaned(self, row: JobRow) -> CleanUpReport:
        from engine.model import CleanUpReport

        await self._reserve.take_back()
        removed, notes = row.result["removed"], row.result["notes"]
        freed = row.result["freed"]
        if not isinstance(removed, list) or not isinstance(notes, list):
            raise TypeError("no clean-up's result")
        return CleanUpReport(
            tuple(str(each) for each in removed),
            int(str(freed)),
            tuple(str(each) for each in notes),
        )

    async def storage(self, ref: str) -> Storage:
        """Where the backups of a project are kept, for its owners."""
        row = await self._project(ref, Action.SEE_BACKUPS)

        def occupied() -> int:
            packs, manifests = self._repository.packs(), self._repository.manifests()
            return sum(packs.values()) + sum(manifests.values())

        return Storage(
            place=self.home / REPOSITORY,
            encrypted=self._repository.encrypted,
            size=await asyncio.to_thread(occupied),
            cleaned=await self._catalog.jobs.last_clean_up(row.id),
        )

    async def changes(self) -> int:
        """A number that is another one whenever another process has changed something here.

        It costs next to nothing: for whoever shows what is here, and wants to know when to look.
        """
        return await self._catalog.changes_of_others()

    async def worker_stays(self) -> bool:
        """Whether a worker lives that goes on when nothing is to be done."""
        from engine.lock import worker_stays

        return await asyncio.to_thread(worker_stays, self.home)

    async def status(self, ref: str | None = None) -> list[Health]:
        """How the backups of a project are, or of each that the user owns, by name."""
        if ref is None:
            owned = set(await self._owned())
        else:
            owned = {(await self._project(ref, Action.SEE_BACKUPS)).id}
        stays = await self.worker_stays()
        from engine.planning import Planner

        planner = Planner(self._home, self._catalog, self._clock)
        return [
            health
            for health in await planner.healths(worker_stays=stays)
            if health.project in owned
        ]

    async def test_notifications(self) -> list[Delivery]:
        """Send a message to every URL that is told of incidents; what became of each.

        For who owns a project of this home. Raises `Invalid` where settings name no URL.
        """
        if not await self._owned():
            await self._catalog.audit.add(
                self._clock(), self.user, "test notifications", Verdict.REFUSED
            )
            raise NotAllowed(
                "Testing this home's notifications is for who owns a project in it.",
                hint="Nothing was sent; the refusal is in the audit trail.",
            )
        urls = (await self._settings()).notify_urls
        if not urls:
            raise Invalid(
                f"No notifications are set up in {self._home.settings}.",
                hint="Nothing was sent. Add two lines: [notify] and, say, "
                'urls = ["mailto://user:password@example.com"]',
            )
        from engine.notify import deliver

        title = "Backstay: a test"
        body = f"{self.user} asked for this message. What goes wrong would be told here."
        return await deliver(urls, title, body)


def _no_job(ref: str) -> NotFound:
    return NotFound(
        f"There is no job {shown(ref)}.", hint="See the jobs of your projects with: backstay jobs"
    )
