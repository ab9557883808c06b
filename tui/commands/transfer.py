"""backstay transfer: move data from one project into another that is in use."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.moments import span_options
from tui.output import layout, print_json, print_lines
from tui.plain_text import plain
from tui.running import follow, with_engine

if TYPE_CHECKING:
    from engine import Engine, TransferReport


@click.command(
    "transfer",
    cls=Command,
    example="backstay transfer --from 'Plant 7 restored' --to 'Plant 7' --dry-run",
)
@click.option("--from", "source", required=True, metavar="PROJECT", help="Where the data is.")
@click.option("--to", "target", required=True, metavar="PROJECT", help="Where it is to go.")
@click.option(
    "--device", "devices", multiple=True, metavar="ID", help="Only this device; may be repeated."
)
@click.option("--by-name", is_flag=True, help="Match devices by their names instead of their ids.")
@click.option(
    "--variable",
    "variables",
    multiple=True,
    metavar="NAME",
    help="Only this variable; may be repeated.",
)
@span_options()
@click.option("--create-missing", is_flag=True, help="Make the devices that the target lacks.")
@click.option(
    "--dry-run", is_flag=True, help="Only say what would be moved, and what is in the way."
)
@pass_invocation
def command(
    invocation: Invocation,
    source: str,
    target: str,
    devices: tuple[str, ...],
    by_name: bool,
    variables: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    create_missing: bool,
    dry_run: bool,
) -> None:
    """Move data from one project into another, which may be in use.

    Rows that are there already (same variable, time, value and group) are skipped; nothing is
    changed or removed. Stopped by Ctrl+C, what was moved stays: run it again to move the rest.
    """

    async def move(engine: Engine) -> TransferReport:
        if dry_run:
            return await engine.preview_transfer(
                source,
                target,
                devices=devices,
                by_name=by_name,
                variables=variables,
                since=since,
                until=until,
                create_missing=create_missing,
            )
        handle = await engine.transfer(
            source,
            target,
            devices=devices,
            by_name=by_name,
            variables=variables,
            since=since,
            until=until,
            create_missing=create_missing,
        )
        return await follow(handle, invocation)

    report = with_engine(invocation, move)
    if invocation.json:
        print_json(report.as_json())
    else:
        print_lines(_lines(report))


def _lines(report: TransferReport) -> list[str]:
    from tui.table import Column, table
    from tui.views.facts import folded, notes
    from tui.views.transfers import effort, summary, worth_telling
    from tui.wording import NONE

    width = layout()
    lines = folded(plain(summary(report)), width)
    if not report.dry_run:
        lines.append(effort(report))
    shown = worth_telling(report)
    if shown:
        columns = [
            Column("Device", least=12),
            Column("Id", drop=1),
            Column("Would come" if report.dry_run else "Moved", right=True),
            Column("There already", right=True),
            Column("Refused", right=True),
            Column("In the way", folds=True),
        ]
        rows = [
            [
                line.device_name,
                line.device,
                f"{line.copied:,}",
                f"{line.already_there:,}",
                f"{line.refused:,}",
                line.reason or NONE,
            ]
            for line in shown
        ]
        laid_out = table(columns, rows, width)
        lines += ["", *laid_out.lines, *laid_out.note()]
    told = [f"{line.device_name}: {note}." for line in report.devices for note in line.notes]
    return lines + notes([*told, *report.notes], width)
