"""backstay diff: what became of a project from one backup to another, or to now."""

from __future__ import annotations

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.running import with_engine


@click.command(
    "diff",
    cls=Command,
    example="backstay diff 4f2a81c0 'Plant 7@latest'\nbackstay diff 'Plant 7@latest'",
)
@click.argument("backup")
@click.argument("other", required=False, metavar="[BACKUP]")
@pass_invocation
def command(invocation: Invocation, backup: str, other: str | None) -> None:
    """Compare two backups, or one with now.

    Tells what became of the project from the first BACKUP to the second: devices, actions,
    analyses, accounts, rows and settings that were added, removed or changed. With one BACKUP it
    is compared with the project as it is now, which is read as a backup reads it; nothing is
    kept of that. Values that may be secret are never shown.
    """
    found = with_engine(invocation, lambda engine: engine.compare(backup, other))
    if invocation.json:
        print_json(found.as_json())
        return
    from tui.views.comparison import comparison_lines

    print_lines(comparison_lines(found, layout()))
