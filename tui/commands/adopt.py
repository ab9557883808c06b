"""backstay adopt: register an existing TagoCore instance as a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import opened, run

if TYPE_CHECKING:
    from engine import Adoption


@click.command("adopt", cls=Command, example="backstay adopt /srv/tagocore --name 'Plant 7'")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", required=True, metavar="NAME", help="What the project is called here.")
@click.option(
    "--owner",
    "owners",
    multiple=True,
    metavar="USER",
    help="An owner besides you; may be given several times.",
)
@pass_invocation
def command(invocation: Invocation, path: Path, name: str, owners: tuple[str, ...]) -> None:
    """Register the TagoCore instance in PATH as a project.

    PATH is the folder that holds tagocore.yml. Nothing in it is changed. You become the project's
    owner.
    """
    from engine import check_adoption

    async def adopt() -> Adoption:
        # First, so that no home is made for what cannot be adopted.
        await check_adoption(path, name, owners=owners)
        async with opened(invocation, create=True) as engine:
            return await engine.adopt(path, name, owners=owners)

    adoption = run(adopt)
    if invocation.json:
        print_json(adoption.project.as_json() | {"notes": list(adoption.notes)})
    else:
        print_lines(_lines(adoption, invocation))


def _lines(adoption: Adoption, invocation: Invocation) -> list[str]:
    from tui.views.backups import content_table
    from tui.views.facts import facts, notes
    from tui.views.projects import belongs_to

    project, width = adoption.project, layout()
    return [
        plain(f"{project.name} is a project now. {belongs_to(project)} Nothing in it was changed."),
        *facts([("Folder", str(project.path)), ("Id", project.id)], width),
        *notes(adoption.notes, width),
        "",
        *content_table(adoption.content, width),
        "",
        f"Back it up with: {plain(invocation.command_line('backup', project.name))}",
    ]
