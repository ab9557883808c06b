"""backstay schedule: when a project is backed up and how many backups it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from tui.asking import agree
from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import Layout, can_ask, layout, print_aside, print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine

if TYPE_CHECKING:
    from engine import Backup, Engine, Plan


@click.command(
    "schedule",
    cls=Command,
    example="backstay schedule 'Plant 7' --at 03:00 --timezone Europe/Lisbon --keep 7",
)
@click.argument("project")
@click.option("--at", metavar="HH:MM", help="The time of day, on the clocks of the time zone.")
@click.option("--timezone", "zone", metavar="ZONE", help="Such as Europe/Lisbon.")
@click.option("--keep", type=int, metavar="N", help="How many of the most recent to keep.")
@click.option("--off", is_flag=True, help="No more backups by schedule.")
@click.option("--yes", is_flag=True, help="Agree to what a smaller --keep will remove.")
@pass_invocation
def command(
    invocation: Invocation,
    project: str,
    at: str | None,
    zone: str | None,
    keep: int | None,
    off: bool,
    yes: bool,
) -> None:
    """Show or change when PROJECT is backed up.

    Once on each day, at that time; where the clocks skip it, right after. A smaller --keep removes
    nothing by itself: the next clean-up does.
    """
    if off and (at is not None or zone is not None):
        raise click.UsageError("--off ends the schedule: give it without --at and --timezone.")
    if at is None and zone is None and keep is None and not off:
        _print(invocation, project, _Leaving())
        return
    going = _Leaving()
    if keep is not None:
        going = _going(invocation, project, keep, at=at, zone=zone, off=off)
    if going.backups and not yes:
        _confirm(invocation, going, keep)
    with_engine(
        invocation,
        lambda engine: engine.set_schedule(project, at=at, zone=zone, keep=keep, off=off),
    )
    _print(invocation, project, going)


class _Leaving(NamedTuple):
    """Backups that will go because fewer are kept, and the zone in which they are dated."""

    backups: Sequence[Backup] = ()
    zone: str | None = None

    def how_many(self) -> str:
        from tui.wording import counted

        return counted(len(self.backups), "backup")

    def table(self, width: Layout) -> list[str]:
        from engine import system_clock
        from tui.views.schedules import leaving_table

        return leaving_table(self.backups, self.zone, system_clock(), width)


def _going(
    invocation: Invocation, project: str, keep: int, *, at: str | None, zone: str | None, off: bool
) -> _Leaving:
    async def look(engine: Engine) -> _Leaving:
        # What is refused is refused before anything is asked.
        await engine.preview_schedule(project, at=at, zone=zone, keep=keep, off=off)
        would, plan = await engine.would_remove(project, keep=keep), await engine.plan(project)
        return _Leaving(would if keep < plan.keep else (), plan.zone)

    return with_engine(invocation, look)


def _confirm(invocation: Invocation, going: _Leaving, keep: int | None) -> None:
    """Ask whether these backups may go; raises `Invalid` where nobody agrees."""
    from engine import Invalid

    if invocation.json or not can_ask():
        raise Invalid(
            f"With --keep {keep} the next clean-up would remove {going.how_many()}.",
            hint="Nothing was changed. Give --yes to agree to that.",
        )
    print_aside(f"The next clean-up will remove {going.how_many()}:")
    for line in going.table(layout()._replace(colour=False)):
        print_aside(line)
    if not agree(f"Keep {keep} from now on?"):
        raise Invalid(
            "You did not agree.", hint="Nothing was changed. Choose a larger --keep, or agree."
        )


def _print(invocation: Invocation, project: str, going: _Leaving) -> None:
    async def look(engine: Engine) -> tuple[Plan, bool]:
        return await engine.plan(project), await engine.worker_stays()

    plan, stays = with_engine(invocation, look)
    if invocation.json:
        print_json(plan.as_json())
        return
    from engine import system_clock
    from tui.views.schedules import plan_lines

    lines = plan_lines(plan, system_clock(), invocation, layout(), worker_stays=stays)
    if going.backups:
        clean = plain(invocation.command_line("cleanup", plan.project_name))
        lines += ["", f"Nothing was removed now; the next clean-up removes {going.how_many()}:"]
        lines += [*going.table(layout()), f"To remove them now: {clean}"]
    print_lines(lines)
