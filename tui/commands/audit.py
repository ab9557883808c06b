"""backstay audit: who did or tried what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.running import with_engine

if TYPE_CHECKING:
    from engine import AuditLine


@click.command("audit", cls=Command, example="backstay audit --project 'Plant 7' --user rui")
@click.option("--project", metavar="PROJECT", help="Only what concerns this project.")
@click.option("--user", metavar="USER", help="Only what this user did or tried.")
@pass_invocation
def command(invocation: Invocation, project: str | None, user: str | None) -> None:
    """Show who changed or was refused what.

    Every change and every refusal in the projects that you own.
    """
    lines = with_engine(invocation, lambda engine: engine.audit(project=project, user=user))
    if invocation.json:
        print_json([line.as_json() for line in lines])
    else:
        print_lines(_lines(lines) if lines else ["Nothing is recorded that you may see."])


def _lines(lines: list[AuditLine]) -> list[str]:
    from tui.table import Column, table
    from tui.wording import NONE, short_date

    columns = [
        Column("Date (UTC)"),
        Column("User", least=8),
        Column("Action", least=10),
        Column("Project", least=10),
        Column("Verdict", colours={"refused": "amber"}),
        Column("Detail", folds=True),
    ]
    rows = [
        [
            short_date(line.at),
            line.user,
            line.action,
            line.project or NONE,
            line.verdict.value,
            line.detail,
        ]
        for line in lines
    ]
    return list(table(columns, rows, layout()).lines)
