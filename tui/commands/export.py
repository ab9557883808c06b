"""backstay export: write a backup out as files that other programs read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import is_terminal, layout, print_aside, print_json, print_lines
from tui.running import follow, with_engine

if TYPE_CHECKING:
    from engine import Engine, ExportReport

_STANDARD_OUTPUT = "-"
_FORMATS = ("tar", "parquet")


@click.command(
    "export",
    cls=Command,
    example="backstay export 'Plant 7@latest' plant7.tar.zst\n"
    "backstay export 'Plant 7@latest' plant7 --format parquet",
)
@click.argument("backup")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default=_FORMATS[0],
    show_default=True,
    help="Databases and settings in a tar, or a folder with a Parquet file for each device.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE where it is there already.")
@pass_invocation
def command(invocation: Invocation, backup: str, file: Path, form: str, force: bool) -> None:
    """Write BACKUP to FILE: its databases in a tar, or Parquet.

    FILE gets its name when it is whole; `-` is standard output, as in
    ssh HOST "export 'Plant 7@latest' -" > plant7.tar.zst. A tar, compressed with zstd, holds
    what a restore makes, but no tokens: unpack it, and `backstay adopt` takes the folder as it is;
    it starts quiet. Parquet is a folder for DuckDB, pandas and the like, and on standard output a
    tar of that; it needs an extra: pip install 'backstay[parquet]'.

    The files are NOT encrypted: the tar holds password hashes and plugins' settings. Both hold a
    manifest.json, and SHA256SUMS for `sha256sum --check`.
    """
    from engine import ExportFormat, Invalid, StorageFailed
    from tui.remote import refuse_files

    if str(file) != _STANDARD_OUTPUT:
        refuse_files()
        target: Path | int = file
    elif sys.stdout is None or is_terminal(sys.stdout):
        raise Invalid(
            "An export is nothing for a terminal.",
            hint="Nothing was written. Send it into a file or a program: ... > FILE",
        )
    else:
        target = sys.stdout.fileno()

    async def write(engine: Engine) -> ExportReport:
        handle = await engine.export(backup, target, form=ExportFormat(form), replace=force)
        return await follow(handle, invocation)

    try:
        report = with_engine(invocation, write, works=False)
    except StorageFailed as error:
        if isinstance(error.__cause__, BrokenPipeError):
            raise BrokenPipeError from error  # its reader has left: that is no failure of ours
        raise
    if not report.file:
        if is_terminal(sys.stderr):
            for line in _lines(report, "standard output"):
                print_aside(line)
    elif invocation.json:
        print_json(report.as_json())
    else:
        print_lines(_lines(report, report.file))


def _lines(report: ExportReport, where: str) -> list[str]:
    from tui.plain_text import plain
    from tui.views.facts import facts, notes
    from tui.wording import number, size

    width = layout()
    devices = number(report.devices)
    if report.missing:
        devices += f", {len(report.missing)} of them without data"
    return [
        plain(f"The backup {report.backup} is in {where}."),
        *facts(
            [
                ("Size", f"{size(report.size)} for {size(report.data)}"),
                ("Devices", devices),
                ("Variables", number(report.rows)),
                ("Files", f"{number(report.files)}; checksums are in {report.checksums}"),
                (
                    "Not in it",
                    ", ".join(what[:1].lower() + what[1:] for what in report.not_included),
                ),
            ],
            width,
        ),
        *notes(report.notes, width),
        "It is not encrypted: keep it where only you can read it.",
    ]
