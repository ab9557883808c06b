"""Backstay's engine: snapshots, restores and what an owner does with them; no screen.

These names are public; everything else may change. They are loaded when they are first used, so
that a command that needs little starts fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.access import (
        login_name,
    )
    from engine.amounts import (
        parse_amount,
    )
    from engine.clock import (
        Clock,
        system_clock,
    )
    from engine.demo import (
        make_demo,
    )
    from engine.engine import (
        Engine,
    )
    from engine.errors import (
        BackstayError,
        Busy,
        Cancelled,
        Damaged,
        ExtraMissing,
        Failed,
        HomeUnsafe,
        Invalid,
        NotAllowed,
        NotAnInstance,
        NotFound,
        PriceNotAccepted,
        RepositoryDamaged,
        SettingsInvalid,
        SourceDamaged,
        SourceMissing,
        StorageFailed,
        Taken,
        TooNew,
        WrongKey,
    )
    from engine.handle import (
        Handle,
    )
    from engine.health import (
        Health,
        HealthState,
    )
    from engine.model import (
        ActiveInterval,
        Adoption,
        AuditCheck,
        AuditLine,
        Backup,
        BackupDetails,
        BackupKind,
        BackupState,
        Charge,
        CleanUpReport,
        ComparedSide,
        Comparison,
        ContentLine,
        Contents,
        CostLine,
        DamagedPart,
        DataRow,
        Delivery,
        DeviceChange,
        DeviceFacts,
        ExportFormat,
        ExportReport,
        HeldItem,
        Invitation,
        Job,
        JobKind,
        JobState,
        Member,
        MissingCode,
        Money,
        NewToken,
        Origin,
        Plan,
        PlannedRun,
        Prices,
        Progress,
        Project,
        ProjectDevice,
        ProjectState,
        QuietItem,
        Quote,
        RecoveredProject,
        Recovery,
        RestoreReport,
        Role,
        RowChanges,
        RowsPage,
        SettingChange,
        Storage,
        Thing,
        Things,
        TransferLine,
        TransferReport,
        Value,
        VariableFacts,
        Variables,
        Verdict,
        VerifyReport,
        WakeReport,
        amount_text,
        iso,
        moment_of,
    )
    from engine.projects import (
        check_adoption,
    )
    from engine.records import (
        enter_recovery_key,
    )
    from engine.recovery import (
        needs_key,
        recover,
    )
    from engine.worker import (
        run_worker,
    )

__all__ = [
    "ActiveInterval",
    "Adoption",
    "AuditCheck",
    "AuditLine",
    "BackstayError",
    "Backup",
    "BackupDetails",
    "BackupKind",
    "BackupState",
    "Busy",
    "Cancelled",
    "Charge",
    "CleanUpReport",
    "Clock",
    "ComparedSide",
    "Comparison",
    "ContentLine",
    "Contents",
    "CostLine",
    "Damaged",
    "DamagedPart",
    "DataRow",
    "Delivery",
    "DeviceChange",
    "DeviceFacts",
    "Engine",
    "ExportFormat",
    "ExportReport",
    "ExtraMissing",
    "Failed",
    "Handle",
    "Health",
    "HealthState",
    "HeldItem",
    "HomeUnsafe",
    "Invalid",
    "Invitation",
    "Job",
    "JobKind",
    "JobState",
    "Member",
    "MissingCode",
    "Money",
    "NewToken",
    "NotAllowed",
    "NotAnInstance",
    "NotFound",
    "Origin",
    "Plan",
    "PlannedRun",
    "PriceNotAccepted",
    "Prices",
    "Progress",
    "Project",
    "ProjectDevice",
    "ProjectState",
    "QuietItem",
    "Quote",
    "RecoveredProject",
    "Recovery",
    "RepositoryDamaged",
    "RestoreReport",
    "Role",
    "RowChanges",
    "RowsPage",
    "SettingChange",
    "SettingsInvalid",
    "SourceDamaged",
    "SourceMissing",
    "Storage",
    "StorageFailed",
    "Taken",
    "Thing",
    "Things",
    "TooNew",
    "TransferLine",
    "TransferReport",
    "Value",
    "VariableFacts",
    "Variables",
    "Verdict",
    "VerifyReport",
    "WakeReport",
    "WrongKey",
    "amount_text",
    "check_adoption",
    "enter_recovery_key",
    "iso",
    "login_name",
    "make_demo",
    "moment_of",
    "needs_key",
    "parse_amount",
    "recover",
    "run_worker",
    "system_clock",
]

# Where a name comes from, unless it is an error or a fact of the model.
_MODULES = {
    "Clock": "clock",
    "Engine": "engine",
    "Handle": "handle",
    "Health": "health",
    "HealthState": "health",
    "check_adoption": "projects",
    "enter_recovery_key": "records",
    "login_name": "access",
    "make_demo": "demo",
    "needs_key": "recovery",
    "parse_amount": "amounts",
    "recover": "recovery",
    "run_worker": "worker",
    "system_clock": "clock",
}


def __getattr__(name: str) -> object:
    """Load a public name."""
    if name not in __all__:
        raise AttributeError(f"the engine has no public name {name!r}")
    for module in [_MODULES[name]] if name in _MODULES else ["errors", "model"]:
        loaded = importlib.import_module(f"engine.{module}")
        if hasattr(loaded, name):
            return getattr(loaded, name)
    raise AttributeError(name)
