"""backstay backups: the backups of a project."""

from __future__ import annotations

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine


@click.command("backups", cls=Command, example="backstay backups 'Plant 7'")
@click.argument("project")
@pass_invocation
def command(invocation: Invocation, project: str) -> None:
    """List the backups of PROJECT, the newest first."""
    backups = with_engine(invocation, lambda engine: engine.backups(project))
    if invocation.json:
        print_json([backup.as_json() for backup in backups])
        return
    if not backups:
        make = plain(invocation.command_line("backup", project))
        print_lines(["No backups yet.", f"Make one now with: {make}"])
        return
    from engine import system_clock
    from tui.views.backups import backups_table

    print_lines(backups_table(backups, system_clock(), layout()))
