"""What must be in a home after all that was done in it, kept beside it by the soak.

It is told what was asked for and what came of that, and works out for itself, from the promises
alone, which backups are listed, which dates had their slot, and who was charged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from promises_support import Row

Rows = dict[str, list[Row]]  # of every device, by its id

SLOT = time(3)  # UTC, each day


@dataclass
class Made:
    """A backup: its date, and the rows that it stands for."""

    date: datetime
    rows: Rows


@dataclass
class Model:
    """A home with one project, `Plant`, and those that were made of its backups."""

    since: datetime  # when the schedule was switched on
    keep: int = 7
    backups: dict[str, Made] = field(default_factory=dict)  # those that are listed, by id
    known: set[str] = field(default_factory=set)  # every backup that was ever seen
    slots: set[date] = field(default_factory=set)  # the dates that had their slot
    copies: dict[str, Rows] = field(default_factory=dict)  # restored projects, by name
    charged: list[str] = field(default_factory=list)  # restored projects, by id, also deleted ones

    def take_slot(self, now: datetime) -> bool:
        """Note that a worker looked at the schedule; gives whether a backup was due."""
        day = now.date() if now.time() >= SLOT else now.date() - timedelta(days=1)
        due = datetime.combine(day, SLOT, now.tzinfo)
        if due <= self.since or day in self.slots:
            return False
        self.slots.add(day)
        return True

    def add(self, dates: Mapping[str, datetime], rows: Rows) -> None:
        """Note backups that were made of these rows, by their dates."""
        for backup, when in sorted(dates.items(), key=lambda each: each[1]):
            self.backups[backup] = Made(when, rows)

    def clean_up(self, now: datetime) -> None:
        """Keep the most recent backups; those of the future are apart, and the nearest stay."""
        by_age = sorted(self.backups, key=lambda backup: (self.backups[backup].date, backup))
        past = [backup for backup in by_age if self.backups[backup].date <= now]
        future = [backup for backup in by_age if self.backups[backup].date > now]
        stay = {*past[-self.keep :], *future[: self.keep]}
        self.backups = {backup: self.backups[backup] for backup in by_age if backup in stay}
