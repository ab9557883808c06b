"""What can be done with a backup: one list, for its menu, the keys and the palette."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from textual.binding import Binding

from engine import Backup, BackupState
from tui.remote import serving
from tui.widgets.menu import MenuItem


class BackupDeed(NamedTuple):
    """One thing to do with a backup, by `action` of the page that lists it.

    `text` is what the menu says, `what` what the help and the palette say. Where it cannot be done
    with a backup, `why_not` says why in a few words; else it says nothing.
    """

    key: str
    action: str
    text: str
    what: str
    why_not: Callable[[Backup], str] = lambda _: ""


def _unless_damaged(backup: Backup) -> str:
    return "" if backup.state is BackupState.COMPLETE else "it is damaged"


def command_over_ssh(backup: Backup) -> str:
    """What who came in over SSH types on their own machine: no file of this one is for them."""
    return f'ssh HOST "export {backup.id} -" > FILE'


def _to_a_file(backup: Backup) -> str:
    return _unless_damaged(backup) or (command_over_ssh(backup) if serving() else "")


BACKUP_DEEDS = (
    BackupDeed(
        "n", "restore", "New project from backup…", "new project from the backup", _unless_damaged
    ),
    BackupDeed("c", "contents", "Contents", "contents of the backup", _unless_damaged),
    BackupDeed("d", "compare", "Compare with…", "compare the backup with another", _unless_damaged),
    BackupDeed("v", "verify", "Verify now", "prove now that the backup restores"),
    BackupDeed("y", "copy_id", "Copy id", "copy the id of the backup"),
    BackupDeed("e", "export", "Export…", "export the backup to a file", _to_a_file),
)


ACTIONS = frozenset(deed.action for deed in BACKUP_DEEDS)


def bindings() -> list[Binding]:
    """A key for each, which the line of keys leaves to the menu.

    What a menu would refuse is tried by key all the same: the screen it leads to says more.
    """
    return [
        Binding(
            deed.key,
            deed.action,
            deed.what,
            show=False,
            tooltip=deed.what[0].upper() + deed.what[1:],
        )
        for deed in BACKUP_DEEDS
    ]


def menu_items(backup: Backup) -> list[MenuItem]:
    """The menu of a backup: all of them; what cannot be done now says why."""
    return [
        MenuItem(deed.key, deed.text, deed.action, deed.why_not(backup)) for deed in BACKUP_DEEDS
    ]
