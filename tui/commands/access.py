"""backstay access: whom this account lets in over SSH."""

from __future__ import annotations

import click

from tui.command import Group


@click.group(
    "access",
    cls=Group,
    modules={
        "add-key": "tui.commands.access_add_key",
        "list": "tui.commands.access_list",
        "remove": "tui.commands.access_remove",
    },
    example="backstay access add-key ana ana.pub",
)
def command() -> None:
    """Let people in over SSH, each with a key of their own.

    For the account that the home belongs to. Whoever logs in with such a key gets Backstay, under
    their own name, and nothing else of this machine.
    """
