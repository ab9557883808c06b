"""The jobs of a home: what was begun, how it ended, and what died with its process."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from engine.catalog.columns import date_of, date_text, maybe_date_of, some_text
from engine.catalog.connection import Database
from engine.clock import Clock
from engine.model import JobKind, JobState
from engine.names import new_id


class JobRow(NamedTuple):
    """A job. `reason` says why it failed or was lost, in words for its owner; else it is empty."""

    id: str
    kind: JobKind
    project: str  # id
    project_name: str
    user: str
    state: JobState
    reason: str
    started: datetime
    finished: datetime | None


class Jobs:
    """The jobs of a home. A job that has ended never changes again."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def start(self, kind: JobKind, project: str, project_name: str, user: str) -> JobRow:
        """Note that a job runs from now on."""
        job = JobRow(
            id=new_id(),
            kind=kind,
            project=project,
            project_name=project_name,
            user=user,
            state=JobState.RUNNING,
            reason="",
            started=self._clock(),
            finished=None,
        )
        await self._database.change(
            "INSERT INTO job (id, kind, project, project_name, user, state, reason, started)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            job.id,
            kind.value,
            project,
            project_name,
            user,
            job.state.value,
            job.reason,
            date_text(job.started),
        )
        return job

    async def finish(self, job: str, state: JobState, reason: str = "") -> bool:
        """Note how a running job ended, now; `reason` holds no secret.

        Gives False, and changes nothing, when it was not running any more.
        """
        if state is JobState.RUNNING:
            raise ValueError("running is no end")
        return await self._database.change(
            "UPDATE job SET state = ?, reason = ?, finished = ? WHERE id = ? AND state = ?",
            state.value,
            reason,
            date_text(self._clock()),
            job,
            JobState.RUNNING.value,
        )

    async def get(self, job: str) -> JobRow | None:
        """The job with that id; None if there is none."""
        found = await self._database.facts(_row, "SELECT * FROM job WHERE id = ?", job)
        return found[0] if found else None

    async def list(self, projects: Collection[str] | None = None) -> Sequence[JobRow]:
        """All jobs, or those of some projects (ids), newest first."""
        some = some_text(projects)
        return await self._database.facts(
            _row,
            "SELECT * FROM job WHERE ? IS NULL OR project IN (SELECT value FROM json_each(?))"
            " ORDER BY started DESC, rowid DESC",
            some,
            some,
        )

    async def mark_lost(self, alive: Collection[str] = ()) -> Sequence[JobRow]:
        """Note that every running job is lost but those that are `alive`; gives those lost.

        Who calls this holds the home's lock for work: nothing else can be running.
        """
        async with self._database.transaction():
            found = await self._database.facts(
                _row,
                "SELECT * FROM job WHERE state = ? ORDER BY started DESC, rowid DESC",
                JobState.RUNNING.value,
            )
            lost = [job for job in found if job.id not in alive]
            for job in lost:
                await self.finish(job.id, JobState.LOST, "Its process ended before the work did.")
        return tuple([row for job in lost if (row := await self.get(job.id)) is not None])


def _row(row: sqlite3.Row) -> JobRow:
    return JobRow(
        id=row["id"],
        kind=JobKind(row["kind"]),
        project=row["project"],
        project_name=row["project_name"],
        user=row["user"],
        state=JobState(row["state"]),
        reason=row["reason"],
        started=date_of(row["started"]),
        finished=maybe_date_of(row["finished"]),
    )
