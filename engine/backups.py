"""What an owner does with backups: take one, see them, ask for the price, restore."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engine.access import Action, no_backup
from engine.errors import NotFound, Taken
from engine.model import BackupKind, BackupState, JobKind, ProjectState
from engine.names import check_project_name, name_key, shown, word
from engine.session import Gone, Session
from engine.work import newest

if TYPE_CHECKING:
    from decimal import Decimal

    from engine.catalog import BackupRow, JobRow
    from engine.handle import Handle
    from engine.model import Backup, BackupDetails, DeviceFacts, Quote, RestoreReport
    from engine.repository.manifest import DeviceEntry


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
        request = {"kind": kind.value, "without_damaged": without_damaged}
        return await self._submit(Action.BACKUP, JobKind.BACKUP, row, request, self._backup_of)

    async def _backup_of(self, row: JobRow) -> Backup:
        """The backup that a job made, also where a clean-up has removed it since."""
        from engine.reports import backup_made

        found = await self._catalog.backups.find(str(row.result["backup"]))
        made = found.backup if found is not None else backup_made(row.result)
        if made is None:
            raise NotFound("The backup was made, and removed by someone since.")
        return made

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
        from engine.model import BackupDetails
        from engine.project.content import CONTENT

        found = await self._backup(ref, Action.SEE_BACKUPS)
        manifest = await asyncio.to_thread(self._repository.manifest, found.backup.id)
        return BackupDetails(
            backup=found.backup,
            project_name=found.project_name,
            devices=tuple(device_facts(device) for device in manifest.devices),
            content=CONTENT,
            notes=manifest.notes,
            encrypted=self._repository.encrypted,
            longest_lock=manifest.longest_lock,
        )

    async def quote(self, ref: str) -> Quote:
        """What a new project made of a backup costs, from now on."""
        found = await self._backup(ref, Action.SEE_QUOTE)
        return await self._quote(found)

    async def check_new_name(self, name: str) -> str:
        """The name as a new project would have it, if it can be used and is free.

        Raises `Invalid` for the name, which tells the rule it breaks, and `Taken` where a project
        is called so, or will be: one that is being made, or was asked for and waits.
        """
        name = check_project_name(name)
        known = await self._catalog.projects.get(name, include_creating=True)
        asked_for = [
            name_key(str(row.request["name"]))
            for row in await self._catalog.jobs.unfinished()
            if row.job.kind is JobKind.RESTORE
        ]
        if known is None and name_key(name) not in asked_for:
            return name
        exists = known is not None and known.state is not ProjectState.CREATING
        what = "A project" if exists else "A project that is being made"
        raise Taken(
            f"{what} is called {shown(known.name if known else name)} already.",
            hint="Nothing was changed, and nothing was charged. Choose another name.",
        )

    async def restore(
        self, ref: str, name: str, *, accept_cost: Decimal | Quote | None
    ) -> Handle[RestoreReport]:
        """Make a new project of a backup. The user owns it; no other project is touched.

        `accept_cost` is the creation fee as it is now, or the whole quote that was agreed to: then
        its hourly rate has to be as it is now, too. Raises `PriceNotAccepted` for any other, and
        `Taken` or `Invalid` for the name. Where prices change before the project is made, the job
        fails with `PriceNotAccepted`. The fee falls due when the project exists, and not before.
        """
        from engine.pricing import check_accepted

        found = await self._backup(ref, Action.RESTORE, f"as {shown(name)}")
        name = await self.check_new_name(name)
        quote = await self._quote(found)
        check_accepted(quote, accept_cost)

        request = {
            "backup": found.backup.id,
            "name": name,
            "creation_fee": str(quote.creation_fee.amount),
            "hourly": str(quote.hourly.amount),
            "currency": quote.hourly.currency,
        }
        project = Gone(found.backup.project, found.project_name)
        return await self._submit(
            Action.RESTORE,
            JobKind.RESTORE,
            project,
            request,
            self._report_of,
            detail=f"as {shown(name)}",
        )

    async def _report_of(self, row: JobRow) -> RestoreReport:
        """What a restore made, with its tokens, which are read from the new project."""
        from engine.project.identity import tokens_of
        from engine.project.instance import find
        from engine.reports import report_of

        made = await self._catalog.projects.get(str(row.result["project"]))
        if made is None:
            raise NotFound("The project was made, and removed by someone since.")
        instance = await asyncio.to_thread(find, made.path)
        tokens = await asyncio.to_thread(tokens_of, instance.database)
        return report_of(row.job.id, row.result, await self._describe(made), tokens)

    async def _quote(self, found: BackupRow) -> Quote:
        from engine.pricing import quote

        return quote((await self._settings()).prices, found.backup.data, self._clock())

    async def _backup(self, ref: str, action: Action, detail: str = "") -> BackupRow:
        """Find a backup of a project that the user may do `action` with."""
        if (named := newest(ref)) is not None:
            row = await self._project(named, action, detail)
            latest = await self._catalog.backups.latest(row.id)
            if latest is None:
                raise NotFound(
                    f"{row.name} has no backups yet.",
                    hint=f"Take one now with: backstay backup {word(row.name)}",
                )
            return latest
        roles = await self._catalog.members.of(self.user)
        found = await self._catalog.backups.find(ref, projects=list(roles))
        known = Gone(found.backup.project, found.project_name) if found else None
        row_or_gone = (
            await self._catalog.projects.get(found.backup.project) if found else None
        ) or known
        await self._access.check(action, row_or_gone, unknown=no_backup(ref), detail=detail)
        if found is None:
            raise no_backup(ref)
        return found

    async def _check_still_there(self, *backups: Backup) -> None:
        """Raise `NotFound` for a backup that was removed while it was read: it is not damaged."""
        there = await asyncio.to_thread(self._repository.manifests)
        for backup in backups:
            if backup.id not in there:
                raise NotFound(
                    f"The backup {backup.id} was removed while it was read.",
                    hint="A clean-up removes those that are not to be kept. Choose another one.",
                )


def device_facts(device: DeviceEntry) -> DeviceFacts:
    """A device of a backup, as its manifest tells it."""
    from engine.model import DeviceFacts

    return DeviceFacts(
        id=device.id,
        name=device.name,
        rows=device.rows,
        first=device.first_moment,
        last=device.last_moment,
        data=device.image.size if device.image else 0,
        missing=device.missing,
    )
