"""backstay worker: keep the schedules and do what is asked for."""

from __future__ import annotations

import sys

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import is_terminal, print_aside, print_json, print_lines
from tui.running import run


@click.command(
    "worker",
    cls=Command,
    example="backstay worker\nbackstay worker --once\nbackstay worker --unit",
)
@click.option("--once", is_flag=True, help="Do what is due and asked for now, then end.")
@click.option("--unit", is_flag=True, help="Print a unit for systemd that keeps a worker running.")
@pass_invocation
def command(invocation: Invocation, once: bool, unit: bool) -> None:
    """Keep the schedules and do what is asked for.

    It stays until it is told to end, by SIGTERM or Ctrl+C: a job under way then waits for the next
    worker. There is one worker in a home at most.
    """
    if once and unit:
        raise click.UsageError("Give either --once or --unit.")
    if unit:
        _print_unit(invocation)
    else:
        _work(invocation, stay=not once)


def _work(invocation: Invocation, *, stay: bool) -> None:
    from engine import Busy, run_worker

    tells = not invocation.json and is_terminal(sys.stderr)
    if stay and tells and invocation.home.is_dir():
        print_aside(f"Starting the worker of {invocation.home}. Ctrl+C ends it cleanly.")
    try:
        run(lambda: run_worker(invocation.home, stay=stay))
    except Busy as error:
        see = invocation.command_line("jobs")
        raise Busy(error.message, hint=f"It does what is due. See what it does: {see}") from None
    if invocation.json:
        print_json({"worker": "ended"})
    else:
        print_lines(["The worker has ended."])


def _print_unit(invocation: Invocation) -> None:
    from tui.unit import unit_text

    again = invocation.for_anyone().command_line("worker", "--unit")
    text = unit_text(invocation.home, again)
    if invocation.json:
        print_json({"unit": text})
    else:
        print_lines(text.splitlines())
