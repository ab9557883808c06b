"""backstay notify: see that messages about failing and late backups arrive."""

from __future__ import annotations

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.running import with_engine

_FAILED = 1  # the exit code when a message did not arrive


@click.command("notify", cls=Command, example="backstay notify --test")
@click.option("--test", "tests", is_flag=True, help="Send a message to each URL now.")
@pass_invocation
def command(invocation: Invocation, tests: bool) -> None:
    """Send a test message to whom backstay.toml names.

    To each of `urls` under [notify]. The exit code is 1 when one did not take it.
    """
    if not tests:
        raise click.UsageError("Give --test: everything else is sent by the worker.")
    deliveries = with_engine(invocation, lambda engine: engine.test_notifications())
    if invocation.json:
        print_json({"sent": [delivery.as_json() for delivery in deliveries]})
    else:
        from tui.table import Column, table

        columns = [
            Column("To"),
            Column("Message", colours={"sent": "green", "failed": "red"}),
            Column("Why", folds=True),
        ]
        rows = [
            [delivery.to, "failed" if delivery.problem else "sent", delivery.problem]
            for delivery in deliveries
        ]
        print_lines(table(columns, rows, layout()).lines)
    if any(delivery.problem for delivery in deliveries):
        raise click.exceptions.Exit(_FAILED)
