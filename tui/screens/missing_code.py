"""Whose code a restored project lacks: code is never in a backup, its owner puts it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual.binding import Binding, BindingType

from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.widgets.rows import Cell, Row
from tui.widgets.state import State
from tui.wording import counted

_QUIET_THINGS = ("action", "data retention")  # these need no code


class Lacking(NamedTuple):
    """Something whose code is missing, and where that was."""

    kind: str
    id: str
    name: str
    was_at: str


class MissingCodePage(ListPage[Sequence[Lacking]]):
    """Analyses, payload parsers and plugins without their code."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "copy where it was"),
        Binding("slash", "filter", "filter"),
        Binding("o", "sort", "sort"),
        Binding("escape", "back", "back"),
    ]
    noun = ("piece of code", "pieces of code")
    orders = ("kind", "name", "where it was")
    follows = True
    reading = "Reading what lacks its code…"

    def __init__(self, job: str, project_name: str) -> None:
        """`job` is the restore that made the project."""
        super().__init__()
        self.job = job
        self.project_name = project_name

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        return ("Backstay", self.project_name, "Code to put back")

    async def read(self) -> Sequence[Lacking]:
        """Ask for what lacks its code."""
        report = await self.backstay.engine.report(self.job)
        return [
            *(Lacking("analysis", *each) for each in report.analyses_without_code),
            *(Lacking("payload parser", *each) for each in report.parsers_without_code),
            *(
                Lacking(item.kind, item.id, item.name, item.was)
                for item in report.quiet
                if item.kind not in _QUIET_THINGS
            ),
        ]

    def listed(self, data: Sequence[Lacking]) -> Listed:
        """What lacks its code, in the order that was chosen."""
        columns = [
            Column(self.heading("kind", "What", rising=True)),
            Column(self.heading("name", "Name", rising=True), least=14),
            Column(self.heading("where it was", "Its code was at", rising=True), least=24),
        ]
        rows = [
            Row(
                f"{each.kind} {each.id}",
                [Cell(each.kind, "dim"), Cell(each.name), Cell(each.was_at)],
            )
            for each in self._sorted(data)
        ]
        return Listed(columns, rows, [f"{counted(len(data), *self.noun)}; none is in a backup."])

    def said_of_selected(self, data: Sequence[Lacking]) -> Sequence[str]:
        """Where the code was, in full."""
        return [] if self.selected is None else [f"It was at {self.selected.was_at}"]

    def _sorted(self, data: Sequence[Lacking]) -> Sequence[Lacking]:
        order = self.orders[self.order]
        if order == "name":
            return sorted(data, key=lambda each: each.name.casefold())
        if order == "where it was":
            return sorted(data, key=lambda each: each.was_at)
        return data

    def say_empty(self, data: Sequence[Lacking], state: State) -> None:
        """Say that nothing lacks its code."""
        state.tell("Nothing lacks its code.")

    @property
    def selected(self) -> Lacking | None:
        """What is selected."""
        key = self.rows.selected
        return next((each for each in self.data or () if f"{each.kind} {each.id}" == key), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A place is copied only where one is selected."""
        if action == "copy":
            return self.selected is not None
        return super().check_action(action, parameters)

    def action_copy(self) -> None:
        """Copy where the selected code was."""
        selected = self.selected
        if selected is not None:
            self.backstay.copy(selected.was_at, "where it was")
