"""What is in a backup: its devices, and rows of one of them, as plain lines."""

from __future__ import annotations

from collections.abc import Sequence

from engine import Contents, DataRow, RowsPage, Value, VariableFacts, moment_of
from tui.output import Layout
from tui.plain_text import plain
from tui.table import Column, table
from tui.views.backups import devices_table
from tui.views.facts import folded
from tui.wording import NONE, counted, date_with_zone, number, short_date, size

LONGEST = 400  # characters of a value that are worth looking at in a table


def contents_lines(contents: Contents, layout: Layout) -> list[str]:
    """The devices of a backup, and how much they hold in all."""
    backup, devices = contents.backup, contents.devices
    held = [counted(len(devices), "device"), counted(backup.variables, "variable")]
    said = f"{contents.project_name}, {date_with_zone(backup.date)} (backup {backup.id})"
    lines = folded(plain(said), layout)
    if not devices:
        return [*lines, "It holds no devices: the project had none when it was made."]
    return [
        *lines,
        "",
        *devices_table(devices, layout),
        "",
        f"{', '.join(held)}, {size(backup.data)} of data.",
        *folded("See the rows of one with --device ID.", layout),
    ]


def rows_lines(page: RowsPage, layout: Layout) -> list[str]:
    """Rows of a device, with all its variables where these are known."""
    device = page.device
    lines = folded(plain(f"{device.name} ({device.id}) in backup {page.backup}"), layout)
    if page.variables is not None:
        lines += ["", *_variables(page.variables, layout)]
    if not page.rows:
        why = "It has no rows." if not device.rows else "It has no rows like that."
        return [*lines, "", why]
    return [*lines, "", *_rows(page.rows, layout)]


def _variables(variables: Sequence[VariableFacts], layout: Layout) -> list[str]:
    columns = [
        Column("Variable", least=14),
        Column("Rows", right=True),
        Column("First (UTC)", drop=1),
        Column("Last (UTC)"),
    ]
    rows = [
        [
            value_text(each.name),
            NONE if each.rows is None else number(each.rows),
            short_date(moment_of(each.first)),
            short_date(moment_of(each.last)),
        ]
        for each in variables
    ]
    laid_out = table(columns, rows, layout)
    return [*laid_out.lines, *laid_out.note()]


def _rows(rows: Sequence[DataRow], layout: Layout) -> list[str]:
    columns = [
        Column("Time (UTC)"),
        Column("Variable", least=10),
        Column("Value", least=30),
        Column("Unit", drop=3, least=4),
        Column("Group", drop=2),
        Column("Metadata", drop=1, least=12),
    ]
    cells = [
        [
            time_text(row),
            value_text(row.variable),
            value_text(row.value),
            value_text(row.other("unit")),
            value_text(row.other("group")),
            value_text(row.other("metadata")),
        ]
        for row in rows
    ]
    laid_out = table(columns, cells, layout)
    return [*laid_out.lines, *laid_out.note()]


def time_text(row: DataRow) -> str:
    """When a row is of, to the second; what is stored, where no calendar has that."""
    moment = row.moment
    return value_text(row.time) if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def value_text(value: Value) -> str:
    """A value in a table, cut where nobody would read on; a dash for none."""
    if value is None:
        return NONE
    if isinstance(value, bytes):
        return f"{counted(len(value), 'byte')}: {value[:16].hex(' ')}"
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
