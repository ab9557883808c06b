"""What an owner does with backups: take one, see them, ask for the price, restore."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal

from engine.access import Action, no_backup
from engine.backup import Request, facts, take_backup
from engine.catalog import BackupRow, ProjectRow
from engine.errors import Invalid, NotFound, RepositoryDamaged, Taken
from engine.handle import Handle, Report
from engine.home import PARTIAL
from engine.model import (
    Backup,
    BackupDetails,
    BackupKind,
    BackupState,
    DeviceFacts,
    JobKind,
    JobState,
    LeaveOut,
    Origin,
    ProjectState,
    Quote,
    RestoreReport,
    Role,
)
from engine.names import check_project_name, folder_name, new_id, shown
from engine.repository.manifest import Manifest
from engine.session import Gone, Session
from engine.work import finish_anyway, newest, start_job


class Backups(Session):
    """The backups of a home's projects."""

    async def backup(
        self,
        ref: str,
        *,
        without_damaged: bool = False,
        kind: BackupKind = BackupKind.MANUAL,
    ) -> Handle[Backup]:
        """Take a backup of a project now.

        Devices whose databases are missing or damaged make it fail, unless `without_damaged`: then
        the backup is made without their data, and says so.
        """
        row = await self._project(ref, Action.BACKUP)
        members = await self._catalog.members.roles(row.id)
        settings = await self._settings()
        request = Request(
            backup=new_id(),
            project=row.id,
            project_name=row.name,
            path=row.path,
            owners=tuple(member.user for member in members if member.role is Role.OWNER),
            date=self._clock(),
            kind=kind,
            leave_out=settings.leave_out,
            without_damaged=without_damaged,
        )

        # A manifest never changes: it is read while the job is being noted.
        latest = await self._catalog.backups.latest(row.id)
        reading = asyncio.ensure_future(asyncio.to_thread(self._read_manifest, latest))

        async def previous() -> Manifest | None:
            newest = await self._catalog.backups.latest(row.id)
            manifest = await reading
            if newest != latest:  # another backup was made before this job could begin
                manifest = await asyncio.to_thread(self._read_manifest, newest)
            return await asyncio.to_thread(self._usable, manifest, request.leave_out)

        async def work(job: str, report: Report) -> Backup:
            made = await take_backup(
                self._repository, request, await previous(), self._home, report
            )

            async def publish() -> Backup:
                size = await asyncio.to_thread(self._repository.put_manifest, made)
                backup = facts(made, size)
                async with self._catalog.transaction():
                    await self._catalog.backups.add(backup, row.name, made.notes)
                    await self._catalog.jobs.finish(job, JobState.SUCCEEDED)
                await asyncio.to_thread(self._home.empty_scratch)
                return backup

            return await finish_anyway(publish())

        try:
            handle = await start_job(
                self._home,
                self._catalog,
                self._repository,
                kind=JobKind.BACKUP,
                project=row.id,
                project_name=row.name,
                user=self.user,
                work=work,
            )
        except BaseException:
            reading.add_done_callback(asyncio.Future.exception)  # nobody asks for it any more
            raise
        return self._kept(handle)

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

    async def backups(self, ref: str) -> list[Backup]:
        """A project's backups, newest first. One whose manifest is gone is marked as damaged."""
        row = await self._project(ref, Action.SEE_BACKUPS)
        there = await asyncio.to_thread(self._repository.manifests)
        return [
            found.backup
            if found.backup.id in there
            else found.backup._replace(state=BackupState.DAMAGED)
            for found in await self._catalog.backups.list(row.id)
        ]

    async def show(self, ref: str) -> BackupDetails:
        """A backup with all that is in it, device by device, and what is not.

        `ref` is its id, the beginning of it, or PROJECT@latest.
        """
        from engine.project.content import CONTENT

        found = await self._backup(ref, Action.SEE_BACKUPS)
        manifest = await asyncio.to_thread(self._repository.manifest, found.backup.id)
        return BackupDetails(
            backup=found.backup,
            project_name=found.project_name,
            devices=tuple(
                DeviceFacts(
                    id=device.id,
                    name=device.name,
                    rows=device.rows,
                    first=device.first_moment,
                    last=device.last_moment,
                    data=device.image.size if device.image else 0,
                    missing=device.missing,
                )
                for device in manifest.devices
            ),
            content=CONTENT,
            notes=manifest.notes,
            encrypted=self._repository.encrypted,
            longest_lock=manifest.longest_lock,
        )

    async def quote(self, ref: str) -> Quote:
        """What a new project made of a backup costs, from now on."""
        found = await self._backup(ref, Action.SEE_QUOTE)
        return await self._quote(found)

    async def restore(
        self, ref: str, name: str, *, accept_cost: Decimal | None
    ) -> Handle[RestoreReport]:
        """Make a new project of a backup. The user owns it; no other project is touched.

        Raises `PriceNotAccepted` unless `accept_cost` is the creation fee as it is now, and `Taken`
        or `Invalid` for the name. The fee falls due when the project exists, and not before.
        """
        from engine.pricing import check_accepted

        found = await self._backup(ref, Action.RESTORE, f"as {shown(name)}")
        name = check_project_name(name)
        if await self._catalog.projects.get(name, include_creating=True) is not None:
            raise Taken(
                f"A project is called {name!r} already.",
                hint="Nothing was changed, and nothing was charged. Choose another name.",
            )
        quote = await self._quote(found)
        check_accepted(quote, accept_cost)

        async def work(job: str, report: Report) -> RestoreReport:
            return await self._restore(job, found, name, quote, report)

        return self._kept(
            await start_job(
                self._home,
                self._catalog,
                self._repository,
                kind=JobKind.RESTORE,
                project=found.backup.project,
                project_name=found.project_name,
                user=self.user,
                work=work,
            )
        )

    async def _restore(
        self, job: str, found: BackupRow, name: str, quote: Quote, report: Report
    ) -> RestoreReport:
        from engine.restore import publish, restore_project

        started = time.monotonic()
        project = new_id()
        root = self._home.projects / folder_name(name, project)
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
                partial=root.with_name(f"{PARTIAL}{project}"),
                root=root,
                scratch=scratch,
                now=self._clock(),
                taken_ports=await self._ports(manifest.port),
                free_space=await asyncio.to_thread(self._home.free_space),
                report=report,
            )

            async def finish() -> ProjectRow | None:
                await asyncio.to_thread(publish, root.with_name(f"{PARTIAL}{project}"), root)
                async with self._catalog.transaction():
                    await self._catalog.projects.finish_creating(project)
                    await self._catalog.members.change(project, self.user, Role.OWNER)
                    await self._catalog.held.set(project, made.held)
                    fee = quote.creation_fee
                    await self._catalog.costs.charge(project, name, fee, "creation fee")
                    await self._catalog.costs.begin(project, name, quote.hourly)
                    await self._catalog.jobs.finish(job, JobState.SUCCEEDED)
                await asyncio.to_thread(self._home.empty_scratch)
                return await self._catalog.projects.get(project)

            row = await finish_anyway(finish())
        except BaseException:
            await finish_anyway(self._catalog.projects.remove_unfinished(project))
            raise
        if row is None:
            raise NotFound(f"{name!r} was made, and removed by someone at once.")
        return RestoreReport(
            job=job,
            project=await self._describe(row),
            backup=found.backup.id,
            port=made.port,
            devices=made.devices,
            variables=made.variables,
            seconds=time.monotonic() - started,
            charged=quote.creation_fee,
            tokens=made.tokens,
            analyses_without_code=made.analyses_without_code,
            parsers_without_code=made.parsers_without_code,
            quiet=made.quiet,
            notes=made.notes,
        )

    async def _quote(self, found: BackupRow) -> Quote:
        from engine.pricing import quote

        return quote((await self._settings()).prices, found.backup.data, self._clock())

    async def _ports(self, first: int) -> set[int]:
        """Ports that projects of this home use or may want."""
        from engine.project.instance import find

        ports = {first}
        for row in await self._catalog.projects.list():
            try:
                ports.add((await asyncio.to_thread(find, row.path)).port)
            except (NotFound, Invalid):
                continue  # a project that is not there now has no port that we can know
        return ports

    async def _backup(self, ref: str, action: Action, detail: str = "") -> BackupRow:
        """Find a backup of a project that the user may do `action` with."""
        if (named := newest(ref)) is not None:
            row = await self._project(named, action, detail)
            latest = await self._catalog.backups.latest(row.id)
            if latest is None:
                raise NotFound(
                    f"{row.name} has no backups yet.",
                    hint="Take one now with: backstay backup PROJECT.",
                )
            return latest
        roles = await self._catalog.members.of(self.user)
        found = await self._catalog.backups.find(ref, projects=list(roles))
        known = Gone(found.backup.project, found.project_name) if found else None
        row_or_gone = (
            await self._catalog.projects.get(found.backup.project) if found else None
        ) or known
        await self._access.require(action, row_or_gone, unknown=no_backup(ref), detail=detail)
        if found is None:
            raise no_backup(ref)
        return found
