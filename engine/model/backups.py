"""What a backup is, and where backups are kept."""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from engine.model.kinds import BackupKind, BackupState
from engine.model.written import Json, iso


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


class Storage(NamedTuple):
    """Where backups are kept. `size` is what all backups of the home occupy there, in bytes."""

    place: Path
    encrypted: bool
    size: int
    cleaned: datetime | None  # when the last clean-up after this project ended
