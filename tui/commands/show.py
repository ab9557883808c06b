"""backstay show: one backup, device by device, and what it does not contain."""

from __future__ import annotations

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.running import with_engine


@click.command("show", cls=Command, example="backstay show 'Plant 7@latest'")
@click.argument("backup")
@pass_invocation
def command(invocation: Invocation, backup: str) -> None:
    """Show what is in BACKUP, and what is not.

    Its devices one by one, and what a restore makes anew.
    """
    details = with_engine(invocation, lambda engine: engine.show(backup))
    if invocation.json:
        print_json(details.as_json())
        return
    from engine import system_clock
    from tui.views.backups import details_lines

    print_lines(details_lines(details, system_clock(), layout()))
