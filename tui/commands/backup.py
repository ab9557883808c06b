"""backstay backup: take a backup now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import follow, with_engine

if TYPE_CHECKING:
    from engine import Backup, BackupDetails, Engine


@click.command("backup", cls=Command, example="backstay backup 'Plant 7'")
@click.argument("project")
@click.option(
    "--without-damaged",
    is_flag=True,
    help="Leave out devices whose database cannot be read, instead of refusing.",
)
@pass_invocation
def command(invocation: Invocation, project: str, without_damaged: bool) -> None:
    """Take a backup of PROJECT now.

    It goes on working meanwhile. Ctrl+C stops it, and then nothing is kept of it.
    """

    async def take(engine: Engine) -> tuple[Backup, BackupDetails | None]:
        handle = await engine.backup(project, without_damaged=without_damaged)
        backup = await follow(handle, invocation)
        return backup, None if invocation.json else await engine.show(backup.id)

    backup, details = with_engine(invocation, take)
    if details is None:
        print_json(backup.as_json())
    else:
        print_lines(_lines(details, invocation))


def _lines(details: BackupDetails, invocation: Invocation) -> list[str]:
    from tui.views.backups import SHORT_ID, holds, missing_lines
    from tui.views.facts import facts, notes
    from tui.wording import date_with_zone, size

    backup, width = details.backup, layout()
    stored = f"{size(backup.size)} in the repository, {size(backup.added)} of it added now"
    return [
        plain(f"Backup {backup.id} of {details.project_name} is complete."),
        *facts(
            [
                ("Date", date_with_zone(backup.date)),
                ("Holds", holds(backup)),
                ("Size", f"{stored}, for {size(backup.data)} of data"),
            ],
            width,
        ),
        *missing_lines(details.devices, width),
        *notes(details.notes, width),
        "",
        f"See what is in it with: {plain(invocation.command_line('show', backup.id[:SHORT_ID]))}",
    ]
