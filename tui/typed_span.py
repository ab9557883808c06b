"""A span of time as it is typed into two fields: from a moment on, and before another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

TO_FILL_IN = "2026-11-23 or 2026-11-23 14:30"


class Span(NamedTuple):
    """The span of time that is meant, in UTC, and what is wrong with what was typed."""

    since: datetime | None = None
    until: datetime | None = None
    wrong: tuple[tuple[str, str], ...] = ()  # a field and what is wrong with it

    @property
    def limits(self) -> bool:
        """Whether anything lies outside of it."""
        return self.since is not None or self.until is not None


class TypedSpan(NamedTuple):
    """What was typed; nothing where there is no limit."""

    since: str = ""
    until: str = ""

    def read(self, zone: str | None) -> Span:
        """What is meant, on the clocks of `zone` (IANA; None is UTC) where none is typed."""
        read: list[datetime | None] = []
        wrong: list[tuple[str, str]] = []
        for field, text in zip(self._fields, self, strict=True):
            try:
                read.append(_moment(text.strip(), zone) if text.strip() else None)
            except (ValueError, OverflowError):
                read.append(None)
                wrong.append((field, f"give {TO_FILL_IN}"))
        since, until = read
        if since is not None and until is not None and since >= until:
            wrong.append(("until", "it ends before it begins"))
        return Span(since, until, tuple(wrong))


def _moment(text: str, zone: str | None) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        found = found.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
    return found.astimezone(UTC)
