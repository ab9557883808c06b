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

    A session that is open goes on until it is left.
    """
    where = authorized_keys(file)
    gone = with_engine(invocation, lambda engine: engine.remove_key(user, where, fingerprint=key))
    if invocation.json:
        print_json([each.as_json() for each in gone])
    else:
        went = counted(len(gone), "key lets", "keys let")
        open_ones = "A session of theirs that is open goes on until it is left."
        print_lines([plain(f"{went} {user} in no more."), open_ones])
