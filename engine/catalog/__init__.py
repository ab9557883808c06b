"""What a home knows: projects and their members, backups, jobs, held items, costs, the audit trail.

All of it is in one SQLite database, ``catalog.db`` (mode 0600, write-ahead logging), that several
processes may use at once. `Catalog` opens it and has one attribute for each kind of record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from engine.catalog import schema
from engine.catalog.connection import PATIENCE, Database, Transaction
from engine.clock import Clock, system_clock
from engine.errors import NotFound
from engine.lazily import lazily
from engine.private import check_private

if TYPE_CHECKING:
    from engine.catalog.audit import Audit
    from engine.catalog.backups import BackupRow, Backups
    from engine.catalog.costs import Costs
    from engine.catalog.held import Held
    from engine.catalog.incidents import Incidents
    from engine.catalog.invitations import Invitations
    from engine.catalog.jobs import JobRow, Jobs
    from engine.catalog.members import Members
    from engine.catalog.projects import ProjectRow, Projects
    from engine.catalog.schedules import ScheduleRow, Schedules, SlotRow
    from engine.model import Project

__all__ = [
    "CATALOG_FILE",
    "BackupRow",
    "Catalog",
    "JobRow",
    "ProjectRow",
    "ScheduleRow",
    "SlotRow",
    "Transaction",
]

if not TYPE_CHECKING:  # or checkers would believe in any name
    __getattr__ = lazily(
        __name__,
        {
            "backups": ("BackupRow",),
            "jobs": ("JobRow",),
            "projects": ("ProjectRow",),
            "schedules": ("ScheduleRow", "SlotRow"),
        },
    )

CATALOG_FILE = "catalog.db"


class Catalog:
    """An open catalog; close it, or use it in ``async with``.

    Every call raises `Busy` when another program holds the catalog for too long, `Damaged` when it
    is not sound, and `StorageFailed` when the disk is full, read-only or out of reach. A call that
    is cancelled ends soon, and has done its work wholly or not at all.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @cached_property
    def projects(self) -> Projects:
        """The projects that the home knows."""
        from engine.catalog.projects import Projects

        return Projects(self._database, self._clock)

    @cached_property
    def members(self) -> Members:
        """Who belongs to which project."""
        from engine.catalog.members import Members

        return Members(self._database)

    @cached_property
    def backups(self) -> Backups:
        """The backups of all projects."""
        from engine.catalog.backups import Backups

        return Backups(self._database)

    @cached_property
    def jobs(self) -> Jobs:
        """What was asked for, how far it is and how it ended."""
        from engine.catalog.jobs import Jobs

        return Jobs(self._database, self._clock)

    @cached_property
    def held(self) -> Held:
        """What is held back in quiet projects."""
        from engine.catalog.held import Held

        return Held(self._database)

    @cached_property
    def costs(self) -> Costs:
        """What fell due, and when projects were active."""
        from engine.catalog.costs import Costs

        return Costs(self._database, self._clock)

    @cached_property
    def audit(self) -> Audit:
        """The audit trail."""
        from engine.catalog.audit import Audit

        return Audit(self._database)

    @cached_property
    def schedules(self) -> Schedules:
        """The plans of projects, and the slots that were taken."""
        from engine.catalog.schedules import Schedules

        return Schedules(self._database)

    @cached_property
    def incidents(self) -> Incidents:
        """What was told to be wrong and is not over."""
        from engine.catalog.incidents import Incidents

        return Incidents(self._database)

    @cached_property
    def invitations(self) -> Invitations:
        """The roles that were offered and not answered."""
        from engine.catalog.invitations import Invitations

        return Invitations(self._database)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Clock = system_clock,
        create: bool = True,
        patience: float = PATIENCE,
    ) -> Catalog:
        """Open the catalog at `path`, made first if it is not there and `create`.

        `patience` is how many seconds to wait for other programs. Raises `NotFound` when there is
        none, `HomeUnsafe` when others can change it, `TooNew` when a newer Backstay wrote it, and
        what every call raises.
        """
        try:
            check_private(path)
        except NotFound:
            if not create:
                raise
            await schema.create(path, patience=patience)
            check_private(path)
        database = await Database.open(path, patience=patience)
        try:
            await schema.migrate(database)
            await database.use_wal()
        except BaseException:
            await database.close()
            raise
        return cls(database, clock)

    async def close(self) -> None:
        """Close the catalog; a second time does nothing."""
        await self._database.close()

    async def __aenter__(self) -> Catalog:
        """The catalog itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A block whose changes to all records are kept together, or not at all.

        Other tasks and processes wait meanwhile: do nothing slow in it. A cancellation that comes
        while the changes are being written is raised after that; `Transaction.kept` says whether
        they were.
        """
        return self._database.transaction()

    @property
    def in_transaction(self) -> bool:
        """Whether the running task is inside a `transaction` block."""
        return self._database.in_transaction

    async def anything_unfinished(self) -> bool:
        """Whether a job is running, or a project is being made or deleted."""
        from engine.model import JobState, ProjectState

        ((found,),) = await self._database.rows(
            "SELECT EXISTS (SELECT 1 FROM job WHERE state = ?)"
            " OR EXISTS (SELECT 1 FROM project WHERE state = ?)",
            JobState.RUNNING.value,
            ProjectState.CREATING.value,
        )
        return bool(found)

    async def changes_of_others(self) -> int:
        """A number that is another one after somebody else has changed the catalog."""
        ((version,),) = await self._database.rows("PRAGMA data_version")
        return int(version)

    async def describe(self, rows: Iterable[ProjectRow], user: str) -> Sequence[Project]:
        """Projects with everyone who belongs to them, and what `user` is to each."""
        return tuple([await self._describe(row, user) for row in rows])

    async def _describe(self, row: ProjectRow, user: str) -> Project:
        from engine.model import Project, Role

        members = await self.members.roles(row.id)
        return Project(
            id=row.id,
            name=row.name,
            path=row.path,
            state=row.state,
            quiet=row.quiet,
            origin=row.origin,
            role=next((member.role for member in members if member.user == user), None),
            owners=tuple(m.user for m in members if m.role is Role.OWNER),
            collaborators=tuple(m.user for m in members if m.role is Role.COLLABORATOR),
            created=row.created,
        )
