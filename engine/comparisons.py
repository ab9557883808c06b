"""What an owner does to see what became of a project: compare two backups, or one with now."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.access import Action, no_project
from engine.aside import aside
from engine.backups import Backups
from engine.errors import NotFound, RepositoryDamaged
from engine.home import Home
from engine.model import BackupKind, LeaveOut
from engine.names import new_id
from engine.repository.storage import storage_failed

if TYPE_CHECKING:
    from engine.catalog import BackupRow
    from engine.handle import Report
    from engine.model import Comparison, Progress
    from engine.repository.manifest import Manifest
    from engine.repository.repository import Repository


def _nobody(_: Progress) -> None:
    """Whom progress is told to where nobody asked."""


class Comparisons(Backups):
    """Comparing backups. Nothing is changed, and nothing is added to the repository."""

    async def compare(
        self, first: str, second: str | None = None, *, report: Report = _nobody
    ) -> Comparison:
        """What became of a project from one backup to another; to how it is now, without `second`.

        References are as for `show`. What is the same in both costs nothing. The project as it is
        now is read as a backup reads it, beside writers; what could not be read of it is told in
        the notes. `report` hears how far it is; cancelled, nothing of it goes on. Raises
        `RepositoryDamaged`, which names the devices, and what a backup raises.
        """
        from engine.comparison import Sides, compare
        from engine.model import Progress
        from engine.telling import Telling

        before = await self._backup(first, Action.SEE_BACKUPS)
        after = None if second is None else await self._backup(second, Action.SEE_BACKUPS)
        report = Telling(report).report
        report(Progress("reading the backups", 0, 0))
        ours = await asyncio.to_thread(self._repository.manifest, before.backup.id)
        async with self._aside() as scratch:
            if after is None:
                repository, theirs = await self._as_it_is(before, ours, scratch, report)
            else:
                repository = self._repository
                theirs = await asyncio.to_thread(repository.manifest, after.backup.id)
            sides = Sides(ours, theirs, after is None)
            try:
                return await compare(repository, sides, scratch, report)
            except RepositoryDamaged:
                both = (before, after) if after is not None else (before,)
                await self._check_still_there(*(found.backup for found in both))
                raise

    @contextlib.asynccontextmanager
    async def _aside(self) -> AsyncIterator[Path]:
        folder = aside(self.home)
        try:
            scratch = await asyncio.to_thread(folder.__enter__)
        except OSError as error:
            raise storage_failed("making a folder in the home", error) from error
        try:
            yield scratch
        finally:
            await asyncio.shield(asyncio.to_thread(folder.__exit__, None, None, None))

    async def _as_it_is(
        self, found: BackupRow, before: Manifest, scratch: Path, report: Report
    ) -> tuple[Repository, Manifest]:
        """Read a project as a backup would, with what is new beside the repository, not in it."""
        from engine.backup import Request, take_backup
        from engine.model import Progress
        from engine.repository.overlay import Overlay

        project = await self._catalog.projects.get(found.backup.project)
        if project is None:
            raise NotFound(
                f"{found.project_name} is not in this home any more, so there is no project as it "
                "is now.",
                hint="Nothing was changed. Compare two of its backups: give both.",
            )
        await self._access.check(Action.SEE_BACKUPS, project, unknown=no_project(project.name))
        known = before.leave_out in list(LeaveOut)
        leave_out = LeaveOut(before.leave_out) if known else LeaveOut.PRIMARY_KEY
        request = Request(
            backup=new_id(),
            project=project.id,
            project_name=project.name,
            path=project.path,
            owners=before.owners,
            date=self._clock(),
            kind=BackupKind.MANUAL,
            leave_out=leave_out,
            without_damaged=True,
            patience=(await self._settings()).patience,
        )
        previous = before
        latest = await self._catalog.backups.latest(project.id)
        if latest is not None and latest.backup.id != found.backup.id:
            with contextlib.suppress(RepositoryDamaged):  # then more files are read
                newest = await asyncio.to_thread(self._repository.manifest, latest.backup.id)
                previous = newest if newest.leave_out == before.leave_out else before
        beside = Overlay(self._repository.storage, scratch / "repository")
        repository = self._repository._replace(storage=beside)
        report(Progress("reading the project", 0, 0))
        # What is the same as in the last backup is not read, and is there already.
        made = await take_backup(repository, request, previous, Home(scratch), report)
        return repository, made
