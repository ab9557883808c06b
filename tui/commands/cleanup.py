"""backstay cleanup: remove the backups beyond those that a project keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import follow, with_engine

if TYPE_CHECKING:
    from engine import Backup, CleanUpReport, Engine, Plan


@click.command("cleanup", cls=Command, example="backstay cleanup 'Plant 7'")
@click.argument("project")
@pass_invocation
def command(invocation: Invocation, project: str) -> None:
    """Remove the backups of PROJECT beyond those it keeps.

    And what no backup needs any more. It is done by itself after a backup that is one too many;
    how many are kept is shown and changed by `backstay schedule`.
    """

    async def clean(engine: Engine) -> tuple[CleanUpReport, list[Backup], Plan]:
        before = await engine.backups(project)
        plan = await engine.plan(project)
        report = await follow(await engine.clean_up(project), invocation)
        return report, [backup for backup in before if backup.id in report.removed], plan

    report, removed, plan = with_engine(invocation, clean)
    if invocation.json:
        print_json(report.as_json())
    else:
        print_lines(_lines(report, removed, plan))


def _lines(report: CleanUpReport, removed: list[Backup], plan: Plan) -> list[str]:
    from engine import system_clock
    from tui.views.facts import notes
    from tui.views.schedules import leaving_table
    from tui.wording import counted, size

    name, count = plan.project_name, len(report.removed)
    freed = f"{size(report.freed)} freed" if report.freed > 0 else "nothing was freed"
    if count:
        is_or_are = "is" if count == 1 else "are"
        lines = [plain(f"{counted(count, 'backup')} of {name} {is_or_are} removed, {freed}.")]
    else:
        lines = [plain(f"No backup of {name} was to be removed, {freed}.")]
    if removed:
        lines += ["", *leaving_table(removed, plan.zone, system_clock(), layout())]
    return lines + notes(report.notes, layout())
