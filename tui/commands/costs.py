"""backstay costs: what projects cost, month by month."""

from __future__ import annotations

import re

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.running import with_engine

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def _month(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _MONTH.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not a month such as 2026-11.")
    return value


@click.command("costs", cls=Command, example="backstay costs --month 2026-11")
@click.option("--month", metavar="YYYY-MM", callback=_month, help="Only this calendar month (UTC).")
@pass_invocation
def command(invocation: Invocation, month: str | None) -> None:
    """Show what your projects cost, month by month.

    By calendar month (UTC); projects that were deleted are included.
    """
    lines = with_engine(invocation, lambda engine: engine.costs(month))
    if invocation.json:
        print_json([line.as_json() for line in lines])
        return
    from tui.views.money import costs_table

    when = f" in {month}" if month else " yet"
    print_lines(costs_table(lines, layout()) if lines else [f"Nothing was charged{when}."])
