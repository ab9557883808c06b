"""The audit trail as a table."""

from __future__ import annotations

from collections.abc import Sequence

from engine import AuditLine
from tui.output import Layout
from tui.table import Column, table
from tui.wording import NONE, short_date


def audit_table(lines: Sequence[AuditLine], layout: Layout) -> list[str]:
    """Who did or tried what, on what, when, and what access said."""
    columns = [
        Column("Date (UTC)"),
        Column("User", least=8),
        Column("Action", least=8),
        Column("Project", least=10),
        Column("Verdict", colours={"refused": "amber"}),
        Column("Detail", folds=True),
    ]
    rows = [
        [
            short_date(line.at),
            line.user,
            line.action,
            line.project or NONE,
            line.verdict.value,
            line.detail,
        ]
        for line in lines
    ]
    return list(table(columns, rows, layout).lines)
