"""What a new project will cost, and what projects have cost: exact decimals throughout.

Fees, months and sums are rounded half up to cents, rates to millionths, each once and at the end.
Months are those of the UTC calendar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

from engine.amounts import parse_amount
from engine.errors import Invalid, PriceNotAccepted
from engine.model import (
    ActiveInterval,
    Charge,
    CostLine,
    Money,
    Prices,
    Quote,
    amount_text,
)
from engine.names import shown

__all__ = ["HOURS_OF_A_MONTH", "Prices", "check_accepted", "monthly_costs", "parse_amount", "quote"]

HOURS_OF_A_MONTH = 730  # what "a month" means in a price; a calendar month has 672 to 744

_CENT = Decimal("0.01")
_MILLIONTH = Decimal("0.000001")
_GB = Decimal(10**9)
_MICROSECONDS_OF_AN_HOUR = Decimal(3_600_000_000)
_DIGITS = 60  # enough for every sum here to be exact until it is rounded


def quote(prices: Prices, data_bytes: int, now: datetime) -> Quote:
    """What a new project made of a backup that stands for `data_bytes` costs from `now` on.

    The month counts as starting now and ends at `month_ends`, the first instant of the next month
    in UTC. What is shown per month follows from the rounded rate, which is the one charged. Where
    no prices are set, all is 0 in the currency of `Prices`, EUR by default, and `priced` is False.
    """
    month_ends = _next_month(_utc(now))
    with localcontext(prec=_DIGITS):
        fee = _rounded(prices.creation_fee, _CENT)
        per_gb = prices.hourly_per_gb * Decimal(data_bytes) / _GB
        hourly = _rounded(prices.hourly + per_gb, _MILLIONTH)
        left = hourly * _microseconds(month_ends - _utc(now)) / _MICROSECONDS_OF_AN_HOUR
        return Quote(
            creation_fee=Money(fee, prices.currency),
            hourly=Money(hourly, prices.currency),
            this_month=Money(_rounded(fee + left, _CENT), prices.currency),
            monthly=Money(_rounded(hourly * HOURS_OF_A_MONTH, _CENT), prices.currency),
            month_ends=month_ends,
            priced=prices.priced,
        )


def check_accepted(offer: Quote, accepted: Decimal | Quote | None) -> None:
    """Pass when `accepted` is the creation fee, or a quote of the same fee and hourly rate.

    49 and 49.00 are the same. Raises `PriceNotAccepted`, which shows the whole price and what to
    give to accept it. Nothing is free of this question: without prices, 0.00 is what has to be
    accepted.
    """
    fee = offer.creation_fee
    if isinstance(accepted, Quote):
        if (accepted.creation_fee, accepted.hourly) == (fee, offer.hourly):
            return
        found = "The price has changed since it was agreed to."
    elif accepted is None:
        found = "The price was not accepted yet."
    elif accepted == fee.amount:
        return
    else:
        found = f"The price is not {amount_text(accepted)} {fee.currency}."
    unpriced = "" if offer.priced else " No prices are set in this home."
    raise PriceNotAccepted(
        f"{found} A new project costs {fee} once, now, and {offer.hourly} for each hour in which "
        f"it is active: {offer.this_month} this month, about {offer.monthly} per month.{unpriced}",
        hint=f"Nothing was charged. To accept it: --accept-cost {amount_text(fee.amount)}",
        quote=offer.as_json(),
    )


@dataclass(slots=True)
class _Sum:
    """What comes together for one project, month and currency, not yet rounded.

    Time is kept in microseconds, and hours are divided out at the very end: a third of an hour has
    no exact decimal, and half a cent must not be lost to it.
    """

    fees: Decimal = Decimal(0)
    time: Decimal = Decimal(0)  # microseconds
    running: Decimal = Decimal(0)  # hourly rates times microseconds


def monthly_costs(
    charges: Iterable[Charge],
    intervals: Iterable[ActiveInterval],
    month: str | None,
    now: datetime,
) -> tuple[CostLine, ...]:
    """What each project cost in each month, oldest month first, then by project name.

    An interval that spans months counts in each for its part; one that is still open counts up to
    `now`. `month` (YYYY-MM) leaves one month; None leaves all. A project whose prices changed
    currency within a month has a line for each. Hours are given to millionths.
    Raises `Invalid` for a `month` that is none.
    """
    if month is not None and not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise Invalid(
            f"{shown(month)} is not a month: write it like 2026-11.",
            hint="See the costs of all months with: backstay costs",
        )
    sums: dict[tuple[str, str, str], _Sum] = {}
    names: dict[str, tuple[datetime, str]] = {}

    def sum_of(project: str, name: str, at: datetime, currency: str) -> _Sum:
        if project not in names or names[project][0] <= at:
            names[project] = (at, name)
        return sums.setdefault((f"{at.year:04}-{at.month:02}", project, currency), _Sum())

    with localcontext(prec=_DIGITS):
        for charge in charges:
            at = _utc(charge.at)
            found = sum_of(charge.project, charge.project_name, at, charge.amount.currency)
            found.fees += charge.amount.amount
        for interval in intervals:
            ended = _utc(interval.ended or now)
            for start, end in _cut_by_month(_utc(interval.started), ended):
                rate = interval.hourly
                found = sum_of(interval.project, interval.project_name, start, rate.currency)
                found.time += _microseconds(end - start)
                found.running += rate.amount * _microseconds(end - start)
        lines = [
            CostLine(
                project=project,
                project_name=names[project][1],
                month=when,
                hours=_rounded(found.time / _MICROSECONDS_OF_AN_HOUR, _MILLIONTH),
                creation_fee=Money(_rounded(found.fees, _CENT), currency),
                running=Money(_rounded(found.running / _MICROSECONDS_OF_AN_HOUR, _CENT), currency),
            )
            for (when, project, currency), found in sums.items()
            if month in (None, when)
        ]
    lines.sort(
        key=lambda line: (line.month, line.project_name, line.project, line.running.currency)
    )
    return tuple(lines)


def _cut_by_month(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        cut = min(end, _next_month(start))
        yield start, cut
        start = cut


def _next_month(moment: datetime) -> datetime:
    """The first instant of the month after `moment`, in UTC."""
    if moment.month == 12:
        return datetime(moment.year + 1, 1, 1, tzinfo=UTC)
    return datetime(moment.year, moment.month + 1, 1, tzinfo=UTC)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC)


def _microseconds(time: timedelta) -> Decimal:
    return Decimal(time // timedelta(microseconds=1))


def _rounded(amount: Decimal, step: Decimal) -> Decimal:
    return amount.quantize(step, rounding=ROUND_HALF_UP)
