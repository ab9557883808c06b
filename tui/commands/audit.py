"""backstay audit: who did or tried what."""

from __future__ import annotations

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.running import with_engine


@click.command("audit", cls=Command, example="backstay audit --project 'Plant 7' --user rui")
@click.option("--project", metavar="PROJECT", help="Only what concerns this project.")
@click.option("--user", metavar="USER", help="Only what this user did or tried.")
@pass_invocation
def command(invocation: Invocation, project: str | None, user: str | None) -> None:
    """Show who changed or was refused what.

    Every change and every refusal in the projects that you own, and who asked for the recovery
    key: you, or anyone where every project is yours.
    """
    lines = with_engine(invocation, lambda engine: engine.audit(project=project, user=user))
    if invocation.json:
        print_json([line.as_json() for line in lines])
        return
    from tui.views.audit import audit_table

    nothing = ["Nothing is recorded that you may see."]
    print_lines(audit_table(lines, layout()) if lines else nothing)
