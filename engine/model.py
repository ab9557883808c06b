"""The facts that Backstay deals in: frozen, typed, free of behaviour that touches the outside.

Units: sizes are bytes, durations are seconds, dates are timezone-aware and in UTC, money is
`Money` (a `Decimal` with its currency). The `as_json` methods give the stable keys of ``--json``.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

Json = dict[str, object]


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC to the second, or None: how every date is written outside."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Role(StrEnum):
    """What a person is to a project."""

    OWNER = "owner"
    COLLABORATOR = "collaborator"


class ProjectState(StrEnum):
    """Whether a project is in use; only an active project costs money."""

    CREATING = "creating"  # a restore is under way; never shown as a project
    ACTIVE = "active"
    STOPPED = "stopped"


class Origin(StrEnum):
    """Where a project came from; only a restored one may be deleted."""

    ADOPTED = "adopted"
    RESTORED = "restored"


class BackupKind(StrEnum):
    """Who asked for a backup."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"


class BackupState(StrEnum):
    """A backup exists wholly or not at all; damage that was found is named."""

    COMPLETE = "complete"
    DAMAGED = "damaged"


class Verdict(StrEnum):
    """What access decided."""

    ALLOWED = "allowed"
    REFUSED = "refused"


class Encryption(StrEnum):
    """How a repository is sealed."""

    AES_256_GCM = "aes-256-gcm"
    NONE = "none"


class LeaveOut(StrEnum):
    """Which indexes of a device's database a backup leaves out, to be rebuilt by a restore."""

    PRIMARY_KEY = "primary-key"
    NONE = "none"
    ALL = "all"


class JobKind(StrEnum):
    """What a job does."""

    BACKUP = "backup"
    RESTORE = "restore"
    CLEAN_UP = "clean-up"
    TRANSFER = "transfer"
    VERIFY = "verify"

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of `Progress` in their order; one with nothing to do is passed over."""
        match self:
            case JobKind.BACKUP:
                return ("looking for changes", "reading the databases", "finishing")
            case JobKind.RESTORE:
                return ("new ids and indexes", "making it available")
            case JobKind.CLEAN_UP:
                return (
                    "looking for what is still needed",
                    "moving what is still needed",
                    "removing",
                )
            case JobKind.TRANSFER:
                return ("looking at the devices", "moving the rows")
            case JobKind.VERIFY:
                return ("rebuilding and checking",)


class JobState(StrEnum):
    """Where a job is; cancelled is not a failure, and lost means that its worker died."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"

    @property
    def ended(self) -> bool:
        """Whether a job in this state never changes again."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency; amounts are exact decimals, never floats."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        """The amount with two decimals or more if it has them, then the currency: 49.00 EUR."""
        return f"{amount_text(self.amount)} {self.currency}"


def amount_text(amount: Decimal) -> str:
    """An amount as text: at least two decimals, more only where they are not zero."""
    text = f"{amount.normalize():f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


@dataclass(frozen=True, slots=True)
class Prices:
    """What a restored project costs, as its home's settings say; all zero where none are set.

    `hourly_per_gb` is for each 10^9 bytes of the databases that the backup stands for.
    """

    currency: str = "EUR"
    creation_fee: Decimal = Decimal(0)
    hourly: Decimal = Decimal(0)
    hourly_per_gb: Decimal = Decimal(0)
    priced: bool = False  # whether any of the three amounts was set, be it to zero


class Invitation(NamedTuple):
    """A role that `by` offers to `user`, who has not answered yet."""

    project: str  # id
    project_name: str
    user: str
    role: Role
    by: str
    at: datetime

    def as_json(self) -> Json:
        """The stable keys of an invitation."""
        return {
            "project": self.project,
            "project_name": self.project_name,
            "user": self.user,
            "role": self.role.value,
            "by": self.by,
            "at": iso(self.at),
        }


class UserKey(NamedTuple):
    """A public key that lets somebody in over SSH; `fingerprint` as ``ssh-keygen -l`` prints it."""

    user: str
    type: str
    fingerprint: str
    comment: str

    def as_json(self) -> Json:
        """The stable keys of a user's key."""
        return {
            "user": self.user,
            "type": self.type,
            "fingerprint": self.fingerprint,
            "comment": self.comment,
        }


