"""The projects that a home knows, and the names that are taken."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from engine.catalog.columns import date_of, date_text
from engine.catalog.connection import Database
from engine.clock import Clock
from engine.errors import Invalid, NotFound, Taken
from engine.model import Origin, ProjectState, Role
from engine.names import is_id, name_key, shown

_SELECT = """
    SELECT *, EXISTS (SELECT 1 FROM held_item WHERE held_item.project = project.id) AS quiet
    FROM project
"""


class ProjectRow(NamedTuple):
    """A project as the catalog keeps it; who belongs to it stands with the members."""

    id: str
    name: str
    path: Path
    state: ProjectState
    origin: Origin
    created: datetime
    quiet: bool  # whether anything is still held for its owner to wake


class Forgotten(NamedTuple):
    """A project that was taken off the list; its backups and members are still known."""

    id: str
    name: str


class Projects:
    """The projects of a home. A name is taken from the moment its row is there."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(
        self, project: str, name: str, path: Path, state: ProjectState, origin: Origin
    ) -> ProjectRow:
        """Add a project, created now; `name` is one that `check_project_name` gave.

        Raises `Taken` when a project has that name, whatever its case or form, or that folder.
        """
        if not is_id(project):
            raise Invalid(f"{shown(project)} is not a project's id.")
        created = self._clock()
        async with self._database.transaction():
            await self._refuse_taken(name, path)
            await self._database.change(
                "INSERT INTO project (id, name, key, path, state, origin, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                project,
                name,
                name_key(name),
                os.fsencode(path),
                state.value,
                origin.value,
                date_text(created),
            )
        return ProjectRow(project, name, path, state, origin, created, quiet=False)

    async def come_back(self, project: str, name: str, path: Path) -> ProjectRow:
        """Note where the folder of an absent project is: it is active from now on.

        Raises `Taken` as `add` does, and `NotFound` when it is not absent.
        """
        async with self._database.transaction():
            await self._refuse_taken(name, path, besides=project)
            changed = await self._database.change(
                "UPDATE project SET name = ?, key = ?, path = ?, state = ?"
                " WHERE id = ? AND state = ?",
                name,
                name_key(name),
                os.fsencode(path),
                ProjectState.ACTIVE.value,
                project,
                ProjectState.ABSENT.value,
            )
        row = await self.get(project)
        if not changed or row is None:
            raise NotFound(f"The project {shown(project)} is not absent any more.")
        return row

    async def get(self, ref: str, *, include_creating: bool = False) -> ProjectRow | None:
        """The project with that id or that name, in whatever case or form; None if there is none.

        A project that is being made is no project yet, unless `include_creating`.
        """
        where = "id = ?" if is_id(ref) else "key = ?"
        return await self._one(where, ref if is_id(ref) else name_key(ref), include_creating)

    async def at(self, path: Path, *, include_creating: bool = False) -> ProjectRow | None:
        """The project whose folder is `path`; None if there is none."""
        return await self._one("path = ?", os.fsencode(path), include_creating)

    async def list(self, *, include_creating: bool = False) -> Sequence[ProjectRow]:
        """All projects, by name."""
        where = "" if include_creating else f" WHERE state <> '{ProjectState.CREATING.value}'"
        return await self._database.facts(_row, f"{_SELECT}{where} ORDER BY key")

    async def set_state(self, project: str, state: ProjectState) -> None:
        """Note that a project is active or stopped; raises `NotFound` when it is not there."""
        changed = await self._database.change(
            "UPDATE project SET state = ? WHERE id = ?", state.value, project
        )
        if not changed:
            raise NotFound(f"There is no project {shown(project)} any more.")

    async def finish_creating(
        self, project: str, state: ProjectState = ProjectState.ACTIVE
    ) -> None:
        """Turn a project that was being made into one that exists.

        Raises `NotFound` when it is not being made: so that nothing is finished, and charged for,
        twice.
        """
        changed = await self._database.change(
            "UPDATE project SET state = ? WHERE id = ? AND state = ?",
            state.value,
            project,
            ProjectState.CREATING.value,
        )
        if not changed:
            raise NotFound(f"The project {shown(project)} is not being made any more.")

    async def remove(self, project: str) -> bool:
        """Remove a project and what it holds; its members, costs and audit lines stay.

        Gives whether it was there.
        """
        return bool(await self._database.change("DELETE FROM project WHERE id = ?", project))

    async def forget(self, row: ProjectRow) -> None:
        """Remove a project, and keep in mind which folder its backups are of."""
        async with self._database.transaction():
            await self.remove(row.id)
            await self._database.change(
                "INSERT INTO forgotten (project, name, path, at) VALUES (?, ?, ?, ?)",
                row.id,
                row.name,
                os.fsencode(row.path),
                date_text(self._clock()),
            )

    async def forgotten(self, path: Path, owner: str) -> Forgotten | None:
        """The last project that was in `path` when it was forgotten, of those `owner` owned."""
        found = await self._database.facts(
            lambda row: Forgotten(row["project"], row["name"]),
            "SELECT forgotten.project, name FROM forgotten"
            " JOIN member ON member.project = forgotten.project"
            " WHERE path = ? AND user = ? AND role = ? ORDER BY at DESC, forgotten.project LIMIT 1",
            os.fsencode(path),
            owner,
            Role.OWNER.value,
        )
        return found[0] if found else None

    async def remember(self, project: str) -> None:
        """Note that a project which was forgotten is there again."""
        await self._database.change("DELETE FROM forgotten WHERE project = ?", project)

    async def remove_unfinished(self, project: str) -> bool:
        """Remove a project that is still being made, and free its name; gives whether it was."""
        return await self._database.change(
            "DELETE FROM project WHERE id = ? AND state = ?", project, ProjectState.CREATING.value
        )

    async def _one(
        self, where: str, value: str | bytes, include_creating: bool
    ) -> ProjectRow | None:
        found = await self._database.facts(_row, f"{_SELECT} WHERE {where}", value)
        if not found or (found[0].state is ProjectState.CREATING and not include_creating):
            return None
        return found[0]

    async def _refuse_taken(self, name: str, path: Path, *, besides: str | None = None) -> None:
        named = await self._one("key = ?", name_key(name), True)
        if named is not None and named.id != besides:
            being_made = named.state is ProjectState.CREATING
            raise Taken(
                f"A project that is being made is called {shown(named.name)} already."
                if being_made
                else f"A project is called {shown(named.name)} already.",
                hint="Nothing was changed. Choose another name.",
            )
        there = await self._one("path = ?", os.fsencode(path), True)
        if there is not None and there.id != besides:
            raise Taken(
                f"The instance in {path} is a project of this home already.",
                hint="Nothing was changed. Its owner sees it with: backstay projects",
            )


def _row(row: sqlite3.Row) -> ProjectRow:
    return ProjectRow(
        id=row["id"],
        name=row["name"],
        path=Path(os.fsdecode(row["path"])),
        state=ProjectState(row["state"]),
        origin=Origin(row["origin"]),
        created=date_of(row["created"]),
        quiet=bool(row["quiet"]),
    )
