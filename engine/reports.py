"""What a job keeps of what it made: a backup's facts, and the report of a restore.

All but the tokens, which are in the new project.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from engine.model import Backup, BackupKind, BackupState

if TYPE_CHECKING:
    from engine.model import NewToken, Project, RestoreReport

Result = Mapping[str, object]


def backup_result(backup: Backup) -> Result:
    """What a job keeps of the backup that it made."""
    exactly = {"date": backup.date.isoformat()}  # else to the second
    return {"backup": backup.id, "facts": backup.as_json() | exactly}


def backup_made(result: Result) -> Backup | None:
    """The backup that `backup_result` kept, as it was when it was made; None for an older job.

    Raises KeyError, TypeError or ValueError for what it did not write.
    """
    facts = result.get("facts")
    if facts is None:
        return None
    if not isinstance(facts, dict):
        raise TypeError("no facts of a backup")
    return Backup(
        id=_text(facts["id"]),
        project=_text(facts["project"]),
        date=datetime.fromisoformat(_text(facts["date"])),
        kind=BackupKind(facts["kind"]),
        state=BackupState(facts["state"]),
        size=_whole(facts["size"]),
        added=_whole(facts["added"]),
        data=_whole(facts["data"]),
        devices=_whole(facts["devices"]),
        variables=_whole(facts["variables"]),
        actions=_whole(facts["actions"]),
        analyses=_whole(facts["analyses"]),
        accounts=_whole(facts["accounts"]),
        missing=_whole(facts["missing"]),
    )


def result_of(report: RestoreReport) -> Result:
    """What a job keeps of a report; JSON without a secret."""
    return {
        "project": report.project.id,
        "backup": report.backup,
        "port": report.port,
        "devices": report.devices,
        "variables": report.variables,
        "seconds": report.seconds,
        "charged": str(report.charged.amount),
        "currency": report.charged.currency,
        "analyses_without_code": report.analyses_without_code,
        "parsers_without_code": report.parsers_without_code,
        "quiet": report.quiet,
        "notes": report.notes,
    }


def report_of(
    job: str, result: Result, project: Project, tokens: tuple[NewToken, ...]
) -> RestoreReport:
    """The report that `result_of` kept, with the project and its tokens as they are now.

    Raises KeyError, TypeError, ValueError or ArithmeticError for what it did not write.
    """
    from decimal import Decimal

    from engine.model import MissingCode, Money, QuietItem, RestoreReport

    return RestoreReport(
        job=job,
        project=project,
        backup=str(result["backup"]),
        port=_whole(result["port"]),
        devices=_whole(result["devices"]),
        variables=_whole(result["variables"]),
        seconds=float(str(result["seconds"])),
        charged=Money(Decimal(str(result["charged"])), str(result["currency"])),
        tokens=tokens,
        analyses_without_code=tuple(
            MissingCode(*_texts(each, 3)) for each in _list(result["analyses_without_code"])
        ),
        parsers_without_code=tuple(
            MissingCode(*_texts(each, 3)) for each in _list(result["parsers_without_code"])
        ),
        quiet=tuple(QuietItem(*_texts(each, 4)) for each in _list(result["quiet"])),
        notes=tuple(str(each) for each in _list(result["notes"])),
    )


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("no whole number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _list(value: object) -> Iterable[object]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _texts(value: object, count: int) -> list[str]:
    texts = [str(each) for each in _list(value)]
    if len(texts) != count:
        raise ValueError(f"not {count} texts")
    return texts
