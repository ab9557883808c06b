"""Prices, quotes, charges and what projects cost."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from engine.model.written import Json, iso


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency; amounts are exact decimals, never floats."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        """The amount with two decimals or more if it has them, then the currency: 49.00 EUR."""
        return f"{amount_text(self.amount)} {self.currency}"


def amount_text(amount: Decimal) -> str:
    """An amount as text: at least two decimals, more only where they are not zero."""
    text = f"{amount.normalize():f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


@dataclass(frozen=True, slots=True)
class Prices:
    """What a restored project costs, as its home's settings say; all zero where none are set.

    `hourly_per_gb` is for each 10^9 bytes of the databases that the backup stands for.
    """

    currency: str = "EUR"
    creation_fee: Decimal = Decimal(0)
    hourly: Decimal = Decimal(0)
    hourly_per_gb: Decimal = Decimal(0)
    priced: bool = False  # whether any of the three amounts was set, be it to zero


class Charge(NamedTuple):
    """An amount that fell due once; it stays when its project is gone."""

    project: str  # id
    project_name: str
    at: datetime
    amount: Money
    what: str


class ActiveInterval(NamedTuple):
    """A time in which a project was active, and its rate then; `ended` is None while it is."""

    project: str  # id
    project_name: str
    started: datetime
    ended: datetime | None
    hourly: Money


class Quote(NamedTuple):
    """What a new project made of a backup will cost; `priced` is False where no prices are set."""

    creation_fee: Money
    hourly: Money
    this_month: Money  # the fee, and the hours until the month ends
    monthly: Money  # 730 hours
    month_ends: datetime
    priced: bool

    def as_json(self) -> Json:
        """The stable keys of a quote; money is text."""
        return {
            "currency": self.creation_fee.currency,
            "creation_fee": amount_text(self.creation_fee.amount),
            "hourly": amount_text(self.hourly.amount),
            "this_month": amount_text(self.this_month.amount),
            "monthly": amount_text(self.monthly.amount),
            "month_ends": iso(self.month_ends),
            "priced": self.priced,
        }


class CostLine(NamedTuple):
    """What one project cost in one calendar month (UTC)."""

    project: str  # id; kept when the project is gone
    project_name: str
    month: str  # YYYY-MM
    hours: Decimal  # hours in which it was active
    creation_fee: Money
    running: Money

    @property
    def total(self) -> Money:
        """Fee and running cost together."""
        return Money(self.creation_fee.amount + self.running.amount, self.running.currency)

    def as_json(self) -> Json:
        """The stable keys of a cost line."""
        return {
            "project": self.project,
            "project_name": self.project_name,
            "month": self.month,
            "hours": str(self.hours),
            "currency": self.running.currency,
            "creation_fee": amount_text(self.creation_fee.amount),
            "running": amount_text(self.running.amount),
            "total": amount_text(self.total.amount),
        }
