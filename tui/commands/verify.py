"""backstay verify: prove that a backup restores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.running import follow, with_engine

if TYPE_CHECKING:
    from engine import Engine, VerifyReport
    from tui.output import Layout


@click.command("verify", cls=Command, example="backstay verify 'Plant 7@latest'")
@click.argument("backup")
@pass_invocation
def command(invocation: Invocation, backup: str) -> None:
    """Prove that BACKUP restores.

    All that it needs is read, and every database is rebuilt and checked, one after the other, in a
    scratch folder. No project is made, and nothing is charged. Ends with 6 where something is
    damaged; the next backup stores that again, where the project still has it.
    """

    async def prove(engine: Engine) -> VerifyReport:
        return await follow(await engine.verify(backup), invocation)

    report = with_engine(invocation, prove)
    if invocation.json:
        print_json(report.as_json())
    else:
        print_lines(_lines(report, layout()))
    if not report.ok:
        from engine import RepositoryDamaged

        raise click.exceptions.Exit(RepositoryDamaged.exit_code)


def _lines(report: VerifyReport, layout: Layout) -> list[str]:
    from tui.plain_text import plain
    from tui.views.facts import notes
    from tui.wording import counted, size

    if report.ok:
        said = f"The backup {report.backup} restores: {size(report.data)} were rebuilt and checked."
        return [plain(said)]
    parts = counted(len(report.damaged), "part")
    is_or_are = "is" if len(report.damaged) == 1 else "are"
    lines = [plain(f"The backup {report.backup} is damaged: {parts} of it {is_or_are}.")]
    lines += notes(tuple(part.reason for part in report.damaged), layout)
    return [*lines, "Take another backup now: it stores again what the project still has."]
