"""Costs by month and project."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from engine import CostLine, Money
from tui.output import Layout
from tui.table import Column, table

_HOURS = Decimal("0.1")


def costs_table(lines: Sequence[CostLine], layout: Layout) -> list[str]:
    """Cost lines as they are given, and the sum in each currency."""
    columns = [
        Column("Month"),
        Column("Project", least=12),
        Column("Hours", right=True),
        Column("Creation", right=True, drop=2),
        Column("Running", right=True, drop=1),
        Column("Total", right=True),
    ]
    rows = [
        [
            line.month,
            line.project_name,
            f"{line.hours.quantize(_HOURS):,}",
            str(line.creation_fee),
            str(line.running),
            str(line.total),
        ]
        for line in lines
    ]
    sums: dict[str, Decimal] = {}
    for line in lines:
        total = line.total
        sums[total.currency] = sums.get(total.currency, Decimal(0)) + total.amount
    in_all = ", ".join(str(Money(amount, currency)) for currency, amount in sums.items())
    laid_out = table(columns, rows, layout)
    return [*laid_out.lines, "", f"In all {in_all}.", *laid_out.note()]
