"""The audit trail: who did or tried what, on what, when, allowed or refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from engine.catalog.columns import date_of, date_text, some_text
from engine.catalog.connection import Database, storable
from engine.model import Verdict

if TYPE_CHECKING:
    from engine.model import AuditCheck, AuditLine

_PART = 10_000  # lines that are read at once
_FIELDS = ("number", "at", "user", "action", "project", "project_name", "verdict", "detail")


class Audit:
    """The audit trail of a home. Lines are only ever added; the database refuses all else.

    Each line is sealed with a hash of itself and of the seal before it, so that a line which was
    changed or removed later, past the database's own refusal, shows: see `check`. Lines from
    before there were seals are covered by the first seal.
    """

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
        async with self._database.transaction():
            newest = await self._database.rows(
                "SELECT number, seal FROM audit ORDER BY number DESC LIMIT 1"
            )
            number, before = 1, ""
            if newest:
                number, before = newest[0]["number"] + 1, newest[0]["seal"]
                if before is None:
                    before = _sealed(await self._all())
            texts = [date_text(at), user, action, project, project_name, verdict.value, detail]
            line = [None if text is None else storable(text) for text in texts]
            await self._database.change(
                "INSERT INTO audit (number, at, user, action, project, project_name, verdict,"
                " detail, seal) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                number,
                *line,
                _seal(before, [number, *line]),
            )

    async def check(self, kept: str | None = None) -> AuditCheck:
        """Whether every line is as it was written, and none is missing.

        `kept` is a seal that an earlier check told: one line must have it still. Whoever can write
        the catalog can seal a whole trail anew, but never come to a seal of before.
        """
        from engine.model import AuditCheck

        last, _ = await self._ends()
        seal, unsealed, kept_line, place = "", True, None, 0
        # In parts, each a look of its own: lines may be added meanwhile, and nobody waits for us.
        while lines := await self._part(place, last):
            for line in lines:
                place += 1
                if line["number"] != place:
                    return AuditCheck(last, "", f"line {place} is missing")
                seal = _seal(seal, [line[field] for field in _FIELDS])
                if seal == kept:
                    kept_line = place
                if line["seal"] is None and unsealed:
                    continue
                unsealed = False
                if line["seal"] != seal:
                    problem = f"line {place}, of {line['at']}, or one before it, was changed"
                    return AuditCheck(last, "", problem)
        problem = ""
        written, newest = await self._ends()
        if place < last:
            problem = f"{last - place} of the last lines are missing"
        elif newest > written:
            problem = f"there is a line {newest}, and only {written} were written"
        elif kept is not None and kept_line is None:
            problem = "no line has the seal that was kept: the trail was written anew since"
        return AuditCheck(last, "" if problem else seal, problem, kept_line)

    async def _ends(self) -> tuple[int, int]:
        """How many lines were ever written, and the number of the newest that is there."""
        ((written, newest),) = await self._database.rows(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0),"
            " coalesce((SELECT max(number) FROM audit), 0)"
        )
        return written, newest

    async def _part(self, after: int, last: int) -> Sequence[sqlite3.Row]:
        return await self._database.rows(
            "SELECT * FROM audit WHERE number > ? AND number <= ? ORDER BY number LIMIT ?",
            *(after, last, _PART),
        )

    async def _all(self) -> Sequence[sqlite3.Row]:
        return await self._database.rows("SELECT * FROM audit ORDER BY number")

    async def list(
        self,
        projects: Collection[str] | None = None,
        user: str | None = None,
        *,
        home: bool = False,
        seen_by: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        verdict: Verdict | None = None,
        limit: int | None = None,
    ) -> Sequence[AuditLine]:
        """All lines, newest first: those about some projects (ids), those of one user, or both.

        `since` is the first moment that counts, `until` the first that does not any more, `limit`
        how many there are at the most.

        With `projects`, those about the home itself are left out, but for those of the user
        `seen_by`, unless `home`.
        """
        some = some_text(projects)
        return await self._database.facts(
            _line,
            "SELECT * FROM audit"
            " WHERE (? IS NULL OR project IN (SELECT value FROM json_each(?))"
            " OR (project IS NULL AND (? OR user = ?)))"
            " AND (? IS NULL OR user = ?) AND (? IS NULL OR at >= ?) AND (? IS NULL OR at < ?)"
            " AND (? IS NULL OR verdict = ?) ORDER BY number DESC LIMIT ?",
            some,
            some,
            home,
            seen_by,
            *(user, user),
            *(2 * (date_text(since) if since else None,)),
            *(2 * (date_text(until) if until else None,)),
            *(2 * (verdict.value if verdict else None,)),
            -1 if limit is None else limit,
        )


def _line(row: sqlite3.Row) -> AuditLine:
    from engine.model import AuditLine

    return AuditLine(
        number=row["number"],
        at=date_of(row["at"]),
        user=row["user"],
        action=row["action"],
        project=row["project_name"],
        verdict=Verdict(row["verdict"]),
        detail=row["detail"],
    )


def _sealed(lines: Sequence[sqlite3.Row]) -> str:
    """The seal of the last of some lines, the first of which is the trail's first."""
    seal = ""
    for line in lines:
        seal = _seal(seal, [line[field] for field in _FIELDS])
    return seal


def _seal(before: str, line: Sequence[object]) -> str:
    """The seal of a line: SHA-256, in hex, of the seal before it and the line as a JSON list."""
    import hashlib
    import json

    content = json.dumps([before, *line], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(content.encode("ascii")).hexdigest()
