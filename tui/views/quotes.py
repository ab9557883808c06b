"""What a new project will cost, before anybody pays."""

from __future__ import annotations

from datetime import timedelta

from engine import Money, Quote
from tui.output import Layout
from tui.views.facts import facts, folded


def quote_lines(quote: Quote, layout: Layout) -> list[str]:
    """The price now, while the project is active, and this month."""
    running = Money(quote.this_month.amount - quote.creation_fee.amount, quote.hourly.currency)
    last = quote.month_ends - timedelta(seconds=1)
    lines = facts(
        [
            ("Now, once", str(quote.creation_fee)),
            ("While it is active", f"{quote.hourly} an hour, about {quote.monthly} a month"),
            (
                f"This month, until {last.day} {last:%b}",
                f"{quote.creation_fee} + {running} = {quote.this_month}",
            ),
        ],
        layout,
    )
    free = "No prices are set in this home, so a new project costs nothing."
    paid = "Nothing is charged if it fails. Stopping or deleting the project ends the hourly cost."
    return [*lines, "", *folded(paid if quote.priced else free, layout)]
