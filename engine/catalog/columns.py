"""How facts are written in the catalog's columns: dates, amounts, lists of ids, single values.

Dates are UTC text of one width, so that they sort as text; amounts are text, so that they stay
exact.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


def date_text(moment: datetime) -> str:
    """A moment as it is kept, to the microsecond."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def date_of(text: str) -> datetime:
    """The moment that `date_text` wrote."""
    return datetime.fromisoformat(text).astimezone(UTC)


def maybe_date_of(text: str | None) -> datetime | None:
    """The moment that `date_text` wrote, if there is one."""
    return None if text is None else date_of(text)


def exact_text(amount: Decimal) -> str:
    """A finite amount as it is kept: digit by digit, without an exponent."""
    if not amount.is_finite():
        raise ValueError("an amount that is no number")
    return f"{amount:f}"


def some_text(texts: Collection[str] | None) -> str | None:
    """Texts for ``json_each``: the way to ask for any of them; None for no such condition."""
    return None if texts is None else json.dumps(sorted(texts))


def value_text(value: str | int | None) -> str:
    """One value with its type."""
    return json.dumps(value)


def value_of(text: str) -> str | int | None:
    """The value that `value_text` wrote; raises `ValueError` for any other."""
    value: object = json.loads(text)
    if value is None or isinstance(value, (str, int)):
        return value
    raise ValueError("a value of an unknown type")
