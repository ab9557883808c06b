"""backstay access remove: let somebody in no more."""

from __future__ import annotations

from pathlib import Path

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.keys_file import authorized_keys, file_option
from tui.output import print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine
from tui.wording import counted


@click.command("remove", cls=Command, example="backstay access remove ana")
@click.argument("user")
@click.option("--key", metavar="FINGERPRINT", help="Only this key of USER; see access list.")
@file_option
@pass_invocation
def command(invocation: Invocation, user: str, key: str | None, file: Path | None) -> None:
    """Take the keys of USER out of this account's authorized_keys.

    Sessions of USER that are open are ended, whichever key they came in with.
    """
    where = authorized_keys(file)
    gone = with_engine(invocation, lambda engine: engine.remove_key(user, where, fingerprint=key))
    if invocation.json:
        print_json([each.as_json() for each in gone.keys])
    else:
        told = f"{counted(len(gone.keys), 'key lets', 'keys let')} {user} in no more."
        if gone.sessions:
            were = counted(gone.sessions, "open session was", "open sessions were")
            told += f" {were} ended."
        print_lines([plain(told)])
