"""backstay members: who owns a project, who collaborates on it, and changing that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine

if TYPE_CHECKING:
    from engine import Engine, Invitation, Project

_CHANGES = ("add", "invite", "remove", "withdraw", "accept", "decline")
_OF_ONESELF = ("accept", "decline")


@click.command(
    "members",
    cls=Command,
    example="backstay members 'Plant 7'\n"
    "backstay members 'Plant 7' invite rui --role owner\n"
    "backstay members 'Plant 7' remove rui",
)
@click.argument("project")
@click.argument("change", required=False, type=click.Choice(_CHANGES))
@click.argument("user", required=False)
@click.option(
    "--role",
    type=click.Choice(["owner", "collaborator"]),
    help="What the user becomes; a member's role is changed by adding or inviting them again.",
)
@pass_invocation
def command(
    invocation: Invocation, project: str, change: str | None, user: str | None, role: str | None
) -> None:
    """List the members of PROJECT, or change who belongs to it.

    Owners see backups, restore them and pay; collaborators only see that the project is there. Who
    is invited decides: with accept or decline, and nothing else, they answer. withdraw takes an
    invitation back.
    """
    _check(change, user, role)
    found, invited, told = with_engine(
        invocation, lambda engine: _change(engine, project, change, user or "", role or "")
    )
    if invocation.json:
        known = found.as_json() if found else {"declined": project}
        print_json({**known, "invited": [each.as_json() for each in invited]})
        return
    if found is None:
        print_lines([plain(told)])
        return
    from tui.views.projects import members_table

    lines = [*([plain(told), ""] if told else []), *members_table(found, layout())]
    for each in invited:
        lines.append(plain(f"Invited by {each.by}: {each.user}, as {each.role.value}."))
    print_lines(lines)


def _check(change: str | None, user: str | None, role: str | None) -> None:
    """Raise `click.UsageError` for words that do not go together."""
    if change in ("add", "invite"):
        if user is not None and role is None:
            raise click.UsageError("Say what the user becomes: --role owner or collaborator.")
    elif role is not None:
        raise click.UsageError("--role goes with: members PROJECT add USER, or invite USER.")
    if change in _OF_ONESELF and user is not None:
        raise click.UsageError(f"Only you can {change}, for yourself: members PROJECT {change}.")
    if change is not None and change not in _OF_ONESELF and user is None:
        raise click.UsageError(f"Name the user to {change}: members PROJECT {change} USER.")


async def _change(
    engine: Engine, project: str, change: str | None, user: str, role: str
) -> tuple[Project | None, list[Invitation], str]:
    """Make the change; gives the project as it is then, who is invited to it, and what to tell."""
    from engine import Role

    found, told = None, ""
    if change == "add":
        found = await engine.add_member(project, user, Role(role))
        told = f"{user} is {_a(role)} of {found.name}."
    elif change == "remove":
        found = await engine.remove_member(project, user)
        told = f"{user} is no longer a member of {found.name}."
    elif change == "accept":
        found = await engine.accept(project)
        told = f"You are {_a(found.role or '')} of {found.name}."
    elif change == "decline":
        declined = await engine.decline(project)
        return None, [], f"You declined to be {_a(declined.role)} of {declined.project_name}."
    elif change == "invite":
        offered = await engine.invite(project, user, Role(role))
        told = f"{user} is invited to be {_a(role)} of {offered.project_name}."
    elif change == "withdraw":
        taken = await engine.withdraw(project, user)
        told = f"{user} is no longer invited to {taken.project_name}."
    if found is None:
        found = await engine.members(project)
    owns = found.role is Role.OWNER
    return found, await engine.invited(project) if owns else [], told


def _a(role: str | None) -> str:
    return "an owner" if role == "owner" else "a collaborator"
