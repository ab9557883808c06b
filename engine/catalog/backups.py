"""The backups that the catalog knows of; what they hold is in the repository."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from engine.catalog.columns import date_of, date_text, maybe_date_of, some_text
from engine.catalog.connection import Database
from engine.errors import Invalid, NotFound
from engine.model import Backup, BackupKind, BackupState
from engine.names import shown

SHORTEST_PREFIX = 4  # characters that a shortened id has at least


class BackupRow(NamedTuple):
    """A backup as the catalog keeps it, with its project's name at that time."""

    backup: Backup
    project_name: str
    notes: tuple[str, ...]


class Backups:
    """The backups of a home; those of projects that are gone, too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, backup: Backup, project_name: str, notes: Sequence[str] = ()) -> bool:
        """Add a backup; gives False, and changes nothing, when its id is there already."""
        return await self._database.change(
            "INSERT INTO backup (id, project, project_name, date, kind, state, size, added, data,"
            " devices, variables, actions, analyses, accounts, verified, missing, notes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO NOTHING",
            backup.id,
            backup.project,
            project_name,
            date_text(backup.date),
            backup.kind.value,
            backup.state.value,
            backup.size,
            backup.added,
            backup.data,
            backup.devices,
            backup.variables,
            backup.actions,
            backup.analyses,
            backup.accounts,
            None if backup.verified is None else date_text(backup.verified),
            backup.missing,
            json.dumps(list(notes)),
        )

    async def list(self, project: str) -> Sequence[BackupRow]:
        """The backups of a project, newest first; those of one moment by id, downwards."""
        return await self._database.facts(
            _row, "SELECT * FROM backup WHERE project = ? ORDER BY date DESC, id DESC", project
        )

    async def latest(self, project: str) -> BackupRow | None:
        """The newest backup of a project; None when it has none."""
        found = await self._database.facts(
            _row,
            "SELECT * FROM backup WHERE project = ? ORDER BY date DESC, id DESC LIMIT 1",
            project,
        )
        return found[0] if found else None

    async def find(self, ref: str, *, projects: Collection[str] | None = None) -> BackupRow | None:
        """The backup with that id, or the only one whose id begins with `ref`; None for none.

        Only backups of `projects` (ids) count when they are given: the others' ids stay unknown
        to who may not see them. A beginning needs four characters; upper case does not matter.
        Raises `Invalid` that names the ids when there are several.
        """
        some, ref = some_text(projects), ref.lower()
        exact = await self._database.facts(
            _row,
            "SELECT * FROM backup WHERE lower(id) = ?"
            " AND (? IS NULL OR project IN (SELECT value FROM json_each(?)))",
            ref,
            some,
            some,
        )
        if exact:
            return exact[0]
        if len(ref) < SHORTEST_PREFIX:
            return None
        found = await self._database.facts(
            _row,
            "SELECT * FROM backup WHERE substr(lower(id), 1, ?) = ?"
            " AND (? IS NULL OR project IN (SELECT value FROM json_each(?)))"
            " ORDER BY date DESC, id DESC",
            len(ref),
            ref,
            some,
            some,
        )
        if len(found) > 1:
            ids = ", ".join(row.backup.id for row in found[:5])
            more = ", ..." if len(found) > 5 else ""
            raise Invalid(
                f"{shown(ref)} is the beginning of {len(found)} backups' ids: {ids}{more}.",
                hint="Nothing was changed. Give more of the id.",
            )
        return found[0] if found else None

    async def set_state(
        self, backup: str, state: BackupState, *, verified: datetime | None = None
    ) -> None:
        """Note what was found of a backup, and when it was last proved if that is given.

        Raises `NotFound` when it is not there.
        """
        changed = await self._database.change(
            "UPDATE backup SET state = ?, verified = coalesce(?, verified) WHERE id = ?",
            state.value,
            None if verified is None else date_text(verified),
            backup,
        )
        if not changed:
            raise NotFound(f"There is no backup {shown(backup)} any more.")

    async def remove(self, backup: str) -> bool:
        """Forget a backup whose manifest is gone; gives whether it was known."""
        return await self._database.change("DELETE FROM backup WHERE id = ?", backup)

    async def projects(self) -> frozenset[str]:
        """The ids of all projects with backups, those that are gone included."""
        found = await self._database.rows("SELECT DISTINCT project FROM backup")
        return frozenset(str(row["project"]) for row in found)

    async def ids(self) -> frozenset[str]:
        """The ids of all backups, to compare with the manifests in the repository."""
        return frozenset(
            str(row["id"]) for row in await self._database.rows("SELECT id FROM backup")
        )


def _row(row: sqlite3.Row) -> BackupRow:
    return BackupRow(
        backup=Backup(
            id=row["id"],
            project=row["project"],
            date=date_of(row["date"]),
            kind=BackupKind(row["kind"]),
            state=BackupState(row["state"]),
            size=row["size"],
            added=row["added"],
            data=row["data"],
            devices=row["devices"],
            variables=row["variables"],
            actions=row["actions"],
            analyses=row["analyses"],
            accounts=row["accounts"],
            verified=maybe_date_of(row["verified"]),
            missing=row["missing"],
        ),
        project_name=row["project_name"],
        notes=tuple(str(note) for note in json.loads(row["notes"])),
    )
