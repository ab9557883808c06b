"""backstay members: who owns a project, who collaborates on it, and changing that."""

from __future__ import annotations

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine


@click.command(
    "members",
    cls=Command,
    example="backstay members 'Plant 7'\n"
    "backstay members 'Plant 7' add rui --role owner\n"
    "backstay members 'Plant 7' remove rui",
)
@click.argument("project")
@click.argument("change", required=False, type=click.Choice(["add", "remove"]))
@click.argument("user", required=False)
@click.option(
    "--role",
    type=click.Choice(["owner", "collaborator"]),
    help="What the user who is added becomes; a member's role is changed by adding them again.",
)
@pass_invocation
def command(
    invocation: Invocation, project: str, change: str | None, user: str | None, role: str | None
) -> None:
    """List the members of PROJECT, or add or remove one.

    Owners see backups, restore them and pay; collaborators only see that the project is there.
    """
    from engine import Role

    if change is None:
        if role is not None:
            raise click.UsageError("--role goes with: members PROJECT add USER.")
        found = with_engine(invocation, lambda engine: engine.members(project))
        told = None
    elif user is None:
        raise click.UsageError(f"Name the user to {change}: members PROJECT {change} USER.")
    elif change == "add":
        if role is None:
            raise click.UsageError("Say what the user becomes: --role owner or collaborator.")
        found = with_engine(invocation, lambda engine: engine.add_member(project, user, Role(role)))
        told = f"{user} is {'an owner' if role == 'owner' else 'a collaborator'} of {found.name}."
    else:
        if role is not None:
            raise click.UsageError("--role goes with: members PROJECT add USER.")
        found = with_engine(invocation, lambda engine: engine.remove_member(project, user))
        told = f"{user} is no longer a member of {found.name}."
    if invocation.json:
        print_json(found.as_json())
        return
    from tui.views.projects import members_table

    print_lines([*([plain(told), ""] if told else []), *members_table(found, layout())])
