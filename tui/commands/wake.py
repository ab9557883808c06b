"""backstay wake: let a restored project begin to work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine

if TYPE_CHECKING:
    from engine import WakeReport


@click.command("wake", cls=Command, example="backstay wake 'Plant 7 restored'")
@click.argument("project")
@pass_invocation
def command(invocation: Invocation, project: str) -> None:
    """Let PROJECT, which was restored, begin to work.

    Its actions are switched on again and data retention is no longer on hold.

    What somebody changed in the meantime is left as it is.
    """
    report = with_engine(invocation, lambda engine: engine.wake(project))
    if invocation.json:
        print_json(report.as_json())
    else:
        print_lines(_lines(report))


def _lines(report: WakeReport) -> list[str]:
    from tui.views.restored import quiet_table
    from tui.wording import counted

    width = layout()
    woken = counted(len(report.woken), "setting was", "settings were")
    lines = [plain(f"{report.project.name} is awake: {woken} put back.")]
    lines += quiet_table(report.woken, "Put back", width)
    return lines + quiet_table(report.left, "Left as it is: changed since the restore", width)
