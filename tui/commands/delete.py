"""backstay delete: delete a restored project, once its name was typed."""

from __future__ import annotations

import click

from tui.asking import ask
from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import can_ask, print_aside, print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine
from tui.views.parting import still_reached, with_backups


@click.command(
    "delete",
    cls=Command,
    example="backstay delete 'Plant 7 restored' --confirm 'Plant 7 restored'",
)
@click.argument("project")
@click.option(
    "--confirm", metavar="NAME", help="The project's name, typed once more; asked for otherwise."
)
@pass_invocation
def command(invocation: Invocation, project: str, confirm: str | None) -> None:
    """Delete PROJECT with its data. Only a project that was restored can be deleted.

    The backup that it was made of stays. A project that was adopted can only be forgotten.
    """
    typed = confirm if confirm is not None else _typed(invocation, project)
    deleted, backups = with_engine(
        invocation,
        lambda engine: with_backups(engine, project, engine.delete(project, confirm=typed)),
    )
    if invocation.json:
        print_json(deleted.as_json())
        return
    told = f"{deleted.name} is deleted, with its folder {deleted.path}. It costs nothing from now."
    print_lines([plain(told), *still_reached(backups, invocation)])


def _typed(invocation: Invocation, project: str) -> str:
    if invocation.json or not can_ask():
        raise click.UsageError(
            "Deleting needs the project's name once more: --confirm NAME. Nothing was deleted."
        )
    found = with_engine(invocation, lambda engine: engine.project(project))
    print_aside(f"This deletes {found.name} with all that is in {found.path}. It is final.")
    return ask("Type its name to delete it:")
