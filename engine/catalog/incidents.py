"""What is wrong with backups just now: told once when it begins, and once when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from engine.catalog.columns import date_of, date_text
from engine.catalog.connection import Database


class Incidents:
    """The incidents that were told and are not over."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self) -> Mapping[tuple[str, str], datetime]:
        """All of them: project (id) and kind, and since when."""
        rows = await self._database.facts(
            lambda row: ((row["project"], row["kind"]), date_of(row["since"])),
            "SELECT * FROM incident",
        )
        return dict(rows)

    async def begin(self, project: str, kind: str, since: datetime) -> bool:
        """Note an incident; False when it is known already."""
        return await self._database.change(
            "INSERT INTO incident (project, kind, since) VALUES (?, ?, ?)"
            " ON CONFLICT (project, kind) DO NOTHING",
            project,
            kind,
            date_text(since),
        )

    async def end(self, project: str, kind: str) -> bool:
        """Note that an incident is over; False when there was none."""
        return await self._database.change(
            "DELETE FROM incident WHERE project = ? AND kind = ?", project, kind
        )
