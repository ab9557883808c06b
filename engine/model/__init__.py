"""The facts that Backstay deals in: frozen, typed, free of behaviour that touches the outside.

Units: sizes are bytes, durations are seconds, dates are timezone-aware and in UTC, money is
`Money` (a `Decimal` with its currency). The `as_json` methods give the stable keys of ``--json``.
"""

from engine.model.backups import (
    PATIENCE,
    Backup,
    BackupDetails,
    BackupKind,
    BackupState,
    ContentLine,
    DeviceFacts,
    Encryption,
    LeaveOut,
    Storage,
)
from engine.model.comparison import (
    ComparedSide,
    Comparison,
    DeviceChange,
    RowChanges,
    SettingChange,
    Thing,
    Things,
)
from engine.model.contents import Contents, DataRow, RowsPage, Value, VariableFacts, moment_of
from engine.model.exports import ExportFormat, ExportReport
from engine.model.jobs import Job, JobKind, JobState, Progress
from engine.model.money import ActiveInterval, Charge, CostLine, Money, Prices, Quote, amount_text
from engine.model.people import AuditCheck, AuditLine, Invitation, Member, Role, UserKey, Verdict
from engine.model.projects import (
    Adoption,
    HeldItem,
    Origin,
    Project,
    ProjectState,
    QuietItem,
    WakeReport,
)
from engine.model.reports import (
    CleanUpReport,
    DamagedPart,
    MissingCode,
    NewToken,
    RecoveredProject,
    Recovery,
    RestoreReport,
    TransferLine,
    TransferReport,
    VerifyReport,
)
from engine.model.schedules import Delivery, Plan, PlannedRun
from engine.model.written import Json, iso

__all__ = [
    "PATIENCE",
    "ActiveInterval",
    "Adoption",
    "AuditCheck",
    "AuditLine",
    "Backup",
    "BackupDetails",
    "BackupKind",
    "BackupState",
    "Charge",
    "CleanUpReport",
    "ComparedSide",
    "Comparison",
    "ContentLine",
    "Contents",
    "CostLine",
    "DamagedPart",
    "DataRow",
    "Delivery",
    "DeviceChange",
    "DeviceFacts",
    "Encryption",
    "ExportFormat",
    "ExportReport",
    "HeldItem",
    "Invitation",
    "Job",
    "JobKind",
    "JobState",
    "Json",
    "LeaveOut",
    "Member",
    "MissingCode",
    "Money",
    "NewToken",
    "Origin",
    "Plan",
    "PlannedRun",
    "Prices",
    "Progress",
    "Project",
    "ProjectState",
    "QuietItem",
    "Quote",
    "RecoveredProject",
    "Recovery",
    "RestoreReport",
    "Role",
    "RowChanges",
    "RowsPage",
    "SettingChange",
    "Storage",
    "Thing",
    "Things",
    "TransferLine",
    "TransferReport",
    "UserKey",
    "Value",
    "VariableFacts",
    "Verdict",
    "VerifyReport",
    "WakeReport",
    "amount_text",
    "iso",
    "moment_of",
]
