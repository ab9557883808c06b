"""What fell due, and when which project was active at what rate; both outlive their project."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from decimal import Decimal

from engine.catalog.columns import date_of, date_text, exact_text, maybe_date_of, some_text
from engine.catalog.connection import Database
from engine.clock import Clock
from engine.model import ActiveInterval, Charge, Money


class Costs:
    """The charges and active intervals of a home. Charges are only ever added."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def charge(self, project: str, project_name: str, amount: Money, what: str) -> None:
        """Note that an amount falls due now. To be done with what it is for, in one transaction."""
        await self._database.change(
            "INSERT INTO charge (project, project_name, at, amount, currency, what)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            project,
            project_name,
            date_text(self._clock()),
            exact_text(amount.amount),
            amount.currency,
            what,
        )

    async def begin(self, project: str, project_name: str, hourly: Money) -> bool:
        """Note that a project is active from now on at that rate.

        Gives False, and changes nothing, when it is active already.
        """
        return await self._database.change(
            "INSERT INTO active_interval (project, project_name, started, hourly, currency)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (project) WHERE ended IS NULL DO NOTHING",
            project,
            project_name,
            date_text(self._clock()),
            exact_text(hourly.amount),
            hourly.currency,
        )

    async def end(self, project: str) -> bool:
        """Note that a project is not active any more from now on; False when it was not.

        Under a clock that was turned back, the interval ends when it began.
        """
        return await self._database.change(
            "UPDATE active_interval SET ended = max(started, ?)"
            " WHERE project = ? AND ended IS NULL",
            date_text(self._clock()),
            project,
        )

    async def charges(self, projects: Collection[str] | None = None) -> Sequence[Charge]:
        """All charges, or those of some projects (ids), in the order in which they fell due."""
        some = some_text(projects)
        return await self._database.facts(
            _charge,
            "SELECT * FROM charge"
            " WHERE ? IS NULL OR project IN (SELECT value FROM json_each(?)) ORDER BY number",
            some,
            some,
        )

    async def intervals(self, projects: Collection[str] | None = None) -> Sequence[ActiveInterval]:
        """All active intervals, or those of some projects (ids), in the order of their begin."""
        some = some_text(projects)
        return await self._database.facts(
            _interval,
            "SELECT * FROM active_interval"
            " WHERE ? IS NULL OR project IN (SELECT value FROM json_each(?)) ORDER BY number",
            some,
            some,
        )


def _charge(row: sqlite3.Row) -> Charge:
    return Charge(
        project=row["project"],
        project_name=row["project_name"],
        at=date_of(row["at"]),
        amount=Money(Decimal(row["amount"]), row["currency"]),
        what=row["what"],
    )


def _interval(row: sqlite3.Row) -> ActiveInterval:
    return ActiveInterval(
        project=row["project"],
        project_name=row["project_name"],
        started=date_of(row["started"]),
        ended=maybe_date_of(row["ended"]),
        hourly=Money(Decimal(row["hourly"]), row["currency"]),
    )
