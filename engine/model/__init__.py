"""The facts that Backstay deals in: frozen, typed, free of behaviour that touches the outside.

Units: sizes are bytes, durations are seconds, dates are timezone-aware and in UTC, money is
`Money` (a `Decimal` with its currency). The `as_json` methods give the stable keys of ``--json``.
"""

from typing import TYPE_CHECKING

from engine.lazily import lazily

if TYPE_CHECKING:
    from engine.model.audit import AuditCheck, AuditLine
    from engine.model.backups import Backup, Storage
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
    from engine.model.details import BackupDetails, ContentLine, DeviceFacts
    from engine.model.exports import ExportReport
    from engine.model.jobs import Job, Progress
    from engine.model.kinds import (
        ENCRYPTION,
        PATIENCE,
        BackupKind,
        BackupState,
        Encryption,
        ExportFormat,
        JobKind,
        JobState,
        LeaveOut,
        Origin,
        ProjectState,
        Role,
        Verdict,
    )
    from engine.model.logins import RemovedKeys, UserKey
    from engine.model.money import (
        ActiveInterval,
        Charge,
        CostLine,
        Money,
        Prices,
        Quote,
        amount_text,
    )
    from engine.model.people import Invitation, Member
    from engine.model.projects import (
        Adoption,
        HeldItem,
        Project,
        ProjectDevice,
        QuietItem,
        Variables,
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
    "ENCRYPTION",
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
    "ProjectDevice",
    "ProjectState",
    "QuietItem",
    "Quote",
    "RecoveredProject",
    "Recovery",
    "RemovedKeys",
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
    "Variables",
    "Verdict",
    "VerifyReport",
    "WakeReport",
    "amount_text",
    "iso",
    "moment_of",
]

if not TYPE_CHECKING:  # or checkers would believe in any name
    __getattr__ = lazily(
        __name__,
        {
            "audit": ("AuditCheck", "AuditLine"),
            "backups": ("Backup", "Storage"),
            "comparison": (
                "ComparedSide",
                "Comparison",
                "DeviceChange",
                "RowChanges",
                "SettingChange",
                "Thing",
                "Things",
            ),
            "contents": ("Contents", "DataRow", "RowsPage", "Value", "VariableFacts", "moment_of"),
            "details": ("BackupDetails", "ContentLine", "DeviceFacts"),
            "exports": ("ExportReport",),
            "jobs": ("Job", "Progress"),
            "kinds": (
                "BackupKind",
                "BackupState",
                "ENCRYPTION",
                "Encryption",
                "ExportFormat",
                "JobKind",
                "JobState",
                "LeaveOut",
                "Origin",
                "PATIENCE",
                "ProjectState",
                "Role",
                "Verdict",
            ),
            "logins": ("RemovedKeys", "UserKey"),
            "money": (
                "ActiveInterval",
                "Charge",
                "CostLine",
                "Money",
                "Prices",
                "Quote",
                "amount_text",
            ),
            "people": ("Invitation", "Member"),
            "projects": (
                "Adoption",
                "HeldItem",
                "Project",
                "ProjectDevice",
                "QuietItem",
                "Variables",
                "WakeReport",
            ),
            "reports": (
                "CleanUpReport",
                "DamagedPart",
                "MissingCode",
                "NewToken",
                "RecoveredProject",
                "Recovery",
                "RestoreReport",
                "TransferLine",
                "TransferReport",
                "VerifyReport",
            ),
            "schedules": ("Delivery", "Plan", "PlannedRun"),
            "written": ("Json", "iso"),
        },
    )
