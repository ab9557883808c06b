"""Moments as they are typed after an option: a date, or a date and a time, of any zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


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


def span_options(what: str = "") -> Callable[[F], F]:
    """The options ``--since`` and ``--until``; `what` names what they limit, as in ``rows``."""
    only = f"Only {what} " if what else "Only "
    since = click.option(
        "--since",
        metavar="T",
        callback=moment,
        help=f"{only}from this moment on (ISO 8601; UTC if not said).",
    )
    until = click.option("--until", metavar="T", callback=moment, help=f"{only}before this moment.")
    return lambda command: since(until(command))
