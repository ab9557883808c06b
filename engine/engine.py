"""The engine: a home, opened as one user; one awaited method for each thing that an owner does."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from engine.access import Access, Action, check_user_name, login_name, no_backup, no_project
from engine.backup import Request, facts, new_backup_id, take_backup
from engine.catalog import BackupRow, Catalog, ProjectRow
from engine.clock import Clock, system_clock
from engine.errors import Invalid, NotFound, RepositoryDamaged, Taken, WrongKey
from engine.handle import Handle, Report
from engine.home import PARTIAL, Home
from engine.lock import WorkLock
from engine.model import (
    Adoption,
    AuditLine,
    Backup,
    BackupDetails,
    BackupKind,
    BackupState,
    CostLine,
    DeviceFacts,
    JobKind,
    JobState,
    Origin,
    Project,
    ProjectState,
    Quote,
    RestoreReport,
    Role,
    WakeReport,
)
from engine.names import check_project_name, folder_name, new_id, shown
from engine.repository.keys import parse_recovery_text, recovery_text
from engine.repository.manifest import Manifest
from engine.repository.repository import Repository, open_repository
from engine.settings import Settings, read_settings
from engine.work import finish_anyway, mend_if_free, newest, start_job

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Gone:
    """A project that is not in the catalog any more; its members still are."""

    id: str
    name: str


class Engine:
    """A home, open as one user. Use `Engine.open`.

    Every method asks access first: it raises `NotAllowed` for what the user may not do, and
    `NotFound` for what is not there or not to be known of. All of them may raise `Busy` and
    `StorageFailed`. Long work returns a `Handle`.
    """

    def __init__(
        self, home: Home, catalog: Catalog, repository: Repository, user: str, clock: Clock
    ) -> None:
        self._home = home
        self._catalog = catalog
        self._repository = repository
        self._clock = clock
        self._access = Access(catalog, user, clock)
        self._handles: set[Handle[Any]] = set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        home: Path,
        *,
        user: str | None = None,
        clock: Clock = system_clock,
        create: bool = False,
    ) -> AsyncIterator[Engine]:
        """Open the home at `home` as `user` (the login name by default).

        With `create` it is made where it is not there. What a process that died left is mended
        first. Leaving the context cancels the work that is still going on, and waits for its end.

        Raises `NotFound`, `HomeUnsafe`, `SettingsInvalid`, `WrongKey`, `TooNew`, `Damaged`.
        """
        who = check_user_name(user) if user is not None else login_name()
        place = await asyncio.to_thread(_prepared, home, create)
        settings = await asyncio.to_thread(read_settings, place.path)
        catalog = await Catalog.open(place.catalog, clock=clock, create=create)
        try:
            repository = await asyncio.to_thread(place.open_repository, settings.encryption)
            await mend_if_free(place, catalog, repository)
            engine = cls(place, catalog, repository, who, clock)
            try:
                yield engine
            finally:
                await engine._stop_work()
        finally:
            await catalog.close()

    async def _stop_work(self) -> None:
        for handle in self._handles:
            handle.cancel()
        for handle in self._handles:
            await handle.ended()

    @property
    def user(self) -> str:
        """Who the home is open as."""
        return self._access.user

    @property
    def home(self) -> Path:
        """The home's folder."""
        return self._home.path

    # Projects

    async def adopt(self, path: Path, name: str, *, owners: Sequence[str] = ()) -> Adoption:
        """Register the TagoCore instance at `path` under a name; the user and `owners` own it.

        Nothing of the instance is changed. Raises `NotAnInstance` and the like with the reason,
        `Taken` where the folder or the name is a project already, `Invalid`.
        """
        from engine.project.content import CONTENT
        from engine.project.instance import find

        name = check_project_name(name)
        everyone = [self.user, *(check_user_name(owner) for owner in owners)]
        instance = await asyncio.to_thread(find, path)
        known = await self._catalog.projects.at(instance.root, include_creating=True)
        if known is not None:
            told = f" as {known.name!r}" if await self._role(known.id) else ""
            raise Taken(
                f"{instance.root} is a project of this home already{told}.",
                hint="Nothing was changed. See your projects with: backstay projects.",
            )
        async with self._catalog.transaction():
            row = await self._catalog.projects.add(
                new_id(), name, instance.root, ProjectState.ACTIVE, Origin.ADOPTED
            )
            for owner in dict.fromkeys(everyone):
                await self._catalog.members.change(row.id, owner, Role.OWNER)
            await self._access.record(Action.ADOPT, row, f"from {instance.root}")
        return Adoption(await self._describe(row), instance.notes, CONTENT)

    async def projects(self) -> list[Project]:
        """The projects in which the user has a role, by name."""
        rows = await self._catalog.projects.list()
        described = await self._catalog.describe(rows, self.user)
        return [project for project in described if project.role is not None]

    async def project(self, ref: str) -> Project:
        """A project by its name or id."""
        return await self._describe(await self._project(ref, Action.SEE_PROJECT))

    async def forget(self, ref: str) -> Project:
        """Take an adopted project off the list. Its folder is not touched; its backups stay."""
        row = await self._project(ref, Action.FORGET)
        if row.origin is Origin.RESTORED:
            raise Invalid(
                f"{row.name} was made of a backup, here: it can be deleted, not forgotten.",
                hint="Nothing was changed. To delete it for good: backstay delete PROJECT.",
            )
        project = await self._describe(row)
        await self._catalog.projects.remove(row.id)
        return project

    async def delete(self, ref: str, *, confirm: str) -> Project:
        """Delete a restored project with its folder, for good; `confirm` is its name, typed.

        Raises `Invalid` for an adopted project, and where `confirm` is another name.
        """
        row = await self._project(ref, Action.DELETE)
        if row.origin is Origin.ADOPTED:
            raise Invalid(
                f"{row.name} was not made by Backstay, so it is not Backstay's to delete.",
                hint="Nothing was changed. To take it off the list: backstay forget PROJECT.",
            )
        if confirm != row.name:
            raise Invalid(
                f"{shown(confirm)} is not the project's name.",
                hint=f"Nothing was deleted. To delete it for good, type its name: {row.name}",
            )
        from engine.restore import remove

        project = await self._describe(row)
        with WorkLock(self.home):
            async with self._catalog.transaction():
                # Whoever finds it in this state, after we died, removes it.
                await self._catalog.projects.set_state(row.id, ProjectState.CREATING)
                await self._catalog.costs.end(row.id)
            await asyncio.to_thread(remove, row.path)
            await self._catalog.projects.remove(row.id)
        return project

    async def stop(self, ref: str) -> Project:
        """Note that a project is stopped: from now on it costs nothing."""
        row = await self._project(ref, Action.STOP)
        async with self._catalog.transaction():
            await self._catalog.projects.set_state(row.id, ProjectState.STOPPED)
            await self._catalog.costs.end(row.id)
        return await self._describe(replace(row, state=ProjectState.STOPPED))

    async def start(self, ref: str) -> Project:
        """Note that a project is in use again, at the hourly rate it was made for."""
        row = await self._project(ref, Action.START)
        async with self._catalog.transaction():
            await self._catalog.projects.set_state(row.id, ProjectState.ACTIVE)
            intervals = await self._catalog.costs.intervals([row.id])
            if intervals:  # an adopted project costs nothing here
                await self._catalog.costs.begin(row.id, row.name, intervals[-1].hourly)
        return await self._describe(replace(row, state=ProjectState.ACTIVE))

    async def wake(self, ref: str) -> WakeReport:
        """Switch on again what a restored project was made without: actions, data retention.

        What somebody has changed since is left as it is, and told. Raises `Invalid` where nothing
        is held.
        """
        from engine.project.instance import find
        from engine.project.quiet import release

        row = await self._project(ref, Action.WAKE)
        held = await self._catalog.held.items(row.id)
        if not held:
            raise Invalid(f"{row.name} is not quiet.", hint="Nothing was changed.")
        with WorkLock(self.home):
            instance = await asyncio.to_thread(find, row.path)

            def released() -> WakeReport:
                address = f"{instance.database.as_uri()}?mode=rw"
                with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as database:
                    woken, left = release(database, held)
                return WakeReport(project, woken, left)

            project = await self._describe(replace(row, quiet=False))
            report = await asyncio.to_thread(released)
            await self._catalog.held.clear(row.id)
        return report

    # Backups

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
            backup=new_backup_id(),
            project=row.id,
            project_name=row.name,
            path=row.path,
            owners=tuple(member.user for member in members if member.role is Role.OWNER),
            date=self._clock(),
            kind=kind,
            leave_out=settings.leave_out,
            without_damaged=without_damaged,
        )

        async def work(job: str, report: Report) -> Backup:
            previous = await self._previous(row.id, request)
            scratch = await asyncio.to_thread(self._home.make_scratch)
            made = await take_backup(self._repository, request, previous, scratch, report)

            async def publish() -> Backup:
                size = await asyncio.to_thread(self._repository.put_manifest, made)
                backup = facts(made, size)
                async with self._catalog.transaction():
                    await self._catalog.backups.add(backup, row.name, made.notes)
                    await self._catalog.jobs.finish(job, JobState.SUCCEEDED)
                await asyncio.to_thread(self._home.empty_scratch)
                return backup

            return await finish_anyway(publish())

        return self._kept(
            await start_job(
                self._home,
                self._catalog,
                self._repository,
                kind=JobKind.BACKUP,
                project=row.id,
                project_name=row.name,
                user=self.user,
                work=work,
            )
        )

    async def _previous(self, project: str, request: Request) -> Manifest | None:
        """The project's last backup, if all packs that it needs are there and none is damaged."""
        found = await self._catalog.backups.latest(project)
        if found is None:
            return None

        def usable() -> Manifest | None:
            try:
                manifest = self._repository.manifest(found.backup.id)
            except (NotFound, RepositoryDamaged):
                return None  # then every file is read, and what the repository has is not stored
            packs = self._repository.packs()
            complete = all(packs.get(pack) == size for pack, size in manifest.packs.items())
            same = manifest.leave_out == request.leave_out.value
            whole = complete and same and not self._repository.has_damage()
            return manifest if whole else None

        return await asyncio.to_thread(usable)

    async def backups(self, ref: str) -> list[Backup]:
        """A project's backups, newest first. One whose manifest is gone is marked as damaged."""
        row = await self._project(ref, Action.SEE_BACKUPS)
        there = await asyncio.to_thread(self._repository.manifests)
        return [
            found.backup
            if found.backup.id in there
            else replace(found.backup, state=BackupState.DAMAGED)
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

    # Members, costs, the audit trail, the key

    async def members(self, ref: str) -> Project:
        """A project with everyone who belongs to it; for its owners."""
        return await self._describe(await self._project(ref, Action.SEE_MEMBERS))

    async def add_member(self, ref: str, user: str, role: Role) -> Project:
        """Give somebody a role in a project, in place of the one they have."""
        user = check_user_name(user)
        row = await self._project(ref, Action.ADD_MEMBER, f"{user} as {role.value}")
        await self._catalog.members.change(row.id, user, role)
        return await self._describe(row)

    async def remove_member(self, ref: str, user: str) -> Project:
        """Take somebody's role in a project away. The last owner cannot be removed."""
        user = check_user_name(user)
        row = await self._project(ref, Action.REMOVE_MEMBER, user)
        if not await self._catalog.members.remove(row.id, user):
            raise NotFound(
                f"{user} has no role in {row.name}.",
                hint="Nothing was changed. See who has: backstay members PROJECT.",
            )
        return await self._describe(row)

    async def costs(self, month: str | None = None) -> list[CostLine]:
        """What the user's projects cost, by month (YYYY-MM, UTC); those that are gone, too."""
        from engine.pricing import monthly_costs

        owned = await self._owned()
        charges = await self._catalog.costs.charges(owned)
        intervals = await self._catalog.costs.intervals(owned)
        return list(monthly_costs(charges, intervals, month, self._clock()))

    async def audit(
        self, *, project: str | None = None, user: str | None = None
    ) -> list[AuditLine]:
        """The audit trail of the projects that the user owns, newest first."""
        if user is not None:
            user = check_user_name(user)
        if project is not None:
            row = await self._project(project, Action.SEE_AUDIT)
            return list(await self._catalog.audit.list([row.id], user))
        return list(await self._catalog.audit.list(await self._owned(), user))

    async def recovery_key(self) -> str:
        """The key of the repository, to write down; for who owns every project of the home.

        Raises `Invalid` where the repository is not encrypted.
        """
        rows = await self._catalog.projects.list()
        await self._access.require_all(Action.SHOW_KEY, rows)
        key = await asyncio.to_thread(self._home.read_key)
        if not self._repository.encrypted or key is None:
            raise Invalid(
                "This repository is not encrypted, so it has no recovery key.",
                hint="Nothing is missing: its backups can be read without one.",
            )
        return recovery_text(key)

    async def _settings(self) -> Settings:
        return await asyncio.to_thread(read_settings, self.home)

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

    async def _role(self, project: str) -> Role | None:
        return await self._catalog.members.role(project, self.user)

    async def _owned(self) -> list[str]:
        roles = await self._catalog.members.of(self.user)
        return [project for project, role in roles.items() if role is Role.OWNER]

    async def _describe(self, row: ProjectRow) -> Project:
        (project,) = await self._catalog.describe([row], self.user)
        return project

    async def _project(self, ref: str, action: Action, detail: str = "") -> ProjectRow:
        row = await self._catalog.projects.get(ref)
        return await self._access.require(action, row, unknown=no_project(ref), detail=detail)

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
        known = _Gone(found.backup.project, found.project_name) if found else None
        row_or_gone = (
            await self._catalog.projects.get(found.backup.project) if found else None
        ) or known
        await self._access.require(action, row_or_gone, unknown=no_backup(ref), detail=detail)
        if found is None:
            raise no_backup(ref)
        return found

    def _kept(self, handle: Handle[T]) -> Handle[T]:
        self._handles.add(handle)
        handle.when_done(self._handles.discard)
        return handle


def _prepared(home: Path, create: bool) -> Home:
    place = Home(home.absolute())
    place.prepare(create=create)
    return place


async def enter_recovery_key(home: Path, text: str) -> None:
    """Write a home's key file anew from the recovery key that was written down.

    The key must open the home's repository: nothing is replaced otherwise. Works where the key
    file is lost or damaged, so it needs no open engine. Raises `Invalid` and `WrongKey`.
    """
    place = await asyncio.to_thread(_prepared, home, False)
    key = parse_recovery_text(text)

    def replace_key() -> None:
        repository = open_repository(place.storage, key)
        if not repository.encrypted:
            raise WrongKey("This repository is not encrypted: it needs no key.")
        place.write_key(key, replace=True)

    await asyncio.to_thread(replace_key)
