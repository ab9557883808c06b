"""Which backups of a project have had their time.

The rule, for a project that keeps N:

- The N most recent complete backups stay. Recent is what the backup's date says: backups that were
  made while the clock was 16 days behind are 16 days old, and are displaced as such once the clock
  is right again. Of one date, the higher id is the more recent.
- A backup dated after now never displaces another: such backups are counted apart, and the N
  nearest of them stay. So while the clock is behind, the backups made before stay too.
- A damaged backup does not count. It goes when N complete ones are more recent.
- A backup that is needed, such as one that is being restored, does not go, and counts as any other.

From this follows that a project with a complete backup never loses its last.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from engine.errors import Invalid
from engine.model import Backup, BackupState

FEWEST, MOST = 1, 365  # backups that a project may keep


def check_keep(keep: int) -> int:
    """Give the number of backups to keep. Raises `Invalid` where it cannot be that."""
    if not FEWEST <= keep <= MOST:
        raise Invalid(
            f"A project cannot keep {keep} backups.",
            hint=f"Nothing was changed. Choose a number from {FEWEST} to {MOST}.",
        )
    return keep


def to_remove(
    backups: Sequence[Backup], keep: int, now: datetime, needed: Collection[str] = ()
) -> list[Backup]:
    """The backups of one project that are to go, the oldest first.

    `needed` are ids of backups that stay whatever their age. Raises `Invalid` for a `keep` that is
    not from 1 to 365.
    """
    check_keep(keep)
    ordered = sorted(backups, key=_age)
    past = [backup for backup in ordered if backup.date <= now]
    future = [backup for backup in ordered if backup.date > now]
    displaced = {
        *(backup.id for backup in _complete(past)[:-keep]),
        *(backup.id for backup in _complete(future)[keep:]),
        *_displaced_damaged(past, keep),
        *_displaced_damaged(future, keep),
    }
    return [backup for backup in ordered if backup.id in displaced.difference(needed)]


def _age(backup: Backup) -> tuple[datetime, str]:
    return backup.date, backup.id


def _complete(backups: Sequence[Backup]) -> list[Backup]:
    return [backup for backup in backups if backup.state is BackupState.COMPLETE]


def _displaced_damaged(ordered: Sequence[Backup], keep: int) -> list[str]:
    """The damaged ones that at least `keep` complete ones follow."""
    complete, displaced = 0, []
    for backup in reversed(ordered):
        if backup.state is BackupState.COMPLETE:
            complete += 1
        elif complete >= keep:
            displaced.append(backup.id)
    return displaced
