"""What an owner looks up: costs, the audit trail, the recovery key."""

from __future__ import annotations

import asyncio

from engine.access import Action, check_user_name
from engine.errors import Invalid
from engine.model import AuditLine, CostLine
from engine.repository.keys import recovery_text
from engine.session import Session


class Records(Session):
    """What a home knows of its past, and its key."""

    async def costs(self, month: str | None = None) -> list[CostLine]:
        """What the user's projects cost, by month (YYYY-MM, UTC); those that are gone, too."""
        from engine.pricing import monthly_costs

        owned = await self._owned()
        charges = await self._catalog.costs.charges(owned)
        intervals = await self._catalog.costs.intervals(owned)
        return list(monthly_costs(charges, intervals, month, self._clock()))

    async def audit(
        self, *, project: str | None = None, user: str | None = None
    ) -> list[AuditLine]:
        """The audit trail of the projects that the user owns, newest first."""
        if user is not None:
            user = check_user_name(user)
        if project is not None:
            row = await self._project(project, Action.SEE_AUDIT)
            return list(await self._catalog.audit.list([row.id], user))
        return list(await self._catalog.audit.list(await self._owned(), user))

    async def recovery_key(self) -> str:
        """The key of the repository, to write down; for who owns every project of the home.

        Raises `Invalid` where the repository is not encrypted.
        """
        rows = await self._catalog.projects.list()
        await self._access.require_all(Action.SHOW_KEY, rows)
        key = await asyncio.to_thread(self._home.read_key)
        if not self._repository.encrypted or key is None:
            raise Invalid(
                "This repository is not encrypted, so it has no recovery key.",
                hint="Nothing is missing: its backups can be read without one.",
            )
        return recovery_text(key)
