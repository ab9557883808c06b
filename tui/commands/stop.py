"""backstay stop: end a project's running costs, keeping all of it."""

from __future__ import annotations

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine


@click.command("stop", cls=Command, example="backstay stop 'Plant 7 restored'")
@click.argument("project")
@pass_invocation
def command(invocation: Invocation, project: str) -> None:
    """End the running costs of PROJECT; keep all of it.

    It costs nothing while it is stopped, and keeps its data and its backups.
    """
    changed = with_engine(invocation, lambda engine: engine.stop(project))
    if invocation.json:
        print_json(changed.as_json())
        return
    back = invocation.command_line("start", changed.name)
    told = f"{changed.name} is stopped, and costs nothing while it is."
    print_lines([plain(told), plain(f"Start it again with: {back}")])
