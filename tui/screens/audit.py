"""The audit trail: who did or tried what, and what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine import AuditLine, Verdict
from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.widgets.rows import Cell, Row
from tui.widgets.state import State
from tui.wording import NONE, short_date

_MOST = 1000  # lines that are listed


class AuditPage(ListPage[Sequence[AuditLine]]):
    """Every change and every refusal in the projects that the user owns, newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", tooltip="Show only what has a text in it"),
        Binding("o", "sort", "sort", tooltip="Sort the lines another way"),
        Binding("escape", "back", "back", tooltip="Go back"),
    ]
    noun = ("line", "lines")
    orders = ("when", "who", "what", "verdict")
    follows = True
    reading = "Reading the audit trail…"

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        return ("Backstay", "Audit")

    async def read(self) -> Sequence[AuditLine]:
        """Ask for the trail."""
        return await self.backstay.engine.audit(limit=_MOST + 1)

    def listed(self, data: Sequence[AuditLine]) -> Listed:
        """The newest lines, in the order that was chosen."""
        columns = [
            Column(self.heading("when", "When (UTC)")),
            Column(self.heading("who", "Who", rising=True), least=4),
            Column(self.heading("what", "What", rising=True), least=10),
            Column("On", least=8),
            Column(self.heading("verdict", "Verdict")),
            Column("Detail", least=10, drop=1),
        ]
        rows = [
            Row(
                str(line.number),
                [
                    Cell(short_date(line.at), "dim"),
                    Cell(line.user),
                    Cell(line.action),
                    Cell(line.project or NONE),
                    verdict_cell(line.verdict),
                    Cell(line.detail, "dim"),
                ],
            )
            for line in self._sorted(data[:_MOST])
        ]
        more = [f"The newest {_MOST:,} lines. Older ones: backstay audit --until DATE."]
        return Listed(columns, rows, more if len(data) > _MOST else [])

    def _sorted(self, lines: Sequence[AuditLine]) -> Sequence[AuditLine]:
        order = self.orders[self.order]
        if order == "who":
            return sorted(lines, key=lambda line: line.user)
        if order == "what":
            return sorted(lines, key=lambda line: line.action)
        if order == "verdict":
            return sorted(lines, key=lambda line: line.verdict is Verdict.ALLOWED)
        return lines

    def said_of_selected(self, data: Sequence[AuditLine]) -> Sequence[str]:
        """The whole of a line, where its columns are short."""
        key = self.rows.selected
        line = next((line for line in data if str(line.number) == key), None)
        if line is None:
            return []
        refused = line.verdict is Verdict.REFUSED
        did = "was refused" if refused else "did"
        on = f" on {line.project}" if line.project else ""
        detail = f": {line.detail}" if line.detail else ""
        return [f"{line.user} {did} “{line.action}”{on}{detail}."]

    def say_empty(self, data: Sequence[AuditLine], state: State) -> None:
        """Say what will be here."""
        state.tell(
            "Nothing is recorded that you may see.",
            "Every change and every refusal in a project that you own is listed here.",
        )


def verdict_cell(verdict: Verdict) -> Cell:
    """What access said: a glyph and a word."""
    if verdict is Verdict.REFUSED:
        return Cell("✗ refused", "warn")
    return Cell("✓ allowed", "dim")
