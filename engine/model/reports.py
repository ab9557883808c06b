"""What came of a restore, a proof, a clean-up, a transfer and a recovery."""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from engine.model.money import Money, amount_text
from engine.model.projects import Project, QuietItem
from engine.model.written import Json, iso


class NewToken(NamedTuple):
    """A token that a restore made. `token` is a secret: show it only to an owner who asks."""

    device: str
    device_name: str
    name: str
    permission: str
    token: str

    def as_json(self) -> Json:
        """The stable keys of a new token."""
        return {
            "device": self.device,
            "device_name": self.device_name,
            "name": self.name,
            "permission": self.permission,
            "token": self.token,
        }


class MissingCode(NamedTuple):
    """An analysis or payload parser whose code its owner has to put back."""

    id: str
    name: str
    path: str  # where its code was in the source


class RestoreReport(NamedTuple):
    """What a restore made, and what its owner still has to do."""

    job: str
    project: Project
    backup: str
    port: int
    devices: int
    variables: int
    seconds: float
    charged: Money
    tokens: tuple[NewToken, ...]
    analyses_without_code: tuple[MissingCode, ...]
    parsers_without_code: tuple[MissingCode, ...]
    quiet: tuple[QuietItem, ...]
    notes: tuple[str, ...]

    def as_json(self) -> Json:
        """The stable keys of a restore."""
        return {
            "job": self.job,
            "project": self.project.as_json(),
            "backup": self.backup,
            "port": self.port,
            "devices": self.devices,
            "variables": self.variables,
            "seconds": round(self.seconds, 3),
            "charged": amount_text(self.charged.amount),
            "currency": self.charged.currency,
            "tokens": [token.as_json() for token in self.tokens],
            "analyses_without_code": [
                {"id": code.id, "name": code.name, "path": code.path}
                for code in self.analyses_without_code
            ],
            "parsers_without_code": [
                {"id": code.id, "name": code.name, "path": code.path}
                for code in self.parsers_without_code
            ],
            "quiet": [item.as_json() for item in self.quiet],
            "notes": list(self.notes),
        }


class CleanUpReport(NamedTuple):
    """What a clean-up removed: backups (ids), and bytes of the repository."""

    removed: tuple[str, ...]
    freed: int
    notes: tuple[str, ...]

    def as_json(self) -> Json:
        """The stable keys of a clean-up."""
        return {"removed": list(self.removed), "freed": self.freed, "notes": list(self.notes)}


class DamagedPart(NamedTuple):
    """A part of a backup that cannot be restored, and why. `device` is None for what is none."""

    device: str | None  # id
    name: str
    reason: str

    def as_json(self) -> Json:
        """The stable keys of what is damaged."""
        return {"device": self.device, "name": self.name, "reason": self.reason}


class VerifyReport(NamedTuple):
    """Whether a backup restores: it does exactly when `damaged` is empty."""

    job: str
    backup: str
    damaged: tuple[DamagedPart, ...]
    data: int  # bytes of databases that were to be rebuilt and checked
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether all of it can be restored."""
        return not self.damaged

    def as_json(self) -> Json:
        """The stable keys of a proof."""
        return {
            "job": self.job,
            "backup": self.backup,
            "ok": self.ok,
            "damaged": [part.as_json() for part in self.damaged],
            "data": self.data,
            "seconds": round(self.seconds, 3),
        }


class TransferLine(NamedTuple):
    """What a transfer brought, or would bring, of one device; the numbers are rows.

    `reason` says what is in the way of those refused, or of the device; else it is empty.
    """

    device: str  # id in the target; in the source where the target has none
    device_name: str
    source_device: str  # id in the source
    copied: int
    already_there: int
    refused: int
    reason: str
    created: bool  # whether the target had no such device before
    notes: tuple[str, ...]

    def as_json(self) -> Json:
        """The stable keys of a device in a transfer."""
        return {
            "device": self.device,
            "name": self.device_name,
            "source_device": self.source_device,
            "copied": self.copied,
            "already_there": self.already_there,
            "refused": self.refused,
            "reason": self.reason or None,
            "created": self.created,
            "notes": list(self.notes),
        }


class TransferReport(NamedTuple):
    """What a transfer brought, device by device; with `dry_run`, what it would bring."""

    job: str
    source: str  # the projects' names
    target: str
    dry_run: bool
    devices: tuple[TransferLine, ...]
    copied: int
    already_there: int
    refused: int
    seconds: float
    longest_lock: float  # seconds that a database of the target was held
    notes: tuple[str, ...]

    def as_json(self) -> Json:
        """The stable keys of a transfer."""
        return {
            "job": self.job or None,
            "source": self.source,
            "target": self.target,
            "dry_run": self.dry_run,
            "devices": [device.as_json() for device in self.devices],
            "copied": self.copied,
            "already_there": self.already_there,
            "refused": self.refused,
            "seconds": round(self.seconds, 3),
            "longest_lock_ms": round(self.longest_lock * 1000, 1),
            "notes": list(self.notes),
        }


class RecoveredProject(NamedTuple):
    """A project that a recovery found in a repository."""

    project: Project
    backups: int
    latest: datetime

    def as_json(self) -> Json:
        """The stable keys of a recovered project: those of a project, and its backups."""
        return self.project.as_json() | {"backups": self.backups, "latest": iso(self.latest)}


class Recovery(NamedTuple):
    """A home that was made of a repository, which is left as it was.

    `forgotten` are projects whose name or folder a younger one has: their backups are reached by
    their ids. `unreadable` are backups that could not be read, each named with why; `lost` are
    packs that could not be copied.
    """

    home: Path
    projects: tuple[RecoveredProject, ...]
    forgotten: tuple[RecoveredProject, ...]
    unreadable: tuple[DamagedPart, ...]
    lost: tuple[str, ...]
    encrypted: bool

    @property
    def backups(self) -> int:
        """How many backups the home has now."""
        return sum(found.backups for found in (*self.projects, *self.forgotten))

    @property
    def whole(self) -> bool:
        """Whether everything in the repository could be read."""
        return not self.unreadable and not self.lost

    def as_json(self) -> Json:
        """The stable keys of a recovery."""
        return {
            "home": str(self.home),
            "backups": self.backups,
            "projects": [found.as_json() for found in self.projects],
            "forgotten": [found.as_json() for found in self.forgotten],
            "unreadable": [
                {"backup": part.name, "reason": part.reason} for part in self.unreadable
            ],
            "lost_packs": list(self.lost),
            "encrypted": self.encrypted,
        }
