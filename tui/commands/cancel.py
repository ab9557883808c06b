"""backstay cancel: ask a job to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine

if TYPE_CHECKING:
    from engine import Job


@click.command("cancel", cls=Command, example="backstay cancel 4f2a81c0")
@click.argument("job")
@pass_invocation
def command(invocation: Invocation, job: str) -> None:
    """Ask JOB to stop. Nothing half-made is kept of it, and nothing is charged.

    JOB is its id or the beginning of it; see `backstay jobs`.
    """
    asked = with_engine(invocation, lambda engine: engine.cancel(job), works=False)
    if invocation.json:
        print_json(asked.as_json())
    else:
        print_lines(_lines(asked, invocation))


def _lines(job: Job, invocation: Invocation) -> list[str]:
    what = f"The {job.kind.value} of {job.project_name}"
    if job.started is None:
        return [plain(f"{what} was still waiting. It is cancelled: nothing was begun.")]
    if job.state.ended:
        return [plain(f"{what} was running and has ended: {job.state.value}.")]
    see = plain(invocation.command_line("jobs", job.id[:8]))
    return [plain(f"{what} is running. It is asked to stop, and is cleaned up."), f"See it: {see}"]
