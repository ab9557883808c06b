"""What a new project will cost, before anybody pays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from engine import Backup, Money, Quote, system_clock
from tui.invocation import Invocation
from tui.output import Layout
from tui.plain_text import plain
from tui.views.facts import facts, folded
from tui.wording import date_with_zone

_PROOF_AGES = timedelta(days=7)  # then a proof is an old one
FREE = "No prices are set in this home, so a new project costs nothing."
PAID = "Nothing is charged if it fails. Stopping or deleting the project ends the hourly cost."


def quote_facts(quote: Quote, shown: Callable[[Money], str] = str) -> list[tuple[str, str]]:
    """What is paid and when; `shown` says how an amount is written."""
    running = Money(quote.this_month.amount - quote.creation_fee.amount, quote.hourly.currency)
    last = quote.month_ends - timedelta(seconds=1)
    hourly, monthly = shown(quote.hourly), shown(quote.monthly)
    fee, this_month = shown(quote.creation_fee), shown(quote.this_month)
    return [
        ("Now, once", fee),
        ("While it is active", f"{hourly} an hour, about {monthly} a month"),
        (f"This month, until {last.day} {last:%b}", f"{fee} + {shown(running)} = {this_month}"),
    ]


def quote_lines(quote: Quote, layout: Layout) -> list[str]:
    """The price now, while the project is active, and this month."""
    said = PAID if quote.priced else FREE
    return [*facts(quote_facts(quote), layout), "", *folded(said, layout)]


def proof_lines(backup: Backup, invocation: Invocation, layout: Layout) -> list[str]:
    """What is to be known before a backup is restored that was not proved lately; else nothing."""
    if backup.verified is None:
        said = "It was never proved that this backup restores. To prove it first:"
    elif system_clock() - backup.verified > _PROOF_AGES:
        when = date_with_zone(backup.verified)
        said = f"That this backup restores was last proved on {when}. To prove it now:"
    else:
        return []
    run = plain(invocation.command_line("verify", backup.id))
    return ["", *folded(said, layout), f"  {run}"]  # a line of its own, to be copied whole
