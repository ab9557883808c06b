"""Moments as they are typed after an option: a date, or a date and a time, of any zone."""

from __future__ import annotations

from datetime import UTC, datetime

import click


def moment(_: click.Context, option: click.Parameter, text: str | None) -> datetime | None:
    """What was typed, for the callback of an option; in UTC where no zone is said."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            "give a date such as 2026-11-23 or 2026-11-23T14:30:00+01:00.", param=option
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
