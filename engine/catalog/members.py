"""Who belongs to which project. Roles stay when a project is gone, for its backups and costs."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from engine.catalog.connection import Database
from engine.errors import Invalid
from engine.model import Member, Role
from engine.names import shown


class Members:
    """The owners and collaborators of projects. A project never loses its last owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def change(self, project: str, user: str, role: Role) -> bool:
        """Give `user` a role, in place of any they have; gives whether that changed anything.

        Raises `Invalid` when it would leave the project without an owner.
        """
        async with self._database.transaction():
            before = await self.role(project, user)
            if before is role:
                return False
            if before is Role.OWNER:
                await self._refuse_last_owner(project, user)
            await self._database.change(
                "INSERT INTO member (project, user, role) VALUES (?, ?, ?)"
                " ON CONFLICT (project, user) DO UPDATE SET role = excluded.role",
                project,
                user,
                role.value,
            )
        return True

    async def remove(self, project: str, user: str) -> bool:
        """Take every role from `user`; gives whether they had one.

        Raises `Invalid` when it would leave the project without an owner.
        """
        async with self._database.transaction():
            before = await self.role(project, user)
            if before is Role.OWNER:
                await self._refuse_last_owner(project, user)
            await self._database.change(
                "DELETE FROM member WHERE project = ? AND user = ?", project, user
            )
        return before is not None

    async def clear(self, project: str) -> None:
        """Forget everyone of a project that never came to exist."""
        await self._database.change("DELETE FROM member WHERE project = ?", project)

    async def roles(self, project: str) -> Sequence[Member]:
        """Everyone who belongs to a project: owners first, then by name."""
        return await self._database.facts(
            _member,
            "SELECT user, role FROM member WHERE project = ? ORDER BY role <> ?, user",
            project,
            Role.OWNER.value,
        )

    async def role(self, project: str, user: str) -> Role | None:
        """What `user` is to a project; None for nothing."""
        found = await self._database.facts(
            _member, "SELECT user, role FROM member WHERE project = ? AND user = ?", project, user
        )
        return found[0].role if found else None

    async def of(self, user: str) -> Mapping[str, Role]:
        """The role of `user` by project id, projects that are gone included."""
        rows = await self._database.facts(
            lambda row: (str(row["project"]), Role(row["role"])),
            "SELECT project, role FROM member WHERE user = ?",
            user,
        )
        return dict(rows)

    async def _refuse_last_owner(self, project: str, user: str) -> None:
        others = await self._database.rows(
            "SELECT 1 FROM member WHERE project = ? AND role = ? AND user <> ?",
            project,
            Role.OWNER.value,
            user,
        )
        if not others:
            raise Invalid(
                f"{shown(user)} is the project's only owner, and it cannot be without one.",
                hint="Nothing was changed. Make somebody else an owner first.",
            )


def _member(row: sqlite3.Row) -> Member:
    return Member(user=row["user"], role=Role(row["role"]))
