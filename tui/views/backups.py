"""Backups as a table, and one backup with all that is in it and all that is not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine import Backup, BackupDetails, BackupState, ContentLine, DeviceFacts
from tui.output import Layout
from tui.plain_text import plain
from tui.table import Column, table
from tui.views.facts import facts, folded, notes
from tui.wording import (
    NONE,
    age,
    counted,
    date_text,
    date_with_zone,
    duration,
    number,
    short_date,
    size,
)

NOT_IN_IT = "not in it"  # of a device whose data could not be read
SHORT_ID = 8  # characters that tell backups apart, unless some begin alike


def backups_table(
    backups: Sequence[Backup], now: datetime, layout: Layout, occupied: int | None = None
) -> list[str]:
    """Backups as they are given, and a last line on all of them.

    `occupied` is how many bytes the home's repository takes: what these backups added does not
    tell, once a clean-up has removed others that they share chunks with.
    """
    flawed = any(_flaw(backup) for backup in backups)
    short = short_ids([backup.id for backup in backups])
    columns = [
        Column("Date (UTC)"),
        Column("Age"),
        Column("Size", right=True),
        Column("Added", right=True),
        Column("Kind", drop=3),
        Column("Devices", right=True, drop=1),
        Column("Variables", right=True, drop=2),
        *([Column("State", colours={"damaged": "red", "incomplete": "amber"})] if flawed else []),
        Column("Id"),
    ]
    rows = [
        [
            date_text(backup.date),
            age(backup.date, now),
            size(backup.size),
            size(backup.added),
            backup.kind.value,
            number(backup.devices),
            number(backup.variables),
            *([_flaw(backup) or backup.state.value] if flawed else []),
            backup.id if layout.width is None else short[backup.id],
        ]
        for backup in backups
    ]
    laid_out = table(columns, rows, layout)
    data = size(sum(backup.data for backup in backups))
    total = f"{counted(len(backups), 'backup')} of {data} of data."
    if occupied is not None:
        total += f" The repository of this home takes {size(occupied)}."
    lines = [*laid_out.lines, "", total]
    if any(backup.missing for backup in backups):
        lines += folded("Incomplete: the data of a device could not be read then.", layout)
    return [*lines, *laid_out.note()]


def _flaw(backup: Backup) -> str:
    """What is wrong with a backup, in a word; nothing where it is whole."""
    if backup.state is not BackupState.COMPLETE:
        return backup.state.value
    return "incomplete" if backup.missing else ""


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """The shortest beginnings, of one length, that tell these ids apart."""
    length = SHORT_ID
    longest = max(map(len, ids), default=length)
    while length < longest and len({each[:length] for each in ids}) < len(set(ids)):
        length += 1
    return {each: each[:length] for each in ids}


def holds(backup: Backup) -> str:
    """What a backup holds, in counts."""
    counts = (
        counted(backup.devices, "device"),
        counted(backup.variables, "variable"),
        counted(backup.actions, "action"),
        counted(backup.analyses, "analysis", "analyses"),
        counted(backup.accounts, "account"),
    )
    return ", ".join(counts)


def details_lines(details: BackupDetails, now: datetime, layout: Layout) -> list[str]:
    """One backup: its facts, its devices, what is in it and what is not, and its notes."""
    backup = details.backup
    verified = date_with_zone(backup.verified) if backup.verified else "not yet"
    lines = folded(plain(f"Backup {backup.id} of {details.project_name}"), layout)
    lines += facts(
        [
            ("Date", f"{date_with_zone(backup.date)}, {age(backup.date, now)}"),
            ("Kind", backup.kind.value),
            ("State", backup.state.value),
            ("Verified", verified),
            ("Size", f"{size(backup.size)} in the repository, {size(backup.added)} of it added"),
            ("Data", size(backup.data)),
            ("Holds", holds(backup)),
            ("Encrypted", "yes" if details.encrypted else "no"),
            ("Lock", f"no database was held for longer than {duration(details.longest_lock)}"),
        ],
        layout,
    )
    lines += ["", *devices_table(details.devices, layout)]
    lines += ["", *content_table(details.content, layout)]
    return lines + notes(details.notes, layout)


def devices_table(devices: Sequence[DeviceFacts], layout: Layout) -> list[str]:
    """The devices of a backup, and which of them have no data in it."""
    columns = [
        Column("Device", least=14),
        Column("Id", drop=1),
        Column("Variables", right=True),
        Column("First (UTC)", drop=2),
        Column("Last (UTC)"),
        Column("Data", right=True),
    ]
    rows = [
        [
            device.name,
            device.id,
            NOT_IN_IT if device.missing else number(device.rows),
            short_date(device.first),
            short_date(device.last),
            NONE if device.missing else size(device.data),
        ]
        for device in devices
    ]
    return [*table(columns, rows, layout).lines, *missing_lines(devices, layout)]


def missing_lines(devices: Sequence[DeviceFacts], layout: Layout) -> list[str]:
    """Why the data of some devices is not in the backup; nothing where all is there."""
    missing = [device for device in devices if device.missing]
    return notes(
        [f"{device.name} ({device.id}): {device.missing}" for device in missing],
        layout,
        title=f"Without the data of {counted(len(missing), 'device')}",
    )


def content_table(content: Sequence[ContentLine], layout: Layout) -> list[str]:
    """What a backup includes, excludes and regenerates."""
    columns = [
        Column("What", folds=True),
        Column("In a backup"),
        Column("Note", folds=True),
    ]
    rows = [[line.what, line.treatment, line.note] for line in content]
    return list(table(columns, rows, layout).lines)
