"""The choice of a variable of a device, or of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen

from engine import VariableFacts
from tui.table import Column
from tui.widgets.keys_line import KeysLine
from tui.widgets.rows import Cell, Row, Rows
from tui.widgets.top_line import TopLine
from tui.wording import NONE, number

_ALL = "all"


class ChooseVariable(Screen["tuple[str | None] | None"]):
    """Lists variables with their rows, and gives the one chosen, (None,) for all of them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "choose"),
        Binding("escape", "leave", "back"),
    ]

    def __init__(self, variables: Sequence[VariableFacts], chosen: str | None, rows: int) -> None:
        """`chosen` is the one to begin at, `rows` how many the device has in all."""
        super().__init__()
        # Those whose names are no text cannot be asked for.
        self._rows = {each.name: each.rows for each in variables if isinstance(each.name, str)}
        self._names = list(self._rows)
        self._chosen = chosen
        self._all = rows

    def compose(self) -> ComposeResult:
        """Lay out the variables."""
        yield TopLine()
        with Vertical(id="body"):
            yield Rows([Column("Variable"), Column("Rows", right=True)], name="variables")
        yield KeysLine()

    def on_mount(self) -> None:
        """Begin at the one that is shown now."""
        self.query_one(TopLine).tell(["Choose a variable"], "")
        rows = self.query_one(Rows)
        own = [
            Row(str(at), [Cell(name), Cell(NONE if rows is None else number(rows))])
            for at, (name, rows) in enumerate(self._rows.items())
        ]
        rows.set_rows([Row(_ALL, [Cell("All variables"), Cell(number(self._all))]), *own])
        if self._chosen in self._names:
            rows.select(str(self._names.index(self._chosen)))
        rows.focus()

    @on(Rows.Opened)
    def action_choose(self) -> None:
        """Choose the selected one."""
        key = self.query_one(Rows).selected
        if key is not None:
            self.dismiss((None if key == _ALL else self._names[int(key)],))

    def action_leave(self) -> None:
        """Leave without a choice."""
        self.dismiss(None)
