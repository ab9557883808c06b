"""backstay open: the terminal app."""

from __future__ import annotations

import os
import sys

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import is_terminal
from tui.running import opened, run


@click.command("open", cls=Command, example="backstay open\nbackstay open 'Plant 7'")
@click.argument("project", required=False)
@click.option("--no-mouse", is_flag=True, help="Leave the mouse to the terminal.")
@pass_invocation
def command(invocation: Invocation, project: str | None, no_mouse: bool) -> None:
    """Open the terminal app, on PROJECT where it is given.

    It needs a terminal that can be drawn on. What it can do, commands can, too.
    """
    if not can_draw():
        raise click.UsageError("The app needs a terminal: see `backstay projects` instead.")
    code = open_app(invocation, project, mouse=not no_mouse)
    if code:
        raise click.exceptions.Exit(code)


def can_draw() -> bool:
    """Whether there is a terminal that can be drawn on, and somebody to press keys."""
    term = os.environ.get("TERM", "")
    return is_terminal(sys.stdin) and is_terminal(sys.stdout) and term not in ("", "dumb")


def open_app(invocation: Invocation, project: str | None = None, *, mouse: bool = True) -> int:
    """Open the home, run the app on it until it is left, and give its exit code."""

    async def work() -> int:
        from engine import system_clock
        from tui.app import run_app

        # Jobs run in a worker of their own: they go on when the app is left.
        async with opened(invocation, works=False) as engine:
            start = await engine.project(project) if project is not None else None
            machine = os.uname().nodename
            return await run_app(engine, system_clock, machine=machine, project=start, mouse=mouse)

    return run(work)
