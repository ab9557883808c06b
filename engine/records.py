"""What an owner looks up: costs, the audit trail, the recovery key."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.access import Access, Action, check_user_name, login_name
from engine.catalog import Catalog
from engine.clock import Clock, system_clock
from engine.errors import Invalid
from engine.home import Home
from engine.names import shown
from engine.repository.keys import parse_recovery_text, recovery_text
from engine.session import Session

if TYPE_CHECKING:
    from engine.model import ActiveInterval, AuditCheck, AuditLine, CostLine, Verdict

_SEAL = r"[0-9a-f]{64}"


class Records(Session):
    """What a home knows of its past, and its key."""

    async def costs(self, month: str | None = None) -> list[CostLine]:
        """What the user's projects cost, by month (YYYY-MM, UTC); those that are gone, too."""
        from engine.pricing import monthly_costs

        owned = await self._owned()
        charges = await self._catalog.costs.charges(owned)
        intervals = await self._catalog.costs.intervals(owned)
        return list(monthly_costs(charges, intervals, month, self._clock()))

    async def running_costs(self) -> list[ActiveInterval]:
        """What costs money by the hour now, of the user's projects: since when, at what rate."""
        intervals = await self._catalog.costs.intervals(await self._owned())
        return [interval for interval in intervals if interval.ended is None]

    async def audit(
        self,
        *,
        project: str | None = None,
        user: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        verdict: Verdict | None = None,
        limit: int | None = None,
    ) -> list[AuditLine]:
        """The audit trail of the projects that the user owns, newest first.

        Only lines of one project or user, from `since` on, before `until`, or with one verdict;
        only the newest `limit` of these.

        Without `project`, lines about the home itself, such as who asked for its recovery key, are
        among them: all of them for who may have that key, their own for others.
        """
        if user is not None:
            user = check_user_name(user)
        if project is not None:
            row = await self._project(project, Action.SEE_AUDIT)
            return list(
                await self._catalog.audit.list(
                    [row.id], user, since=since, until=until, verdict=verdict, limit=limit
                )
            )
        owned = await self._owned()
        concerned = await _concerned(self._catalog)
        owns_all = bool(concerned) and concerned.issubset(owned)
        whole = owns_all or self._home.is_kept_by(self.user)
        return list(
            await self._catalog.audit.list(
                owned,
                user,
                home=whole,
                seen_by=self.user,
                since=since,
                until=until,
                verdict=verdict,
                limit=limit,
            )
        )

    async def check_audit(self, kept: str | None = None) -> AuditCheck:
        """Whether the home's whole audit trail is as it was written, and its last seal.

        With `kept`, the seal that an earlier check told, whether the lines up to it are the same
        ones. For who owns every project of the home, and for the account that its folder belongs
        to. Raises `Invalid` for what is no seal.
        """
        await _require_home(self._access, self._catalog, self._home, Action.SEE_AUDIT)
        if kept is not None and not re.fullmatch(_SEAL, kept):
            raise Invalid(
                f"{shown(kept)} is no seal: it has 64 digits of 0-9 and a-f.",
                hint="Give one that backstay audit --check told before.",
            )
        return await self._catalog.audit.check(kept)

    async def recovery_key(self) -> str:
        """The key of the repository, to write down.

        It is for who owns every project of the home, and for the account that the home's folder
        belongs to, acting under its own login name. Raises `Invalid` where the repository is not
        encrypted.
        """
        await _require_home(self._access, self._catalog, self._home, Action.SHOW_KEY)
        key = await asyncio.to_thread(self._home.read_key)
        if not self._repository.encrypted or key is None:
            raise Invalid(
                "This repository is not encrypted, so it has no recovery key.",
                hint="Nothing is missing: its backups can be read without one.",
            )
        await self._access.record(Action.SHOW_KEY)
        return recovery_text(key)


async def enter_recovery_key(
    home: Path, text: str, *, user: str | None = None, clock: Clock = system_clock
) -> None:
    """Write a home's key file anew from the recovery key that was written down.

    `user` is the login name by default; who may print the key may enter it. It must open the
    home's repository: nothing is replaced otherwise. Works where the key file is lost or damaged,
    so it needs no open engine. Raises `NotAllowed`, `Invalid` and `WrongKey`.
    """
    who = check_user_name(user) if user is not None else login_name()
    place = Home(home.absolute())  # noqa: ASYNC240 — asks for the current folder, no more
    await asyncio.to_thread(place.prepare, create=False)
    async with await Catalog.open(place.catalog, clock=clock, create=False) as catalog:
        access = Access(catalog, who, clock)
        await _require_home(access, catalog, place, Action.ENTER_KEY)
        key = parse_recovery_text(text)
        await asyncio.to_thread(place.check_key, key)
        await access.record(Action.ENTER_KEY)
        await asyncio.to_thread(place.write_key, key, replace=True)


async def _require_home(access: Access, catalog: Catalog, home: Home, action: Action) -> None:
    """Pass when the user may do what concerns the whole home. Raises `NotAllowed`."""
    await access.require_home(
        action,
        sorted(await _concerned(catalog)),
        keeps=home.is_kept_by(access.user),
        keeper=home.keeper,
    )


async def _concerned(catalog: Catalog) -> frozenset[str]:
    """The projects (ids) whose backups the home's key opens: those that are gone, too."""
    there = await catalog.projects.list(include_creating=True)
    return (await catalog.backups.projects()).union(row.id for row in there)