class Member(NamedTuple):
    """A person who has a role in a project."""

    user: str
    role: Role


class Charge(NamedTuple):
    """An amount that fell due once; it stays when its project is gone."""

    project: str  # id
    project_name: str
    at: datetime
    amount: Money
    what: str


class ActiveInterval(NamedTuple):
    """A time in which a project was active, and its rate then; `ended` is None while it is."""

    project: str  # id
    project_name: str
    started: datetime
    ended: datetime | None
    hourly: Money


class Project(NamedTuple):
    """A TagoCore instance known to this home. `path` is the folder that holds tagocore.yml."""

    id: str
    name: str
    path: Path
    state: ProjectState
    quiet: bool
    origin: Origin
    role: Role | None
    owners: tuple[str, ...]
    collaborators: tuple[str, ...]
    created: datetime

    def as_json(self) -> Json:
        """The stable keys of a project."""
        return {
            "id": self.id,
            "name": self.name,
            "path": str(self.path),
            "state": self.state.value,
            "quiet": self.quiet,
            "origin": self.origin.value,
            "role": self.role.value if self.role else None,
            "owners": list(self.owners),
            "collaborators": list(self.collaborators),
            "created": iso(self.created),
        }


class ContentLine(NamedTuple):
    """One line of the table of what a backup includes, excludes and regenerates."""

    what: str
    treatment: str  # included | regenerated | not included
    note: str


class Adoption(NamedTuple):
    """A project that was just registered, and what was noticed about it."""

    project: Project
    notes: tuple[str, ...]
    content: tuple[ContentLine, ...]


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


class Quote(NamedTuple):
    """What a new project made of a backup will cost; `priced` is False where no prices are set."""

    creation_fee: Money
    hourly: Money
    this_month: Money  # the fee, and the hours until the month ends
    monthly: Money  # 730 hours
    month_ends: datetime
    priced: bool

    def as_json(self) -> Json:
        """The stable keys of a quote; money is text."""
        return {
            "currency": self.creation_fee.currency,
            "creation_fee": amount_text(self.creation_fee.amount),
            "hourly": amount_text(self.hourly.amount),
            "this_month": amount_text(self.this_month.amount),
            "monthly": amount_text(self.monthly.amount),
            "month_ends": iso(self.month_ends),
            "priced": self.priced,
        }


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


class QuietItem(NamedTuple):
    """Something that a restored project keeps off until its owner wakes it."""

    kind: str  # action | data retention | plugin
    id: str
    name: str
    was: str  # the setting that waking brings back

    def as_json(self) -> Json:
        """The stable keys of a quiet item."""
        return {"kind": self.kind, "id": self.id, "name": self.name, "was": self.was}


class HeldItem(NamedTuple):
    """One setting of a restored project's main database that is held until its owner wakes it.

    `held` is what `column` was set to and `was` what it held before. Waking puts `was` back only
    where the column still holds `held`.
    """

    kind: str  # as in QuietItem
    id: str
    name: str
    column: str
    was: str | int | None
    held: str | int | None


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


class WakeReport(NamedTuple):
    """What waking a project switched on again, and what it left because it had been changed."""

    project: Project
    woken: tuple[QuietItem, ...]
    left: tuple[QuietItem, ...]

    def as_json(self) -> Json:
        """The stable keys of waking."""
        return self.project.as_json() | {
            "woken": [item.as_json() for item in self.woken],
            "left": [item.as_json() for item in self.left],
        }


class CostLine(NamedTuple):
    """What one project cost in one calendar month (UTC)."""

    project: str  # id; kept when the project is gone
    project_name: str
    month: str  # YYYY-MM
    hours: Decimal  # hours in which it was active
    creation_fee: Money
    running: Money

    @property
    def total(self) -> Money:
        """Fee and running cost together."""
        return Money(self.creation_fee.amount + self.running.amount, self.running.currency)

    def as_json(self) -> Json:
        """The stable keys of a cost line."""
        return {
            "project": self.project,
            "project_name": self.project_name,
            "month": self.month,
            "hours": str(self.hours),
            "currency": self.running.currency,
            "creation_fee": amount_text(self.creation_fee.amount),
            "running": amount_text(self.running.amount),
            "total": amount_text(self.total.amount),
        }


