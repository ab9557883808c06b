"""backstay contents: the devices of a backup, and the newest rows of one of them."""

from __future__ import annotations

from datetime import datetime

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.moments import span_options
from tui.output import layout, print_json, print_lines
from tui.running import with_engine


@click.command(
    "contents",
    cls=Command,
    example="backstay contents 'Plant 7@latest'\n"
    "backstay contents 'Plant 7@latest' --device 715f6b96bfa47992f15881f9 --variable temperature",
)
@click.argument("backup")
@click.option("--device", metavar="ID", help="Show the newest rows of this device (or its name).")
@click.option("--variable", metavar="NAME", help="Only rows of this variable.")
@span_options("rows")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Rows on a page. [default: 50]",
)
@click.option("--before", metavar="PLACE", help="Rows behind this PLACE, which a page tells.")
@pass_invocation
def command(
    invocation: Invocation,
    backup: str,
    device: str | None,
    variable: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    before: str | None,
) -> None:
    """List the devices in BACKUP, or the newest rows of one.

    Nothing is restored: of a device only its own data is read. Rows come newest first, a page at a
    time; they have no ids, for a backup keeps none.
    """
    if device is None:
        if any(each is not None for each in (variable, since, until, limit, before)):
            raise click.UsageError("Rows are those of one device: give --device, too.")
        contents = with_engine(invocation, lambda engine: engine.contents(backup))
        if invocation.json:
            print_json(contents.as_json())
            return
        from tui.views.contents import contents_lines

        print_lines(contents_lines(contents, layout()))
        return
    page = with_engine(
        invocation,
        lambda engine: engine.rows(
            backup,
            device,
            variable=variable,
            since=since,
            until=until,
            before=before or "",
            limit=50 if limit is None else limit,
            with_variables=before is None,
        ),
    )
    if invocation.json:
        print_json(page.as_json())
        return
    from tui.views.contents import rows_lines

    print_lines(rows_lines(page, layout()))
    if page.next:
        print_lines(["", f"Older rows: the same command with --before {page.next}"])
