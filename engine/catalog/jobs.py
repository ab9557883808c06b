"""The jobs of a home: what was asked for, how far it is, how it ended, and what died.

A job is queued by whoever asks for it, claimed by the home's worker, and ends once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from engine.catalog.columns import date_of, date_text, maybe_date_of, some_text
from engine.catalog.connection import Database
from engine.clock import Clock
from engine.model import JobKind, JobState
from engine.names import new_id

if TYPE_CHECKING:
    from engine.model import Job, Progress

BY_SCHEDULE = "backstay"  # who asks for what Backstay does by itself
LOST = "Its worker ended before it was done."


class JobRow(NamedTuple):
    """A job with what its worker needs to know, and what it made.

    `request` and `result` are JSON objects, without secrets.
    """

    job: Job
    request: Mapping[str, object]
    result: Mapping[str, object]
    cancel: bool  # whether somebody asked for it to stop


class Jobs:
    """The jobs of a home. A job that has ended never changes again."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def queue(
        self,
        kind: JobKind,
        project: str,
        project_name: str,
        user: str,
        request: Mapping[str, object] | None = None,
        *,
        slot: str | None = None,
        attempt: int = 1,
    ) -> str:
        """Ask for a job; its id. `request` holds no secret."""
        job = new_id()
        await self._database.change(
            "INSERT INTO job (id, kind, project, project_name, user, state, asked, request, slot,"
            " attempt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            job,
            kind.value,
            project,
            project_name,
            user,
            JobState.QUEUED.value,
            date_text(self._clock()),
            json.dumps(dict(request or {})),
            slot,
            attempt,
        )
        return job

    async def claim(self, kind: JobKind | None = None) -> JobRow | None:
        """Begin the job, or that of a kind, that has waited longest; None when none waits.

        A proof that nobody asked for is begun only where nothing else waits.

        For the worker only.
        """
        found = await self._database.facts(
            _row,
            "UPDATE job SET state = ?, started = ? WHERE rowid ="
            " (SELECT rowid FROM job WHERE state = ? AND kind = coalesce(?, kind)"
            " ORDER BY kind = ? AND user = ?, rowid LIMIT 1)"
            " RETURNING *",
            JobState.RUNNING.value,
            date_text(self._clock()),
            JobState.QUEUED.value,
            None if kind is None else kind.value,
            JobKind.VERIFY.value,
            BY_SCHEDULE,
        )
        return found[0] if found else None

    async def tell(self, job: str, progress: Progress) -> bool:
        """Note how far a running job is; gives whether it is to go on, and not to be cancelled."""
        found = await self._database.rows(
            "UPDATE job SET stage = ?, done = ?, total = ?, rate = ? WHERE id = ? AND state = ?"
            " RETURNING cancel",
            progress.stage,
            progress.done,
            progress.total,
            progress.rate,
            job,
            JobState.RUNNING.value,
        )
        return not (found and found[0][0])

    async def finish(
        self,
        job: str,
        state: JobState,
        reason: str = "",
        *,
        error: str = "",
        hint: str = "",
        result: Mapping[str, object] | None = None,
    ) -> bool:
        """Note how a job ended, now; nothing of it holds a secret.

        Gives False, and changes nothing, when it had ended already.
        """
        if not state.ended:
            raise ValueError(f"{state.value} is no end")
        return await self._database.change(
            "UPDATE job SET state = ?, reason = ?, error = ?, hint = ?, result = ?, finished = ?"
            " WHERE id = ? AND state IN (?, ?)",
            state.value,
            reason,
            error,
            hint,
            json.dumps(dict(result or {})),
            date_text(self._clock()),
            job,
            JobState.QUEUED.value,
            JobState.RUNNING.value,
        )

    async def put_back(self, job: str) -> bool:
        """Let a running job wait again, for a worker that comes later; False where it had ended."""
        return await self._database.change(
            "UPDATE job SET state = ?, started = NULL, stage = '', done = 0, total = 0, rate = NULL"
            " WHERE id = ? AND state = ?",
            JobState.QUEUED.value,
            job,
            JobState.RUNNING.value,
        )

    async def cancel(self, job: str) -> bool:
        """Ask for a job to stop: at once while it waits, soon while it runs.

        Gives False, and changes nothing, when it has ended.
        """
        async with self._database.transaction():
            waiting = await self._database.change(
                "UPDATE job SET state = ?, finished = ?, cancel = 1 WHERE id = ? AND state = ?",
                JobState.CANCELLED.value,
                date_text(self._clock()),
                job,
                JobState.QUEUED.value,
            )
            return waiting or await self._database.change(
                "UPDATE job SET cancel = 1 WHERE id = ? AND state = ?", job, JobState.RUNNING.value
            )

    async def get(self, job: str) -> JobRow | None:
        """The job with that id; None if there is none."""
        found = await self._database.facts(_row, "SELECT * FROM job WHERE id = ?", job)
        return found[0] if found else None

    async def find(self, start: str, projects: Collection[str]) -> Sequence[JobRow]:
        """The jobs of some projects (ids) whose ids begin like that: two at most."""
        return await self._database.facts(
            _row,
            "SELECT * FROM job WHERE substr(id, 1, ?) = ?"
            " AND project IN (SELECT value FROM json_each(?)) LIMIT 2",
            len(start),
            start,
            some_text(projects),
        )

    async def list(
        self, projects: Collection[str] | None = None, *, limit: int = -1
    ) -> Sequence[JobRow]:
        """All jobs, or those of some projects (ids), newest first; at most `limit` of them."""
        some = some_text(projects)
        return await self._database.facts(
            _row,
            "SELECT * FROM job WHERE ? IS NULL OR project IN (SELECT value FROM json_each(?))"
            " ORDER BY rowid DESC LIMIT ?",
            some,
            some,
            limit,
        )

    async def unfinished(self) -> Sequence[JobRow]:
        """The jobs that run or wait, in the order in which they were asked for."""
        return await self._database.facts(
            _row,
            "SELECT * FROM job WHERE state IN (?, ?) ORDER BY rowid",
            JobState.RUNNING.value,
            JobState.QUEUED.value,
        )

    async def newest_backups(self) -> Sequence[JobRow]:
        """For each project the backup job that ended last, but for those that were cancelled."""
        return await self._database.facts(
            _row,
            "SELECT * FROM job WHERE rowid IN (SELECT max(rowid) FROM job WHERE kind = ?"
            " AND state IN (?, ?, ?) GROUP BY project)",
            JobKind.BACKUP.value,
            JobState.SUCCEEDED.value,
            JobState.FAILED.value,
            JobState.LOST.value,
        )

    async def last_clean_up(self, project: str) -> datetime | None:
        """When the last clean-up after a project that succeeded has ended."""
        found = await self._database.rows(
            "SELECT max(finished) AS ended FROM job WHERE project = ? AND kind = ? AND state = ?",
            project,
            JobKind.CLEAN_UP.value,
            JobState.SUCCEEDED.value,
        )
        return maybe_date_of(found[0]["ended"])

    async def mark_lost(self) -> Sequence[JobRow]:
        """Note that every running job is lost; gives those lost, as they are then.

        Who calls this holds the home's lock for work: nothing can be running.
        """
        return await self._database.facts(
            _row,
            "UPDATE job SET state = ?, reason = ?, error = ?, finished = ? WHERE state = ?"
            " RETURNING *",
            JobState.LOST.value,
            LOST,
            "Failed",
            date_text(self._clock()),
            JobState.RUNNING.value,
        )


def _row(row: sqlite3.Row) -> JobRow:
    from engine.model import Job, Progress

    request = _object(row["request"])
    job = Job(
        id=row["id"],
        kind=JobKind(row["kind"]),
        project=row["project"],
        project_name=row["project_name"],
        user=row["user"],
        state=JobState(row["state"]),
        asked=date_of(row["asked"]),
        started=maybe_date_of(row["started"]),
        finished=maybe_date_of(row["finished"]),
        progress=Progress(row["stage"], row["done"], row["total"], row["rate"]),
        error=row["error"],
        reason=row["reason"],
        hint=row["hint"],
        slot=row["slot"],
        attempt=row["attempt"],
        new_project=str(request.get("name", "")),
    )
    return JobRow(job, request, _object(row["result"]), bool(row["cancel"]))


def _object(text: str) -> Mapping[str, object]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value
