"""What the keys do on the screen that it was called from, and what Backstay promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui.deeds import Deed, deeds
from tui.screens.list_page import Listed, ListPage
from tui.screens.page import Page
from tui.table import Column
from tui.version import VERSION
from tui.widgets.rows import Cell, Row, Rows
from tui.widgets.state import State

_PROMISES = (
    "A backup exists wholly or not at all. A restore makes a new project and touches no other. "
    "Nobody pays without having seen the price. Jobs go on when you leave."
)
_REPORT = (
    "Something is wrong? Tell who keeps this home: which job it was, what backstay jobs JOB says "
    "of it, and that this is Backstay {}."
)


class HelpPage(ListPage[Sequence[Deed]]):
    """Lists what keys do: made from the bindings themselves, so that it cannot be out of date."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "do", "do it", tooltip="Do what the selected key does"),
        Binding("slash", "filter", "filter", tooltip="Show only what has a text in it"),
        Binding("escape", "back", "back", tooltip="Go back"),
        Binding("question_mark", "back", "back", show=False),
    ]
    noun = ("key", "keys")

    def __init__(self, screen: Screen[object]) -> None:
        """`screen` is the one whose keys are told; it must be in front still."""
        super().__init__()
        self._deeds = deeds(screen)
        self._of = screen.where if isinstance(screen, Page) else ("Backstay",)

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        return (*self._of, "Help")

    async def read(self) -> Sequence[Deed]:
        """What was found when the screen was in front."""
        return self._deeds

    def listed(self, data: Sequence[Deed]) -> Listed:
        """The keys, each with where it does something; what it cannot do now is marked."""
        columns = [Column("Key"), Column("What it does", least=20), Column("Where")]
        rows = [
            Row(
                str(at),
                [
                    Cell(deed.keys),
                    Cell(deed.what if deed.possible else f"{deed.what} (not now)"),
                    Cell(deed.where, "dim"),
                ],
                dim=not deed.possible,
            )
            for at, deed in enumerate(data)
        ]
        return Listed(columns, rows, [_PROMISES, _REPORT.format(VERSION)])

    def say_empty(self, data: Sequence[Deed], state: State) -> None:
        """Say that there is nothing to help with."""
        state.tell("No key does anything here but Esc.")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What a key cannot do now is not offered."""
        if action == "do":
            deed = self.selected
            return deed is not None and deed.possible
        if action == "help":
            return False
        return super().check_action(action, parameters)

    @property
    def selected(self) -> Deed | None:
        """The key that is selected."""
        key = self.rows.selected
        return None if key is None else self._deeds[int(key)]

    @on(Rows.Opened)
    def action_do(self) -> None:
        """Go back, and do what the selected key does."""
        deed = self.selected
        if deed is None or not deed.possible:
            self.app.bell()
            return
        self.app.pop_screen()
        self.app.call_later(self.backstay.do, deed)
