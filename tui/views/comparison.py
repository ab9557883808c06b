"""What differs between two backups, as plain lines: sentences, then a table of devices."""

from __future__ import annotations

from collections.abc import Sequence

from engine import ComparedSide, Comparison, DeviceChange, RowChanges, SettingChange, Things
from tui.output import Layout
from tui.plain_text import plain
from tui.table import Column, table
from tui.views.facts import facts, folded, notes
from tui.wording import NONE, counted, date_with_zone, duration, number


def comparison_lines(found: Comparison, layout: Layout) -> list[str]:
    """All that differs, device by device."""
    lines = folded(plain(f"From {side_text(found.before)} to {side_text(found.after)}"), layout)
    if found.same:
        same = "Nothing differs that could be compared." if found.notes else "Nothing differs."
        return [*lines, same, *notes(found.notes, layout)]
    lines += ["", *facts(summary(found), layout)]
    devices = changed_devices(found)
    if devices:
        lines += ["", *_devices_table(devices, layout)]
    for title, things in named_things(found):
        lines += _things(title, things, layout)
    if found.settings:
        told = [setting_text(setting) for setting in found.settings]
        lines += notes(told, layout, title="Settings")
    lines += notes(found.notes, layout)
    return [*lines, "", f"It took {duration(found.seconds)}."]


def side_text(side: ComparedSide) -> str:
    """One side, in words."""
    date = date_with_zone(side.date)
    if not side.backup:
        return f"{side.project_name} as it is now ({date})"
    return f"{side.project_name}, {date} (backup {side.backup})"


def summary(found: Comparison) -> list[tuple[str, str]]:
    """A line for each kind of what differs."""
    lines = [
        ("Devices", _counts(len(found.added), len(found.removed), len(found.changed))),
        ("Rows", _counts(*found.rows)),
        *(
            (title, _counts(len(things.added), len(things.removed), len(things.changed)))
            for title, things in named_things(found)
        ),
    ]
    if found.settings:
        lines.append(("Settings", counted(len(found.settings), "difference")))
    return [(what, said) for what, said in lines if said]


def named_things(found: Comparison) -> list[tuple[str, Things]]:
    """What else a project has besides devices, by what it is called."""
    return [
        ("Actions", found.actions),
        ("Analyses", found.analyses),
        ("Accounts", found.accounts),
        ("Plugins' storage", found.storage),
    ]


def _counts(added: int, removed: int, changed: int) -> str:
    told = ((added, "added"), (removed, "removed"), (changed, "changed"))
    return ", ".join(f"{number(count)} {word}" for count, word in told if count)


def changed_devices(found: Comparison) -> list[tuple[str, DeviceChange]]:
    """The devices that differ, each with a word for how."""
    return [
        *(("added", device) for device in found.added),
        *(("removed", device) for device in found.removed),
        *(("changed", device) for device in found.changed),
    ]


def _devices_table(devices: Sequence[tuple[str, DeviceChange]], layout: Layout) -> list[str]:
    columns = [
        Column("Device", least=14),
        Column("Id", drop=1),
        Column("", colours={"added": "green", "removed": "red"}),
        Column("Rows added", right=True),
        Column("Removed", right=True),
        Column("Changed", right=True),
        Column("Also changed", folds=True),
    ]
    rows = [
        [device.name, device.id, how, *rows_cells(device.rows), ", ".join(device.changes) or NONE]
        for how, device in devices
    ]
    laid_out = table(columns, rows, layout)
    return [*laid_out.lines, *laid_out.note()]


def rows_cells(rows: RowChanges | None) -> list[str]:
    """How many rows were added, removed and changed; what was not compared has a question mark."""
    if rows is None:
        return ["?", "?", "?"]
    return [number(count) if count else NONE for count in rows]


def _things(title: str, things: Things, layout: Layout) -> list[str]:
    return notes([text for _, _, text in things_texts(things)], layout, title=title)


def things_texts(things: Things) -> list[tuple[str, str, str]]:
    """How each thing differs: its id, a word, and a line that tells it."""
    return [
        *((each.id, "added", f"{each.name} added") for each in things.added),
        *((each.id, "removed", f"{each.name} removed") for each in things.removed),
        *(
            (each.id, "changed", f"{each.name}: {', '.join(each.changes)} changed")
            for each in things.changed
        ),
    ]


def setting_text(setting: SettingChange) -> str:
    """A setting that differs, in words, without its value."""
    return f"{setting.where}: {setting.setting} {setting.change}"
