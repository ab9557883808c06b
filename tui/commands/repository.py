"""backstay repository: the place where the bytes of all backups live, and its key."""

from __future__ import annotations

import click

from tui.command import Group


@click.group(
    "repository",
    cls=Group,
    modules={"key": "tui.commands.repository_key"},
    example="backstay repository key",
)
def command() -> None:
    """The key that opens all backups."""
