"""A backup with all that is in it, and all that is not."""

from datetime import datetime
from typing import NamedTuple

from engine.model.backups import Backup
from engine.model.written import Json, iso


class ContentLine(NamedTuple):
    """One line of the table of what a backup includes, excludes and regenerates."""

    what: str
    treatment: str  # included | regenerated | not included
    note: str


class DeviceFacts(NamedTuple):
    """What a backup holds of one device. Times are those of its variables, if it has any."""

    id: str
    name: str
    rows: int
    first: datetime | None
    last: datetime | None
    data: int  # bytes of its database
    missing: str = ""  # why its data is not in the backup; empty when it is

    def as_json(self) -> Json:
        """The stable keys of a device in a backup."""
        return {
            "id": self.id,
            "name": self.name,
            "rows": self.rows,
            "first": iso(self.first),
            "last": iso(self.last),
            "data": self.data,
            "missing": self.missing or None,
        }


class BackupDetails(NamedTuple):
    """A backup with what is in it, device by device, and what is not."""

    backup: Backup
    project_name: str
    devices: tuple[DeviceFacts, ...]
    content: tuple[ContentLine, ...]
    notes: tuple[str, ...]
    encrypted: bool
    longest_lock: float  # seconds that any database was held for reading

    def as_json(self) -> Json:
        """The backup's keys; the devices one by one stand under `device_list`."""
        return self.backup.as_json() | {
            "project_name": self.project_name,
            "encrypted": self.encrypted,
            "device_list": [device.as_json() for device in self.devices],
            "content": [
                {"what": line.what, "treatment": line.treatment, "note": line.note}
                for line in self.content
            ],
            "notes": list(self.notes),
            "longest_lock_ms": round(self.longest_lock * 1000, 1),
        }
