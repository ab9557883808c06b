"""backstay start: make a stopped project active again."""

from __future__ import annotations

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine


@click.command("start", cls=Command, example="backstay start 'Plant 7 restored'")
@click.argument("project")
@pass_invocation
def command(invocation: Invocation, project: str) -> None:
    """Make PROJECT active again after a stop.

    It costs money while it is active.
    """
    changed = with_engine(invocation, lambda engine: engine.start(project))
    if invocation.json:
        print_json(changed.as_json())
        return
    back = invocation.command_line("stop", changed.name)
    print_lines([plain(f"{changed.name} is active."), plain(f"Stop it with: {back}")])
