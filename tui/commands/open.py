"""backstay open: the terminal app."""

from __future__ import annotations

import os
import sys

import click

from tui.command import Command, no_mouse_option, pass_invocation
from tui.invocation import Invocation
from tui.output import is_dumb, is_terminal
from tui.running import opened, run


@click.command("open", cls=Command, example="backstay open\nbackstay open 'Plant 7'")
@click.argument("project", required=False)
@no_mouse_option
@pass_invocation
def command(invocation: Invocation, project: str | None) -> None:
    """Open the terminal app, on PROJECT where it is given.

    It needs a terminal that can be drawn on. What it can do, commands can, too.
    """
    if invocation.json or not can_draw():
        raise click.UsageError("The app needs a terminal: see `backstay projects` instead.")
    open_app(invocation, project)


def can_draw() -> bool:
    """Whether there is a terminal that can be drawn on, and somebody to press keys.

    All three streams: the app is drawn on standard error, as what is no answer is everywhere here.
    """
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(map(is_terminal, streams)) and not is_dumb()


def open_app(invocation: Invocation, project: str | None = None) -> None:
    """Open the home and run the app on it until it is left.

    Raises `click.exceptions.Exit` with the app's exit code where that is not 0, and what the
    engine raises.
    """

    async def work() -> int:
        from engine import system_clock
        from tui.app import run_app

        # Jobs run in a worker of their own: they go on when the app is left.
        async with opened(invocation, works=False) as engine:
            start = await engine.project(project) if project is not None else None
            return await run_app(
                engine,
                system_clock,
                machine=os.uname().nodename,
                project=start,
                mouse=invocation.mouse,
            )

    code = run(work)
    if code:
        raise click.exceptions.Exit(code)
