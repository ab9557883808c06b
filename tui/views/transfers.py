"""How it is told what a transfer brought, or would bring, and what is in its way."""

from __future__ import annotations

from collections.abc import Sequence

from engine import TransferLine, TransferReport
from tui.wording import counted, duration


def summary(report: TransferReport) -> str:
    """What came, or would, in a sentence that names both projects."""
    return _summed(report, f" from {report.source} into {report.target}")


def short_summary(report: TransferReport) -> str:
    """What came, or would, where both projects are told beside it."""
    return _summed(report, "")


def _summed(report: TransferReport, between: str) -> str:
    there = f"{report.already_there:,} {'are' if report.dry_run else 'were'} there already"
    refused = ""
    if report.refused:
        refused = f", {report.refused:,} {'are' if report.dry_run else 'were'} refused"
    ending = f"moved{between}; {there}{refused}."
    if not report.copied:
        return f"No row {'would be' if report.dry_run else 'was'} {ending}"
    verb = "was" if report.copied == 1 else "were"
    devices = counted(sum(bool(line.copied) for line in report.devices), "device")
    rows = f"{counted(report.copied, 'row')} of {devices}"
    return f"{rows} {'would be' if report.dry_run else verb} {ending}"


def effort(report: TransferReport) -> str:
    """How long it took, and for how long others had to wait at most."""
    return (
        f"It took {duration(report.seconds)}; no database was held longer than "
        f"{report.longest_lock * 1000:.0f} ms."
    )


def worth_telling(report: TransferReport) -> list[TransferLine]:
    """The devices of which there is anything to tell."""
    return [
        line
        for line in report.devices
        if line.copied or line.already_there or line.reason or line.created
    ]


def blocked(lines: Sequence[TransferLine]) -> int:
    """How many devices have something in the way."""
    return sum(bool(line.reason) for line in lines)


def in_the_way(line: TransferLine) -> str:
    """What is in the way of a device, or else to be known of it."""
    return line.reason or "; ".join(line.notes)
