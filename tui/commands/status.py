"""backstay status: is every project safe; made for monitors, too."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import layout, print_json, print_lines
from tui.running import with_engine

if TYPE_CHECKING:
    from engine import Engine, Health

_ALARM = 1  # the exit code when a project is late or failing


@click.command("status", cls=Command, example="backstay status\nbackstay status 'Plant 7' --json")
@click.argument("project", required=False)
@pass_invocation
def command(invocation: Invocation, project: str | None) -> None:
    """Show whether your projects are safe.

    For each its last good backup, its next run and its state. The exit code is 1 when one of them
    is late or failing, so that any monitor can call this.
    """

    async def look(engine: Engine) -> tuple[list[Health], bool]:
        return await engine.status(project), await engine.worker_stays()

    healths, stays = with_engine(invocation, look)
    if invocation.json:
        print_json(
            {
                "worker": "stays" if stays else "none",
                "sqlite": sqlite3.sqlite_version,
                "projects": [health.as_json() for health in healths],
            }
        )
    else:
        print_lines(_lines(invocation, healths, stays))
    if any(health.alarming for health in healths):
        raise click.exceptions.Exit(_ALARM)


def _lines(invocation: Invocation, healths: list[Health], stays: bool) -> list[str]:
    from engine import system_clock
    from tui.views.health import health_lines, start_one

    if healths:
        lines = health_lines(healths, system_clock(), layout())
    else:
        lines = ["You own no project here."]
    if stays:
        lines += ["", "A worker stays and keeps the schedules."]
    else:
        lines += ["", f"No worker stays. {start_one(invocation)}"]
    return [*lines, _sqlite()]


def _sqlite() -> str:
    """SQLite's version, which is its own to know: up to 3.51.2 a log that is reset can be lost."""
    said = f"SQLite's library is {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info > (3, 51, 2):
        return f"{said}."
    return f"{said}; 3.51.3 mends a rare loss where several processes write one log."
