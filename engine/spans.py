"""Spans of time, as they are given: from a moment on, and before another."""

from __future__ import annotations

from datetime import datetime

from engine.errors import Invalid


def check_span(since: datetime | None, until: datetime | None) -> None:
    """Raise `Invalid` for moments without a time zone, and for a span that is none."""
    for moment in (since, until):
        if moment is not None and moment.tzinfo is None:
            raise Invalid(
                "A moment without a time zone is not clear.",
                hint="Nothing was changed. Give one such as 2026-11-23T00:00:00Z.",
            )
    if since is not None and until is not None and since >= until:
        raise Invalid(
            "The span of time ends before it begins.",
            hint="Nothing was changed. Give an end that is later than the beginning.",
        )


def milliseconds(moment: datetime | None) -> int | None:
    """A moment as epoch milliseconds, as TagoCore counts time."""
    return None if moment is None else round(moment.timestamp() * 1000)
