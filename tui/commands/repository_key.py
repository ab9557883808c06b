"""backstay repository key: the recovery key to write down, and entering it again."""

from __future__ import annotations

import click

from tui.asking import ask_secret
from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import print_json, print_lines
from tui.plain_text import plain
from tui.running import run, with_engine


@click.command(
    "key",
    cls=Command,
    example="backstay repository key\nbackstay repository key --enter < recovery-key.txt",
)
@click.option(
    "--enter",
    is_flag=True,
    help="Give the key back to a home that lost it: typed unseen, or read from standard input.",
)
@pass_invocation
def command(invocation: Invocation, enter: bool) -> None:
    """Print the recovery key, to write it down.

    Without it, or the home's own key file, no backup can be opened.
    """
    if enter:
        from engine import enter_recovery_key

        typed = ask_secret("Recovery key:")
        if not typed:
            raise click.UsageError("No key was entered. Nothing was changed.")
        run(lambda: enter_recovery_key(invocation.home, typed, user=invocation.user))
        if invocation.json:
            print_json({"entered": True})
        else:
            print_lines(["The key opens the repository and is kept in the home again."])
        return
    key = with_engine(invocation, lambda engine: engine.recovery_key())
    if invocation.json:
        print_json({"recovery_key": key})
        return
    print_lines(
        [
            plain(key),
            "",
            "Write it down and keep it away from this machine. Whoever has it can read every",
            "backup in this home; if the home's key file is lost, only this opens them.",
        ]
    )
