"""The audit trail: who did or tried what, on what, when, allowed or refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime

from engine.catalog.columns import date_of, date_text, some_text
from engine.catalog.connection import Database
from engine.model import AuditLine, Verdict


class Audit:
    """The audit trail of a home. Lines are only ever added; the database refuses all else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        at: datetime,
        user: str,
        action: str,
        verdict: Verdict,
        *,
        project: str | None = None,
        project_name: str | None = None,
        detail: str = "",
    ) -> None:
        """Add a line; `project` is an id, `detail` holds no secret."""
        await self._database.change(
            "INSERT INTO audit (at, user, action, project, project_name, verdict, detail)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            date_text(at),
            user,
            action,
            project,
            project_name,
            verdict.value,
            detail,
        )

    async def list(
        self,
        projects: Collection[str] | None = None,
        user: str | None = None,
        *,
        home: bool = False,
        seen_by: str | None = None,
    ) -> Sequence[AuditLine]:
        """All lines, newest first: those about some projects (ids), those of one user, or both.

        With `projects`, those about the home itself are left out, but for those of the user
        `seen_by`, unless `home`.
        """
        some = some_text(projects)
        return await self._database.facts(
            _line,
            "SELECT * FROM audit"
            " WHERE (? IS NULL OR project IN (SELECT value FROM json_each(?))"
            " OR (project IS NULL AND (? OR user = ?)))"
            " AND (? IS NULL OR user = ?) ORDER BY number DESC",
            some,
            some,
            home,
            seen_by,
            user,
            user,
        )


def _line(row: sqlite3.Row) -> AuditLine:
    return AuditLine(
        number=row["number"],
        at=date_of(row["at"]),
        user=row["user"],
        action=row["action"],
        project=row["project_name"],
        verdict=Verdict(row["verdict"]),
        detail=row["detail"],
    )
