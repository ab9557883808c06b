"""A page that is a list: it can be filtered and sorted, and says why it is empty."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from engine import BackstayError
from tui.screens.page import Page
from tui.table import Column
from tui.widgets.menu import Menu
from tui.widgets.rows import Row, Rows
from tui.widgets.state import State
from tui.wording import counted

D = TypeVar("D")


class Listed(NamedTuple):
    """What a list shows of what was read. `summary` are lines below it."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    summary: Sequence[str] = ()


class ListPage(Page[D]):
    """A page that shows rows; `orders` are the names of the ways to sort them, the first to begin.

    A subclass says what it lists and in which order; what is typed as filter is looked for in the
    cells.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter"),
        Binding("o", "sort", "sort"),
        Binding("escape", "back", "back"),
    ]
    noun: ClassVar[tuple[str, str]] = ("row", "rows")
    orders: ClassVar[tuple[str, ...]] = ()
    has_menu = False

    def __init__(self) -> None:
        super().__init__()
        self.order = 0

    @abstractmethod
    def listed(self, data: D) -> Listed:
        """What is shown of what was read, sorted by `orders[self.order]`."""

    @abstractmethod
    def say_empty(self, data: D, state: State) -> None:
        """Say why nothing is listed, and what to do."""

    def beside(self) -> Iterable[Widget]:
        """Widgets at the right of the list, where the width allows it."""
        return ()

    def above(self) -> Iterable[Widget]:
        """Widgets above the list."""
        return ()

    def body(self) -> Iterable[Widget]:
        """The list, what is beside it, what sums it up, and the filter."""
        yield from self.above()
        yield Horizontal(
            Vertical(
                Rows(menu=self.has_menu, name="rows"),
                Static(id="summary"),
                id="list",
            ),
            *self.beside(),
            id="middle",
        )
        yield Input(id="filter", placeholder="filter: Enter keeps it, Esc ends it", compact=True)

    def on_mount(self) -> None:
        """Begin with the list."""
        super().on_mount()
        self.query_one("#filter").display = False
        self.rows.focus()

    @property
    def rows(self) -> Rows:
        """The list."""
        return self.query_one("#rows", Rows)

    @property
    def filter_text(self) -> str:
        """What is looked for; nothing where all is shown."""
        return self.query_one("#filter", Input).value.strip()

    def show(self, data: D) -> None:
        """Show what of the list is not filtered away."""
        listed = self.listed(data)
        wanted = self.filter_text.casefold()
        rows = [row for row in listed.rows if not wanted or _has(row, wanted)]
        state = self.query_one("#state", State)
        if rows:
            state.hush()
        elif listed.rows:
            one, many = self.noun
            state.tell(
                f"No {one} has {self.filter_text!r} in it.",
                f"{counted(len(listed.rows), one, many)} are hidden by the filter. "
                "Press / to change it, Esc to end it.",
            )
        else:
            self.say_empty(data, state)
        self.query_one("#middle").display = bool(rows)
        self.rows.set_rows(rows, listed.columns)
        lines = [*listed.summary, *self._notes(len(rows), len(listed.rows))]
        summary = self.query_one("#summary", Static)
        text = "\n".join(lines)
        if text != getattr(self, "_summary", None):
            self._summary = text
            summary.update(Content(text))
            summary.display = bool(lines)

    def refuse(self, error: BackstayError) -> None:
        """Say in place of the list that it is not to be seen."""
        self.query_one("#middle").display = False
        super().refuse(error)

    def _notes(self, shown: int, there: int) -> list[str]:
        if not self.filter_text or not shown:
            return []
        return [f"Filter: {self.filter_text}. {shown} of {there} are shown; Esc shows all."]

    # Filter and order

    def action_filter(self) -> None:
        """Let a filter be typed."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    @on(Input.Changed, "#filter")
    def _filter_changed(self) -> None:
        self.tick()

    @on(Input.Submitted, "#filter")
    def _filter_kept(self) -> None:
        self.query_one("#filter").display = False
        self.rows.focus()

    def action_back(self) -> None:
        """End the filter, if there is one; else go back."""
        field = self.query_one("#filter", Input)
        if field.display or field.value:
            field.value = ""
            field.display = False
            self.rows.focus()
        else:
            super().action_back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What a list cannot do without rows or ways to sort is not offered."""
        if self.query(Menu):
            return super().check_action(action, parameters)
        if action == "filter":
            return bool(self.rows.keys) or bool(self.filter_text)
        if action == "sort":
            return len(self.orders) > 1 and bool(self.rows.keys)
        if action == "back" and self.is_mounted and self.query("#filter"):
            field = self.query_one("#filter", Input)
            if field.display or field.value:
                return True
        return super().check_action(action, parameters)

    def action_sort(self) -> None:
        """Sort by the next of the orders."""
        self.order = (self.order + 1) % len(self.orders)
        self.tick()


def _has(row: Row, wanted: str) -> bool:
    return any(wanted in cell.text.casefold() for cell in row.cells)
