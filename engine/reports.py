"""The report of a restore as its job keeps it: all but the tokens, which are in the project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from engine.model import MissingCode, Money, NewToken, Project, QuietItem, RestoreReport

Result = Mapping[str, object]


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


def _list(value: object) -> Iterable[object]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _texts(value: object, count: int) -> list[str]:
    texts = [str(each) for each in _list(value)]
    if len(texts) != count:
        raise ValueError(f"not {count} texts")
    return texts
