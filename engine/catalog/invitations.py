"""Invitations to projects: a role that somebody may take on, and has not yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from engine.catalog.columns import date_of, date_text
from engine.catalog.connection import Database
from engine.model import Role


class InvitationRow(NamedTuple):
    """An invitation as the catalog keeps it; `project` is an id."""

    project: str
    user: str
    role: Role
    by: str
    at: datetime


class Invitations:
    """The invitations that were neither accepted nor declined. They go with their project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, invitation: InvitationRow) -> None:
        """Invite somebody, in place of an invitation to the same project."""
        await self._database.change(
            "INSERT INTO invitation (project, user, role, by, at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (project, user) DO UPDATE"
            " SET role = excluded.role, by = excluded.by, at = excluded.at",
            invitation.project,
            invitation.user,
            invitation.role.value,
            invitation.by,
            date_text(invitation.at),
        )

    async def get(self, project: str, user: str) -> InvitationRow | None:
        """The invitation of a user to a project; None where there is none."""
        found = await self._database.facts(
            _row, "SELECT * FROM invitation WHERE project = ? AND user = ?", project, user
        )
        return found[0] if found else None

    async def to(self, project: str) -> Sequence[InvitationRow]:
        """All invitations to a project, by user."""
        return await self._database.facts(
            _row, "SELECT * FROM invitation WHERE project = ? ORDER BY user", project
        )

    async def of(self, user: str) -> Sequence[InvitationRow]:
        """All invitations of a user, the oldest first."""
        return await self._database.facts(
            _row, "SELECT * FROM invitation WHERE user = ? ORDER BY at, project", user
        )

    async def remove(self, project: str, user: str) -> bool:
        """Forget an invitation; gives whether there was one."""
        return await self._database.change(
            "DELETE FROM invitation WHERE project = ? AND user = ?", project, user
        )

    async def forget(self, project: str, user: str) -> None:
        """Forget what concerns a user: their own invitation, and those that they made."""
        await self._database.change(
            "DELETE FROM invitation WHERE project = ? AND (user = ? OR by = ?)", project, user, user
        )


def _row(row: sqlite3.Row) -> InvitationRow:
    return InvitationRow(
        project=row["project"],
        user=row["user"],
        role=Role(row["role"]),
        by=row["by"],
        at=date_of(row["at"]),
    )
