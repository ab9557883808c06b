"""backstay quote: what a new project made of a backup will cost."""

from __future__ import annotations

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine


@click.command("quote", cls=Command, example="backstay quote 'Plant 7@latest'")
@click.argument("backup")
@pass_invocation
def command(invocation: Invocation, backup: str) -> None:
    """Show what a new project made of BACKUP will cost. Nothing is made and nothing is charged."""
    quote = with_engine(invocation, lambda engine: engine.quote(backup))
    if invocation.json:
        print_json(quote.as_json())
        return
    from engine import amount_text
    from tui.views.quotes import quote_lines

    create = invocation.command_line(
        "restore",
        backup,
        "--name",
        "NAME",
        "--accept-cost",
        amount_text(quote.creation_fee.amount),
    )
    print_lines([*quote_lines(quote, layout()), "Create it with:", f"  {plain(create)}"])