class AuditLine(NamedTuple):
    """Who did or tried what, on what, when, and what access said."""

    number: int
    at: datetime
    user: str
    action: str
    project: str | None  # a project's name at that time
    verdict: Verdict
    detail: str

    def as_json(self) -> Json:
        """The stable keys of an audit line."""
        return {
            "number": self.number,
            "at": iso(self.at),
            "user": self.user,
            "action": self.action,
            "project": self.project,
            "verdict": self.verdict.value,
            "detail": self.detail,
        }


class AuditCheck(NamedTuple):
    """Whether the audit trail is as it was written.

    `seal` is the hash of its last line, which depends on every line before; `problem` says which
    line was changed or removed, and is empty where none was.
    """

    lines: int
    seal: str
    problem: str

    def as_json(self) -> Json:
        """The stable keys of a check of the audit trail."""
        return {
            "ok": not self.problem,
            "lines": self.lines,
            "seal": self.seal,
            "problem": self.problem or None,
        }


class PlannedRun(NamedTuple):
    """A scheduled moment that is to come; `remark` is what daylight saving does to it, or empty."""

    date: str  # YYYY-MM-DD, local
    due: datetime
    remark: str


class Plan(NamedTuple):
    """When a project is backed up, and how many backups it keeps.

    `at` is HH:MM in the IANA zone `zone`; both are None where backups are taken by hand only.
    `notes` tell of the latest slots that went otherwise than planned.
    """

    project: str  # id
    project_name: str
    at: str | None
    zone: str | None
    keep: int
    runs: tuple[PlannedRun, ...]
    notes: tuple[str, ...]

    def as_json(self) -> Json:
        """The stable keys of a plan."""
        return {
            "project": self.project,
            "project_name": self.project_name,
            "at": self.at,
            "timezone": self.zone,
            "keep": self.keep,
            "next": [
                {"date": run.date, "due": iso(run.due), "remark": run.remark} for run in self.runs
            ],
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


class Delivery(NamedTuple):
    """What became of a message: `to` shows no secret of where it was sent to.

    `problem` says why it did not arrive; it is empty where the service took it.
    """

    to: str
    problem: str

    def as_json(self) -> Json:
        """The stable keys of a delivery."""
        return {"to": self.to, "problem": self.problem or None}


class Storage(NamedTuple):
    """Where backups are kept. `size` is what all backups of the home occupy there, in bytes."""

    place: Path
    encrypted: bool
    size: int
    cleaned: datetime | None  # when the last clean-up after this project ended


class Progress(NamedTuple):
    """How far a piece of work is. `total` is 0 while it is not known yet; both are bytes.

    `rate` is bytes per second, lately; None while there is nothing to tell it from.
    """

    stage: str
    done: int
    total: int
    rate: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at this rate; None while that cannot be said."""
        if not self.total or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate


class Job(NamedTuple):
    """One piece of work of a home, where it is, and how it ended.

    `reason` and `hint` tell its owner why it failed or was lost, and what to do; else they are
    empty. `slot` is the local date (YYYY-MM-DD) of a scheduled backup; a slot that was lost is
    tried once more: then `attempt` is 2. `new_project` is the name of the project that a restore
    makes; it is empty for other kinds.
    """

    id: str
    kind: JobKind
    project: str  # id
    project_name: str
    user: str
    state: JobState
    asked: datetime
    started: datetime | None
    finished: datetime | None
    progress: Progress
    error: str  # the name of the error it ended with
    reason: str
    hint: str
    slot: str | None
    attempt: int
    new_project: str = ""

    def as_json(self) -> Json:
        """The stable keys of a job."""
        left = self.progress.seconds_left
        return {
            "id": self.id,
            "kind": self.kind.value,
            "project": self.project,
            "project_name": self.project_name,
            "user": self.user,
            "state": self.state.value,
            "asked": iso(self.asked),
            "started": iso(self.started),
            "finished": iso(self.finished),
            "stage": self.progress.stage,
            "done": self.progress.done,
            "total": self.progress.total,
            "rate": None if self.progress.rate is None else round(self.progress.rate),
            "seconds_left": None if left is None else round(left),
            "error": self.error or None,
            "reason": self.reason or None,
            "hint": self.hint or None,
            "slot": self.slot,
            "attempt": self.attempt,
            "new_project": self.new_project or None,
        }
