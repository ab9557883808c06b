"""The palette: what can be done here and now, found by typing a part of its words."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input

from tui.deeds import Deed, deeds
from tui.table import Column
from tui.widgets.keys_line import KeysLine
from tui.widgets.rows import Cell, Row, Rows
from tui.widgets.state import State
from tui.widgets.top_line import TopLine

_COLUMNS = (Column("What it does", least=20), Column("Key"))
_MOVES = frozenset({"palette", "move", "page", "first", "last", "app.focus_next"})


class _Wanted(Input):
    """What is looked for."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", "do it")]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is done where nothing is found."""
        if action == "submit":
            return isinstance(self.screen, Palette) and bool(self.screen.found.keys)
        return super().check_action(action, parameters)


class Palette(Screen[Deed | None]):
    """Lists what the keys of another screen do now, and gives what is chosen of it.

    What only moves about is left out: it would be chosen by moving about.
    """

    CSS_PATH = "palette.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back"),
        Binding("ctrl+p", "leave", "back", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("up", "move(-1)", "up", show=False),
        Binding("pagedown", "page(1)", "a page down", show=False),
        Binding("pageup", "page(-1)", "a page up", show=False),
    ]

    def __init__(self, screen: Screen[object]) -> None:
        """`screen` is the one whose keys are told; it must be in front still."""
        super().__init__()
        self._deeds = possible_deeds(screen)

    def compose(self) -> ComposeResult:
        """Lay out what is typed, and below it what is found."""
        yield TopLine()
        with Vertical(id="body"):
            yield _Wanted(id="wanted", placeholder="type a part of what to do", compact=True)
            yield Rows(_COLUMNS, name="found")
            yield State(id="state")
        yield KeysLine()

    def on_mount(self) -> None:
        """Begin with all of it."""
        self.query_one(TopLine).tell(["What can be done here"], "")
        self.found.can_focus = False
        self.query_one("#wanted").focus()
        self._look_up("")

    @property
    def found(self) -> Rows:
        """What is found."""
        return self.query_one("#found", Rows)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._look_up(event.value)
        self.refresh_bindings()

    def _look_up(self, wanted: str) -> None:
        words = wanted.casefold().split()
        found = [
            Row(str(at), [Cell(deed.what), Cell(deed.keys, "dim")])
            for at, deed in enumerate(self._deeds)
            if all(word in f"{deed.name} {deed.what} {deed.keys}".casefold() for word in words)
        ]
        self.found.display = bool(found)
        self.found.set_rows(found)
        self.found.action_first()
        state = self.query_one("#state", State)
        if found:
            state.hush()
        else:
            state.tell(
                f"Nothing that can be done here has “{wanted.strip()}” in it.",
                "Erase some of it, or press Esc to go back.",
            )

    @on(Input.Submitted)
    @on(Rows.Opened)
    def action_choose(self) -> None:
        """Do what is selected."""
        key = self.found.selected
        if key is not None:
            self.dismiss(self._deeds[int(key)])

    def action_leave(self) -> None:
        """Do nothing."""
        self.dismiss(None)

    def action_move(self, by: int) -> None:
        """Select another."""
        self.found.action_move(by)

    def action_page(self, by: int) -> None:
        """Select one that is a view further down."""
        self.found.action_page(by)


def possible_deeds(screen: Screen[object]) -> list[Deed]:
    """What can be done on a screen now, each once; not what only moves about."""
    found: list[Deed] = []
    told: set[str] = set()
    for deed in deeds(screen):
        moves = deed.action.partition("(")[0] in _MOVES
        if deed.possible and not moves and deed.what not in told:
            told.add(deed.what)
            found.append(deed)
    return found
