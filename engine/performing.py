"""What each kind of job does. A job notes its own success together with what it made."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from engine.backup import Request, facts, take_backup
from engine.cancelling import finish_anyway
from engine.catalog import BackupRow, Catalog, JobRow, ProjectRow
from engine.catalog.jobs import BY_SCHEDULE
from engine.clock import Clock
from engine.errors import BackstayError, Cancelled, NotFound, RepositoryDamaged, Taken
from engine.handle import Report
from engine.home import PARTIAL, Home
from engine.model import BackupKind, BackupState, JobKind, JobState, Origin, ProjectState, Role
from engine.names import check_project_name, folder_name, new_id
from engine.reports import backup_result, result_of
from engine.repository.manifest import Manifest
from engine.repository.repository import Repository
from engine.reserve import Reserve
from engine.settings import read_settings

if TYPE_CHECKING:
    from engine.model import DamagedPart, LeaveOut, Quote


class Performer:
    """Does the jobs of a home. Whoever calls it holds the home's `WorkLock`."""

    def __init__(
        self,
        home: Home,
        catalog: Catalog,
        repository: Repository,
        reserve: Reserve,
        clock: Clock,
    ) -> None:
        self._home = home
        self._catalog = catalog
        self._repository = repository
        self._reserve = reserve
        self._clock = clock

    async def perform(self, row: JobRow, report: Report) -> None:
        """Do a job that was claimed. Raises why it could not be done; nothing half-made is left."""
        if row.job.kind is JobKind.BACKUP:
            await self._back_up(row, report)
        elif row.job.kind is JobKind.RESTORE:
            await self._restore(row, report)
        elif row.job.kind is JobKind.TRANSFER:
            await self._transfer(row, report)
        elif row.job.kind is JobKind.VERIFY:
            await self._verify(row, report)
        else:
            await self._clean_up(row, report)

    async def _project(self, row: JobRow) -> ProjectRow:
        project = await self._catalog.projects.get(row.job.project)
        if project is None:
            raise NotFound(
                f"The project {row.job.project_name} is not in this home any more.",
                hint="Nothing was changed. Its backups are still there.",
            )
        return project

    async def _back_up(self, row: JobRow, report: Report) -> None:
        project = await self._project(row)
        # A manifest never changes: it is read while the rest is looked up.
        latest = await self._catalog.backups.latest(project.id)
        reading = asyncio.ensure_future(asyncio.to_thread(self._read_manifest, latest))
        try:
            members = await self._catalog.members.roles(project.id)
            settings = await asyncio.to_thread(read_settings, self._home.path)
        finally:
            manifest = await reading
        request = Request(
            backup=new_id(),
            project=project.id,
            project_name=project.name,
            path=project.path,
            owners=tuple(member.user for member in members if member.role is Role.OWNER),
            date=self._clock(),
            kind=BackupKind(str(row.request.get("kind", BackupKind.MANUAL.value))),
            leave_out=settings.leave_out,
            without_damaged=row.request.get("without_damaged") is True,
            patience=settings.patience,
        )
        previous = await asyncio.to_thread(self._usable, manifest, request.leave_out)
        made = await take_backup(self._repository, request, previous, self._home, report)

        async def publish() -> None:
            size = await asyncio.to_thread(self._repository.put_manifest, made)
            backup = facts(made, size)
            async with self._catalog.transaction():
                await self._catalog.backups.add(backup, project.name, made.notes)
                await self._catalog.jobs.finish(
                    row.job.id, JobState.SUCCEEDED, result=backup_result(backup)
                )
                await self._ask_for_clean_up(project)
            await asyncio.to_thread(self._home.empty_scratch)

        await finish_anyway(publish())

    async def _ask_for_clean_up(self, project: ProjectRow) -> None:
        """Queue a clean-up where the project has more backups than it keeps."""
        plan = await self._catalog.schedules.get(project.id)
        backups = [found.backup for found in await self._catalog.backups.list(project.id)]
        if len(backups) <= plan.keep:
            return
        from engine.retention import to_remove

        if to_remove(backups, plan.keep, self._clock()):
            await self._catalog.jobs.queue(JobKind.CLEAN_UP, project.id, project.name, BY_SCHEDULE)

    def _read_manifest(self, found: BackupRow | None) -> Manifest | None:
        """A backup's manifest, if it can be read."""
        if found is None:
            return None
        try:
            return self._repository.manifest(found.backup.id)
        except (NotFound, RepositoryDamaged):
            return None  # then every file is read, and what the repository has is not stored

    def _usable(self, manifest: Manifest | None, leave_out: LeaveOut) -> Manifest | None:
        """A manifest whose chunks are all there: its packs are, and no frame is damaged."""
        if manifest is None or manifest.leave_out != leave_out.value:
            return None
        packs = self._repository.packs()
        complete = all(packs.get(pack) == size for pack, size in manifest.packs.items())
        return manifest if complete and not self._repository.has_damage() else None

    async def _restore(self, row: JobRow, report: Report) -> None:
        from engine.model import RestoreReport
        from engine.pricing import check_accepted, quote
        from engine.project.folder import publish
        from engine.restore import restore_project

        started = time.monotonic()
        name = check_project_name(str(row.request["name"]))
        found = await self._catalog.backups.find(str(row.request["backup"]))
        if found is None:
            raise NotFound("The backup is not there any more.", hint="Nothing was charged.")
        prices = (await asyncio.to_thread(read_settings, self._home.path)).prices
        offer = quote(prices, found.backup.data, self._clock())
        check_accepted(offer, _agreed(row, offer))
        project = new_id()
        root = self._home.projects / folder_name(name, project)
        partial = root.with_name(f"{PARTIAL}{project}")
        manifest = await asyncio.to_thread(self._repository.manifest, found.backup.id)
        scratch = await asyncio.to_thread(self._home.make_scratch)
        await asyncio.to_thread(self._home.make_projects)
        await self._catalog.projects.add(
            project, name, root, ProjectState.CREATING, Origin.RESTORED
        )
        try:
            made = await restore_project(
                self._repository,
                manifest,
                partial=partial,
                root=root,
                scratch=scratch,
                now=self._clock(),
                taken_ports=await self._ports(manifest.port),
                free_space=await asyncio.to_thread(self._home.free_space),
                report=report,
            )

            async def finish() -> None:
                await asyncio.to_thread(publish, partial, root)
                async with self._catalog.transaction():
                    await self._catalog.projects.finish_creating(project)
                    await self._catalog.members.change(project, row.job.user, Role.OWNER)
                    await self._catalog.held.set(project, made.held)
                    await self._charge(project, name, offer)
                    (described,) = await self._catalog.describe(
                        [await self._made(project)], row.job.user
                    )
                    done = RestoreReport(
                        job=row.job.id,
                        project=described,
                        backup=found.backup.id,
                        port=made.port,
                        devices=made.devices,
                        variables=made.variables,
                        seconds=time.monotonic() - started,
                        charged=offer.creation_fee,
                        tokens=made.tokens,
                        analyses_without_code=made.analyses_without_code,
                        parsers_without_code=made.parsers_without_code,
                        quiet=made.quiet,
                        notes=made.notes,
                    )
                    await self._catalog.jobs.finish(
                        row.job.id, JobState.SUCCEEDED, result=result_of(done)
                    )
                await asyncio.to_thread(self._home.empty_scratch)

            await finish_anyway(finish())
        except BaseException:
            projects = self._catalog.projects
            await finish_anyway(self._reserve.lend(lambda: projects.remove_unfinished(project)))
            raise

    async def _verify(self, row: JobRow, report: Report) -> None:
        from engine.model import DamagedPart, VerifyReport
        from engine.proof import prove

        started = time.monotonic()
        found = await self._catalog.backups.find(str(row.request["backup"]))
        if found is None:
            # What nobody asked for is no failure: a clean-up came first.
            kind = Cancelled if row.job.user == BY_SCHEDULE else NotFound
            raise kind("The backup is not there any more.", hint="Nothing was changed.")
        backup = found.backup
        scratch = await asyncio.to_thread(self._home.make_scratch)
        damaged: tuple[DamagedPart, ...]
        try:
            manifest = await asyncio.to_thread(self._repository.manifest, backup.id)
        except (NotFound, RepositoryDamaged) as error:
            damaged = (DamagedPart(None, "manifest", error.message),)
        else:
            damaged = await prove(
                self._repository,
                manifest,
                scratch=scratch,
                now=self._clock(),
                free_space=await asyncio.to_thread(self._home.free_space),
                report=report,
            )
        seconds = time.monotonic() - started
        done = VerifyReport(row.job.id, backup.id, damaged, backup.data, seconds)

        async def finish() -> None:
            async with self._catalog.transaction():
                backups, state = self._catalog.backups, BackupState.COMPLETE
                if done.ok:
                    await backups.set_state(backup.id, state, verified=self._clock())
                else:
                    await backups.set_state(backup.id, BackupState.DAMAGED)
                await self._catalog.jobs.finish(
                    row.job.id, JobState.SUCCEEDED, result=done.as_json()
                )
            await asyncio.to_thread(self._home.empty_scratch)

        await finish_anyway(finish())

    async def _charge(self, project: str, name: str, offer: Quote) -> None:
        await self._catalog.costs.charge(project, name, offer.creation_fee, "creation fee")
        await self._catalog.costs.begin(project, name, offer.hourly)

    async def _made(self, project: str) -> ProjectRow:
        row = await self._catalog.projects.get(project)
        if row is None:
            raise Taken("The new project was removed by someone at once.")
        return row

    async def _ports(self, first: int) -> set[int]:
        """Ports that projects of this home use or may want."""
        from engine.project.instance import find

        ports = {first}
        for row in await self._catalog.projects.list():
            try:
                ports.add((await asyncio.to_thread(find, row.path)).port)
            except BackstayError:
                continue  # a project that is not there or damaged has no port that we can know
        return ports

    async def _transfer(self, row: JobRow, report: Report) -> None:
        from engine.transfer import choice_from, transfer

        target = await self._project(row)
        source = await self._catalog.projects.get(str(row.request["source"]))
        if source is None:
            raise NotFound(
                f"The project {row.request['source_name']} is not in this home any more.",
                hint="Nothing was changed.",
            )
        held = {
            (item.id, item.column): item.was
            for item in await self._catalog.held.items(source.id)
            if item.column in ("chunk_retention", "data_retention")
        }
        try:
            made = await transfer(
                source.path,
                target.path,
                choice_from(row.request),
                write=True,
                held=held,
                now=self._clock(),
                report=report,
            )
        except asyncio.CancelledError:
            raise Cancelled(
                f"The transfer into {target.name} was cancelled.",
                hint="What was brought until then stays, and nothing else was changed. Run it "
                "again to bring the rest: nothing comes twice.",
            ) from None
        result = made._replace(source=source.name, target=target.name).as_json()
        jobs = self._catalog.jobs
        await finish_anyway(jobs.finish(row.job.id, JobState.SUCCEEDED, result=result))

    async def _clean_up(self, row: JobRow, report: Report) -> None:
        from engine.aside import kept
        from engine.cleaning import clean_up
        from engine.retention import to_remove

        project = row.job.project
        backups = [found.backup for found in await self._catalog.backups.list(project)]
        plan = await self._catalog.schedules.get(project)
        needed = {
            str(other.request["backup"])
            for other in await self._catalog.jobs.unfinished()
            if other.job.kind in (JobKind.RESTORE, JobKind.VERIFY) and other.job.user != BY_SCHEDULE
        }
        needed |= await asyncio.to_thread(kept, self._home.path)
        removed = [each.id for each in to_remove(backups, plan.keep, self._clock(), needed)]

        async def forget() -> None:
            async with self._catalog.transaction():
                for backup in removed:
                    await self._catalog.backups.remove(backup)

        # The catalog forgets them first: a manifest that it lacks is found again, and a backup
        # without its manifest would look damaged.
        await self._reserve.lend(forget)
        done = await clean_up(self._repository, removed, report)
        result = {"removed": removed, "freed": done.freed, "notes": list(done.notes)}
        jobs = self._catalog.jobs
        await finish_anyway(
            self._reserve.lend(lambda: jobs.finish(row.job.id, JobState.SUCCEEDED, result=result))
        )


def _agreed(row: JobRow, offer: Quote) -> Quote:
    """The quote that was agreed to when a restore was asked for."""
    from decimal import Decimal

    from engine.model import Money

    currency = str(row.request["currency"])
    return offer._replace(
        creation_fee=Money(Decimal(str(row.request["creation_fee"])), currency),
        hourly=Money(Decimal(str(row.request["hourly"])), currency),
    )
