"""backstay projects: every project the user has a part in, and whether it is safe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine

if TYPE_CHECKING:
    from engine import Backup, Engine, Invitation, Project


@click.command("projects", cls=Command, example="backstay projects")
@pass_invocation
def command(invocation: Invocation) -> None:
    """List the projects that you own or collaborate on."""
    print_projects(invocation)


def print_projects(invocation: Invocation) -> None:
    """Answer with the projects."""
    if invocation.json:
        projects = with_engine(invocation, lambda engine: engine.projects())
        print_json([project.as_json() for project in projects])
        return
    print_lines(with_engine(invocation, lambda engine: listing(engine, invocation)))


def welcome(invocation: Invocation) -> None:
    """What `backstay` alone says: the projects, or how to begin where there is no home yet."""
    if invocation.json or invocation.home.exists():
        print_projects(invocation)
    else:
        print_lines(first_steps(invocation))


async def listing(engine: Engine, invocation: Invocation) -> list[str]:
    """The table of projects, or how to begin where there are none."""
    from engine import Role, system_clock
    from tui.views.projects import count_line, projects_table

    projects = await engine.projects()
    if not projects:
        invited = _invited(await engine.invitations(), invocation)
        return invited[1:] or first_steps(invocation)
    backups: dict[str, list[Backup]] = {
        project.id: await engine.backups(project.id)
        for project in projects
        if project.role is Role.OWNER
    }
    lines = projects_table(projects, backups, system_clock(), layout())
    invited = _invited(await engine.invitations(), invocation)
    return [*lines, "", count_line(projects), *_next(projects, invocation), *invited]


def _invited(invitations: list[Invitation], invocation: Invocation) -> list[str]:
    """What the user is invited to, and how to answer."""
    lines = []
    for each in invitations:
        role = "an owner" if each.role.value == "owner" else "a collaborator"
        accept = invocation.command_line("members", each.project_name, "accept")
        lines += [
            "",
            plain(f"{each.by} invites you to be {role} of {each.project_name}. To answer:"),
            plain(f"  {accept}"),
            plain(f"  {accept.removesuffix('accept')}decline"),
        ]
    return lines


def _next(projects: list[Project], invocation: Invocation) -> list[str]:
    quiet = [project for project in projects if project.quiet]
    if not quiet:
        return []
    wake = invocation.command_line("wake", quiet[0].name)
    return [
        "A quiet project has its actions off and its data retention on hold, until:",
        f"  {plain(wake)}",  # a line of its own, to be copied whole
    ]


def first_steps(invocation: Invocation) -> list[str]:
    """Two commands to try where the user has no projects yet."""
    none = "There are no projects of yours here yet."
    if invocation.remote:
        return [f"{none} Whoever owns one can add you to it."]
    adopt = invocation.command_line("adopt", "FOLDER", "--name", "NAME")
    return [
        f"{none} Two ways to begin:",
        "",
        f"  {plain(invocation.command_line('demo'))}",
        "      makes a home with projects and a week of real backups to look around in",
        f"  {plain(adopt)}",
        "      registers a TagoCore instance of yours: the folder that holds tagocore.yml",
    ]
