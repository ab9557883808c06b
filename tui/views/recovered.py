"""The projects that a recovery found, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from engine import RecoveredProject, system_clock
from tui.output import Layout
from tui.table import Column, table
from tui.views.projects import state_text
from tui.wording import age, listed


def recovered_table(found: Sequence[RecoveredProject], layout: Layout) -> list[str]:
    """Each project with its backups, whose it is, and where it was."""
    columns = [
        Column("Project", least=12),
        Column("State"),
        Column("Backups", least=16),
        Column("Belongs to"),
        Column("Was in", drop=1),
    ]
    now = system_clock()
    rows = [
        [
            each.project.name,
            state_text(each.project),
            f"{each.backups}, latest {age(each.latest, now)}",
            listed(each.project.owners),
            str(each.project.path),
        ]
        for each in found
    ]
    return list(table(columns, rows, layout).lines)
