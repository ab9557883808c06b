"""backstay forget: no longer keep a project in the list; delete nothing."""

from __future__ import annotations

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine
from tui.views.parting import still_reached, with_backups


@click.command("forget", cls=Command, example="backstay forget 'Plant 7'")
@click.argument("project")
@pass_invocation
def command(invocation: Invocation, project: str) -> None:
    """Take PROJECT off the list. Its folder and its backups stay as they are."""
    forgotten, backups = with_engine(
        invocation, lambda engine: with_backups(engine, project, engine.forget(project))
    )
    if invocation.json:
        print_json(forgotten.as_json())
        return
    again = invocation.command_line("adopt", str(forgotten.path), "--name", forgotten.name)
    who = "Whoever keeps this machine takes" if invocation.remote else "Take"
    told = f"{forgotten.name} is no longer a project here. Its folder and backups are untouched."
    lines = [plain(told), *still_reached(backups, invocation)]
    lines.append(plain(f"{who} it up again, with its backups, with: {again}"))
    print_lines(lines)
