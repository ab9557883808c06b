"""What differs between two backups, or between one and the project as it is now."""

from datetime import datetime
from typing import NamedTuple

from engine.model.written import Json, iso


class RowChanges(NamedTuple):
    """Rows that one side lacks, and rows whose content differs."""

    added: int
    removed: int
    changed: int

    def __bool__(self) -> bool:
        """Whether any row differs."""
        return any(self)

    def as_json(self) -> Json:
        """The stable keys of changes of rows."""
        return {"added": self.added, "removed": self.removed, "changed": self.changed}


class Thing(NamedTuple):
    """A device, action, analysis, account or plugin that differs; `changes` are what of it."""

    id: str
    name: str
    changes: tuple[str, ...] = ()

    def as_json(self) -> Json:
        """The stable keys of what differs."""
        return {"id": self.id, "name": self.name, "changes": list(self.changes)}


class Things(NamedTuple):
    """What is there on one side only, and what differs."""

    added: tuple[Thing, ...] = ()
    removed: tuple[Thing, ...] = ()
    changed: tuple[Thing, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return any(self)

    def as_json(self) -> Json:
        """The stable keys of differences."""
        return {
            "added": [thing.as_json() for thing in self.added],
            "removed": [thing.as_json() for thing in self.removed],
            "changed": [thing.as_json() for thing in self.changed],
        }


class DeviceChange(NamedTuple):
    """A device that differs.

    `changes` are what of its configuration does; `rows` is None where they could not be compared.
    """

    id: str
    name: str
    rows: RowChanges | None
    changes: tuple[str, ...] = ()

    def as_json(self) -> Json:
        """The stable keys of a device that differs."""
        rows = None if self.rows is None else self.rows.as_json()
        return {"id": self.id, "name": self.name, "rows": rows, "changes": list(self.changes)}


class SettingChange(NamedTuple):
    """A setting that differs: where it is and what it is called. Its values are not told."""

    where: str  # TagoCore, or plugin and its id
    setting: str
    change: str  # added | removed | changed

    def as_json(self) -> Json:
        """The stable keys of a setting that differs."""
        return {"where": self.where, "setting": self.setting, "change": self.change}


class ComparedSide(NamedTuple):
    """One side of a comparison; `backup` is empty for a project as it is now."""

    backup: str
    project_name: str
    date: datetime

    def as_json(self) -> Json:
        """The stable keys of a side."""
        return {
            "backup": self.backup or None,
            "project": self.project_name,
            "date": iso(self.date),
        }


class Comparison(NamedTuple):
    """What became of a project from `before` to `after`.

    `rows` are those of all devices, with those that are on one side only. `storage` are plugins
    whose storage differs.
    """

    before: ComparedSide
    after: ComparedSide
    added: tuple[DeviceChange, ...]
    removed: tuple[DeviceChange, ...]
    changed: tuple[DeviceChange, ...]
    rows: RowChanges
    actions: Things
    analyses: Things
    accounts: Things
    storage: Things
    settings: tuple[SettingChange, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def same(self) -> bool:
        """Whether nothing differs that could be compared."""
        return not any(self[2:11])

    def as_json(self) -> Json:
        """The stable keys of a comparison."""
        return {
            "from": self.before.as_json(),
            "to": self.after.as_json(),
            "same": self.same,
            "devices": {
                "added": [device.as_json() for device in self.added],
                "removed": [device.as_json() for device in self.removed],
                "changed": [device.as_json() for device in self.changed],
            },
            "rows": self.rows.as_json(),
            "actions": self.actions.as_json(),
            "analyses": self.analyses.as_json(),
            "accounts": self.accounts.as_json(),
            "storage": self.storage.as_json(),
            "settings": [setting.as_json() for setting in self.settings],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }
