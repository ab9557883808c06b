"""backstay diff: what became of a project from one backup to another, or to now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.running import follow, with_engine

if TYPE_CHECKING:
    from engine import Comparison, Engine


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

    async def compare(engine: Engine) -> Comparison:
        from engine import Handle

        work = Handle("diff", lambda report: engine.compare(backup, other, report=report))
        return await follow(work, invocation)

    found = with_engine(invocation, compare)
    if invocation.json:
        print_json(found.as_json())
        return
    from tui.views.comparison import comparison_lines

    print_lines(comparison_lines(found, layout()))
