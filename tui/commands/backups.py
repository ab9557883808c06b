"""backstay backups: the backups of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine

if TYPE_CHECKING:
    from engine import Backup, Engine


@click.command("backups", cls=Command, example="backstay backups 'Plant 7'")
@click.argument("project")
@pass_invocation
def command(invocation: Invocation, project: str) -> None:
    """List the backups of PROJECT, the newest first."""

    async def listed(engine: Engine) -> tuple[list[Backup], int]:
        backups = await engine.backups(project)
        return backups, (await engine.storage(project)).size

    backups, occupied = with_engine(invocation, listed)
    if invocation.json:
        print_json([backup.as_json() for backup in backups])
        return
    if not backups:
        make = plain(invocation.command_line("backup", project))
        print_lines(["No backups yet.", f"Make one now with: {make}"])
        return
    from engine import system_clock
    from tui.views.backups import backups_table

    print_lines(backups_table(backups, system_clock(), layout(), occupied))
