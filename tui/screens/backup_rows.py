"""A backup as the list of backups shows it: its row, its details, and what is said of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from engine import Backup, BackupState, Plan
from tui.widgets.rows import Cell, Row
from tui.widgets.sizes import bar
from tui.wording import NONE, counted, date_alone, date_in_column, how_old, number, size

_ODDITIES = 2  # backups of an odd size that a sentence is said of


def backup_row(backup: Backup, zone: str | None, now: datetime, *, bar_of: int, odd: bool) -> Row:
    """A backup's row; its bar is its size as a part of `bar_of`, marked where it is `odd`."""
    return Row(
        backup.id,
        [
            Cell(date_in_column(backup.date, zone)),
            Cell(how_old(backup.date, now), "dim"),
            Cell(size(backup.size)),
            Cell(bar(backup.size, bar_of) + (" !" if odd else "  "), "dim"),
            Cell(backup.kind.value, "dim"),
            restorable(backup),
        ],
    )


def details(backup: Backup, zone: str | None) -> list[tuple[str, str]]:
    """What is known of a backup, in pairs of what it is and how much."""
    verified = date_in_column(backup.verified, zone) if backup.verified else "not yet"
    return [
        ("Id", backup.id),
        ("Data", size(backup.data)),
        ("Size", size(backup.size)),
        ("Added", size(backup.added)),
        ("Devices", number(backup.devices)),
        ("Variables", number(backup.variables)),
        ("Actions", number(backup.actions)),
        ("Analyses", number(backup.analyses)),
        ("Accounts", number(backup.accounts)),
        ("Verified", verified),
        ("Missing", counted(backup.missing, "device") if backup.missing else NONE),
        ("", ""),
        ("Not in it", "analysis code and logs, uploaded files, tokens"),
    ]


def restorable(backup: Backup) -> Cell:
    """Whether a backup restores, as far as that is known: a glyph and a word."""
    if backup.state is not BackupState.COMPLETE:
        return Cell("✗ damaged", "bad")
    if backup.missing:
        return Cell("! incomplete", "warn")
    return Cell("✓ proved", "good") if backup.verified else Cell("· not yet", "dim")


def sums(backups: Sequence[Backup], plan: Plan) -> list[str]:
    """A line on all of them, and what goes next."""
    if not backups:
        return []
    added, stands_for = sum(each.added for each in backups), sum(each.data for each in backups)
    line = f"{counted(len(backups), 'backup')}, {size(added)} for {size(stands_for)} of data."
    whole = [backup for backup in backups if backup.state is BackupState.COMPLETE]
    if len(whole) >= plan.keep:
        oldest = whole[plan.keep - 1]
        line += f" The next one replaces {date_alone(oldest.date, plan.zone)}."
    return [line]


def oddities(backups: Sequence[Backup], odd: Mapping[str, float], zone: str | None) -> list[str]:
    """Sentences on the newest backups of an odd size; each is marked in the list."""
    said = []
    for backup in [each for each in backups if each.id in odd][:_ODDITIES]:
        change = odd[backup.id]
        how = f"{-change:.0%} smaller" if change < 0 else f"{change:.0%} larger"
        missing = f": {counted(backup.missing, 'device')} had no data" if backup.missing else ""
        day = date_alone(backup.date, zone)
        said.append(f"! {day} is {how} than those before it{missing}.".replace("%", " %"))
    return said
