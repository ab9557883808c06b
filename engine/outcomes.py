"""What came of jobs that succeeded, for whoever comes back to them later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.access import Action
from engine.errors import Damaged, Invalid, NotFound
from engine.jobs import Jobs
from engine.model import JobKind, JobState
from engine.proofs import Proofs, verified_of

if TYPE_CHECKING:
    from engine.catalog import JobRow
    from engine.model import Backup, CleanUpReport, RestoreReport, VerifyReport


class Outcomes(Proofs, Jobs):
    """What came of the jobs of a home."""

    async def report(self, job: str) -> RestoreReport:
        """The report of a restore that succeeded, with the new project's tokens as they are now.

        For who owns both the project that it was made of and the new one. Raises `Invalid` for a
        job of another kind, or one that has not succeeded, and `NotFound` where the new project is
        gone.
        """
        row = await self._succeeded(job)
        if row.job.kind is not JobKind.RESTORE:
            raise Invalid(
                f"The job {row.job.id} made no project: it is a {row.job.kind.value}.",
                hint=f"See what it did with: backstay jobs {row.job.id[:8]}",
            )
        project = await self._catalog.projects.get(str(row.result.get("project")))
        await self._access.check(
            Action.SEE_REPORT, project, unknown=_no_new_project(row), detail=f"job {row.job.id}"
        )
        try:
            return await self._report_of(row)
        except _UNREADABLE as error:
            raise _unreadable(row) from error

    async def outcome(self, job: str) -> Backup | CleanUpReport | VerifyReport:
        """What a backup that succeeded made, a clean-up removed, or a proof found.

        Raises `Invalid` for a restore, which has a `report`, or for a job that has not succeeded,
        and `NotFound` where nothing is known of the backup any more.
        """
        row = await self._succeeded(job)
        try:
            if row.job.kind is JobKind.BACKUP:
                return await self._backup_of(row)
            if row.job.kind is JobKind.CLEAN_UP:
                return await self._cleaned(row)
            if row.job.kind is JobKind.VERIFY:
                return verified_of(row)
        except _UNREADABLE as error:
            raise _unreadable(row) from error
        raise Invalid(
            f"The job {row.job.id} made a project: it is a {row.job.kind.value}.",
            hint="What came of it is in its report.",
        )

    async def _succeeded(self, job: str) -> JobRow:
        row = await self._job(job, Action.SEE_JOBS)
        if row.job.state is not JobState.SUCCEEDED:
            raise Invalid(
                f"Nothing came of the job {row.job.id}: it is {row.job.state.value}.",
                hint=f"See how it is with: backstay jobs {row.job.id[:8]}",
            )
        return row


_UNREADABLE = (KeyError, TypeError, ValueError, ArithmeticError)


def _unreadable(row: JobRow) -> Damaged:
    return Damaged(
        f"What came of the job {row.job.id} is not readable in the catalog.",
        hint="What it made is not touched by that.",
    )


def _no_new_project(row: JobRow) -> NotFound:
    """The same words for one that is gone and for one that is not to be known of."""
    return NotFound(
        f"There is no project of yours that the job {row.job.id} made.",
        hint="It was deleted since, or it belongs to others. The backup it was made of is not "
        "touched by that.",
    )
