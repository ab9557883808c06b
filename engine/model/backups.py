"""What a backup is, what is in it, and how it is stored."""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from engine.model.kinds import BackupKind, BackupState
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


class Backup(NamedTuple):
    """One snapshot of a project.

    `size` is what its chunks and manifest occupy in the repository, `added` what this backup
    added to it, and `data` the bytes of the databases it stands for. `devices` and `variables` are
    counts.
    """

    id: str
    project: str  # the project's id
    date: datetime
    kind: BackupKind
    state: BackupState
    size: int
    added: int
    data: int
    devices: int
    variables: int
    actions: int
    analyses: int
    accounts: int
    verified: datetime | None = None
    missing: int = 0  # devices whose data is not in it, because it could not be read

    def as_json(self) -> Json:
        """The stable keys of a backup."""
        return {
            "id": self.id,
            "project": self.project,
            "date": iso(self.date),
            "size": self.size,
            "added": self.added,
            "data": self.data,
            "kind": self.kind.value,
            "state": self.state.value,
            "verified": iso(self.verified),
            "devices": self.devices,
            "variables": self.variables,
            "actions": self.actions,
            "analyses": self.analyses,
            "accounts": self.accounts,
            "missing": self.missing,
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


class Storage(NamedTuple):
    """Where backups are kept. `size` is what all backups of the home occupy there, in bytes."""

    place: Path
    encrypted: bool
    size: int
    cleaned: datetime | None  # when the last clean-up after this project ended
