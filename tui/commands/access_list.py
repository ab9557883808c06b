"""backstay access list: who gets in over SSH, and with which key."""

from __future__ import annotations

from pathlib import Path

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.keys_file import authorized_keys, file_option
from tui.output import layout, print_json, print_lines
from tui.running import with_engine


@click.command("list", cls=Command, example="backstay access list")
@file_option
@pass_invocation
def command(invocation: Invocation, file: Path | None) -> None:
    """List the keys that let people in over SSH."""
    where = authorized_keys(file)
    keys = with_engine(invocation, lambda engine: engine.keys(where))
    if invocation.json:
        print_json([key.as_json() for key in keys])
        return
    if not keys:
        print_lines(["Nobody gets in yet. Let somebody in: backstay access add-key USER KEYFILE"])
        return
    from tui.table import Column, table

    columns = [
        Column("User"),
        Column("Type", drop=2),
        Column("Fingerprint", least=20),
        Column("Comment", least=8, drop=1),
    ]
    rows = [[key.user, key.type, key.fingerprint, key.comment] for key in keys]
    if any(key.home != invocation.home for key in keys):
        columns.append(Column("Home", least=8))
        rows = [[*row, str(key.home)] for row, key in zip(rows, keys, strict=True)]
    laid_out = table(columns, rows, layout())
    print_lines([*laid_out.lines, *laid_out.note()])
