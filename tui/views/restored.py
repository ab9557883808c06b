"""The report of a restore: what was made, what it cost, and what its owner does next."""

from __future__ import annotations

from collections.abc import Sequence

from engine import MissingCode, NewToken, QuietItem, RestoreReport
from tui.invocation import Invocation
from tui.output import Layout
from tui.plain_text import plain
from tui.table import Column, table
from tui.views.facts import facts, folded, notes
from tui.wording import counted, duration


def report_lines(
    report: RestoreReport, invocation: Invocation, layout: Layout, *, tokens_told: str | None = None
) -> list[str]:
    """The whole report; `tokens_told` says where the new tokens are, else a command shows them."""
    project = report.project
    lines = folded(
        plain(
            f"{project.name} is ready. It took {duration(report.seconds)} and cost "
            f"{report.charged}."
        ),
        layout,
    )
    devices = counted(report.devices, "device")
    variables = counted(report.variables, "variable")
    lines += facts(
        [
            ("Folder", str(project.path)),
            ("Port", str(report.port)),
            ("Holds", f"{devices} and {variables}, checked"),
            ("From", f"backup {report.backup}"),
            ("State", "quiet" if project.quiet else project.state.value),
        ],
        layout,
    )
    lines += ["", "To do, in this order"]
    for place, (step, command) in enumerate(_steps(report, invocation, tokens_told), start=1):
        lines += folded(plain(step), layout, first=f"  {place}  ", rest="     ")
        lines += [f"     {plain(command)}"] if command else []  # unfolded, to be copied whole
    lines += _code(report.analyses_without_code, "Analyses without their code", layout)
    lines += _code(report.parsers_without_code, "Payload parsers without their code", layout)
    lines += quiet_table(report.quiet, "Off until it is woken", layout)
    return lines + notes(report.notes, layout)


def _steps(
    report: RestoreReport, invocation: Invocation, tokens_told: str | None
) -> list[tuple[str, str]]:
    """What is left to do, each with the command that does it, if there is one."""
    steps = []
    if report.tokens:
        tokens = counted(len(report.tokens), "new token")
        if tokens_told is None:
            see = invocation.command_line("jobs", report.job[:8], "--tokens")
            steps.append((f"Give the devices their tokens, {tokens}, listed as CSV by:", see))
        else:
            steps.append((f"Give the devices their tokens: {tokens}. {tokens_told}".rstrip(), ""))
    code = len(report.analyses_without_code) + len(report.parsers_without_code)
    if code:
        of = counted(code, "analysis or parser", "analyses and parsers")
        steps.append((f"Put back the code of {of}, listed below.", ""))
    if report.quiet:
        off = counted(len(report.quiet), "thing is", "things are")
        wake = invocation.command_line("wake", report.project.name)
        steps.append((f"Wake it when it is to work; {off} off until then:", wake))
    return steps or [("Nothing: start TagoCore on its folder.", "")]


def _code(codes: Sequence[MissingCode], title: str, layout: Layout) -> list[str]:
    if not codes:
        return []
    columns = [
        Column("Name", least=14),
        Column("Id", drop=1),
        Column("Was at", least=48, folds=True),
    ]
    rows = [[code.name, code.id, code.path] for code in codes]
    return ["", title, *table(columns, rows, layout, indent=2).lines]


def quiet_table(items: Sequence[QuietItem], title: str, layout: Layout) -> list[str]:
    """Things that are off, or were: nothing where there are none."""
    if not items:
        return []
    columns = [
        Column("What"),
        Column("Name", least=14),
        Column("Id", drop=1),
        Column("Was", folds=True),
    ]
    rows = [[item.kind, item.name, item.id, item.was] for item in items]
    return ["", title, *table(columns, rows, layout, indent=2).lines]


def tokens_table(tokens: Sequence[NewToken], layout: Layout) -> list[str]:
    """The new tokens in full: only for an owner who asked to see them."""
    columns = [
        Column("Device", least=8),
        Column("Token name", least=8, drop=1),
        Column("Permission"),
        Column("New token"),
    ]
    rows = [[token.device_name, token.name, token.permission, token.token] for token in tokens]
    return list(table(columns, rows, layout).lines)
