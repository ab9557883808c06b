"""When each project is backed up, how many backups it keeps, and which dates had their slot."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime, time
from typing import NamedTuple

from engine.catalog.columns import date_of, date_text, maybe_date_of, some_text
from engine.catalog.connection import Database

KEEP = 7  # backups, while nothing else was chosen


class ScheduleRow(NamedTuple):
    """A project's plan. `at` and `zone` are None while its backups are taken by hand only.

    `since` is when the schedule was switched on: slots before that are none.
    """

    at: time | None = None
    zone: str | None = None
    since: datetime | None = None
    keep: int = KEEP


class SlotRow(NamedTuple):
    """A date (YYYY-MM-DD, local) that had its slot: when it was due, its job, what came of it."""

    project: str
    date: str
    due: datetime
    job: str | None
    note: str


class Schedules:
    """The schedules of a home, and the slots that were taken."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, project: str) -> ScheduleRow:
        """A project's plan; the defaults where nothing was chosen."""
        return (await self.all()).get(project, ScheduleRow())

    async def all(self) -> Mapping[str, ScheduleRow]:
        """The plans of all projects that have one, by their ids."""
        rows = await self._database.facts(_named, "SELECT * FROM schedule")
        return dict(rows)

    async def set(self, project: str, plan: ScheduleRow) -> None:
        """Replace a project's plan. Raises `sqlite3.IntegrityError` where it is not known."""
        await self._database.change(
            "INSERT INTO schedule (project, at, zone, since, keep) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (project) DO UPDATE SET at = excluded.at, zone = excluded.zone,"
            " since = excluded.since, keep = excluded.keep",
            project,
            plan.at.isoformat("minutes") if plan.at else None,
            plan.zone,
            date_text(plan.since) if plan.since else None,
            plan.keep,
        )

    async def taken(self, project: str, *, newest: int = 3) -> list[SlotRow]:
        """The newest dates that had their slot, newest first."""
        found = await self._database.facts(
            _slot,
            "SELECT * FROM slot WHERE project = ? ORDER BY date DESC LIMIT ?",
            project,
            newest,
        )
        return list(found)

    async def had(self, dates: Collection[str]) -> frozenset[tuple[str, str]]:
        """Which projects had their slot on some dates: pairs of project (id) and date."""
        rows = await self._database.rows(
            "SELECT project, date FROM slot WHERE date IN (SELECT value FROM json_each(?))",
            some_text(dates),
        )
        return frozenset((row["project"], row["date"]) for row in rows)

    async def take(self, slot: SlotRow) -> bool:
        """Take a slot; False, and nothing is changed, when that date had its own already."""
        return await self._database.change(
            "INSERT INTO slot (project, date, due, job, note) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (project, date) DO NOTHING",
            slot.project,
            slot.date,
            date_text(slot.due),
            slot.job,
            slot.note,
        )

    async def note(self, project: str, date: str, job: str | None, note: str) -> None:
        """Note which job a taken slot has now, and what came of it."""
        await self._database.change(
            "UPDATE slot SET job = ?, note = ? WHERE project = ? AND date = ?",
            job,
            note,
            project,
            date,
        )


def _named(row: sqlite3.Row) -> tuple[str, ScheduleRow]:
    plan = ScheduleRow(
        at=None if row["at"] is None else time.fromisoformat(row["at"]),
        zone=row["zone"],
        since=maybe_date_of(row["since"]),
        keep=row["keep"],
    )
    return row["project"], plan


def _slot(row: sqlite3.Row) -> SlotRow:
    return SlotRow(row["project"], row["date"], date_of(row["due"]), row["job"], row["note"])
