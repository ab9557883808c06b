"""backstay demo: a home to look around in, with projects and a week of real backups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.command import Command, no_mouse_option, pass_invocation
from tui.commands.open import can_draw, open_app
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import follow, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from engine import Backup, Engine, Handle, Progress, Project


@click.command("demo", cls=Command, example="backstay demo --home /tmp/backstay-demo")
@click.option("--no-app", is_flag=True, help="Do not open the app afterwards.")
@click.option(
    "--devices", type=click.IntRange(min=1), metavar="N", help="Devices of the first project."
)
@click.option("--rows", type=click.IntRange(min=1), metavar="N", help="Variables in all, roughly.")
@click.option(
    "--seed",
    type=int,
    default=7,
    show_default=True,
    metavar="N",
    help="The same seed makes the same data.",
)
@no_mouse_option
@pass_invocation
def command(
    invocation: Invocation, no_app: bool, devices: int | None, rows: int | None, seed: int
) -> None:
    """Make a home with a week of backups, and open the app on it.

    Two projects, seven daily backups and a manual one that were really taken, and a project that
    was restored from one of them.

    The home must be new, empty, or a demo already; a demo that is there is left as it is.
    """

    async def make() -> tuple[list[Project], dict[str, list[Backup]], int | None]:
        await follow(_work(invocation, devices, rows, seed), invocation)
        async with opened(invocation) as engine:
            return await _owned(engine)

    projects, backups, occupied = run(make)
    if invocation.json:
        print_json(
            {
                "home": str(invocation.home),
                "projects": [project.as_json() for project in projects],
                "backups": [each.as_json() for own in backups.values() for each in own],
            }
        )
    else:
        print_lines(_lines(invocation, projects, backups, occupied))
        if not no_app and can_draw():
            open_app(invocation)  # what was printed is there again when it is left


def _work(invocation: Invocation, devices: int | None, rows: int | None, seed: int) -> Handle[None]:
    from engine import Handle, login_name, make_demo

    user = invocation.user or login_name()

    def make(report: Callable[[Progress], None]) -> Coroutine[object, object, None]:
        return make_demo(
            invocation.home, user=user, seed=seed, devices=devices, rows=rows, report=report
        )

    return Handle("demo", make)


async def _owned(
    engine: Engine,
) -> tuple[list[Project], dict[str, list[Backup]], int | None]:
    """All projects; the backups of those that the user owns, and what the repository takes."""
    from engine import Role

    projects = await engine.projects()
    owned = [project for project in projects if project.role is Role.OWNER]
    occupied = (await engine.storage(owned[0].id)).size if owned else None
    backups = {project.id: await engine.backups(project.id) for project in owned}
    return projects, backups, occupied


def _lines(
    invocation: Invocation,
    projects: list[Project],
    backups: dict[str, list[Backup]],
    occupied: int | None,
) -> list[str]:
    from engine import system_clock
    from tui.views.backups import backups_table
    from tui.views.projects import projects_table

    now, width = system_clock(), layout()
    lines = [plain(f"A demo is ready in {invocation.home}"), ""]
    lines += projects_table(projects, backups, now, width)
    shown = next((project for project in projects if backups.get(project.id)), None)
    if shown is None:
        return lines
    lines += ["", plain(f"Backups of {shown.name}"), ""]
    lines += backups_table(backups[shown.id], now, width, occupied)
    latest = f"{shown.name}@latest"
    tries = [
        invocation.command_line("show", latest),
        invocation.command_line("quote", latest),
        invocation.command_line("restore", latest, "--name", f"{shown.name} again"),
    ]
    quiet = next((project.name for project in projects if project.quiet), None)
    if quiet is not None:
        tries.append(invocation.command_line("wake", quiet))
    return [*lines, "", "To try next:", *(f"  {plain(line)}" for line in tries)]
