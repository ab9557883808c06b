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
from tui.plain_text import cut, plain, wrap
from tui.screens.page import Page
from tui.table import Column
from tui.widgets.filter_field import FilterField
from tui.widgets.rows import Row, Rows
from tui.widgets.state import State
from tui.wording import counted

D = TypeVar("D")
_FOLLOWING = 3  # lines below a list that tell of its selected row


class Listed(NamedTuple):
    """What a list shows of what was read. `summary` are lines below it."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    summary: Sequence[str] = ()


class ListPage(Page[D]):
    """A page that shows rows; `orders` are the names of the ways to sort them, the first to begin.

    A subclass says what it lists and in which order; what is typed as filter is looked for in the
    cells. One that has something to say of the selected row sets `follows`: then the lines below
    the list are of one height, so that nothing else moves.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", tooltip="Show only what has a text in it"),
        Binding("o", "sort", "sort", tooltip="Sort the list another way"),
        Binding("escape", "back", "back", tooltip="Go back, or end the filter"),
    ]
    noun: ClassVar[tuple[str, str]] = ("row", "rows")
    orders: ClassVar[tuple[str, ...]] = ()
    has_menu = False
    follows = False

    def __init__(self) -> None:
        super().__init__()
        self.order = 0
        self._listed: Listed | None = None
        self._texts: Sequence[str] = ()  # of each row, for the filter to look into
        self._summary: Sequence[str] = ()  # what sums the list up, whichever row is selected
        self._said: Content | None = None

    @abstractmethod
    def listed(self, data: D) -> Listed:
        """What is shown of what was read, sorted by `orders[self.order]`."""

    @abstractmethod
    def say_empty(self, data: D, state: State) -> None:
        """Say why nothing is listed, and what to do."""

    def said_of_selected(self, data: D) -> Sequence[str]:
        """Sentences on the selected row, where something is to be said of it."""
        return ()

    def beside(self) -> Iterable[Widget]:
        """Widgets at the right of the list, where the width allows it."""
        return ()

    def above(self) -> Iterable[Widget]:
        """Widgets above the list."""
        return ()

    def body(self) -> Iterable[Widget]:
        """The list, what is beside it, what sums it up, and the filter."""
        yield from self.above()
        summary = Static(id="summary")
        summary.set_class(self.follows, "-follows")
        yield Horizontal(
            Vertical(Rows(menu=self.has_menu, name="rows"), summary, id="list"),
            *self.beside(),
            id="middle",
        )
        yield Horizontal(Static("/ ", id="slash"), FilterField(), id="filter-line")

    def on_mount(self) -> None:
        """Begin with the list."""
        self._filter_line.display = False
        self.query_one("#summary").display = self.follows
        self.rows.focus()

    @property
    def rows(self) -> Rows:
        """The list."""
        return self.query_one("#rows", Rows)

    @property
    def field(self) -> FilterField:
        """Where the filter is typed."""
        return self.query_one("#filter", FilterField)

    @property
    def _filter_line(self) -> Widget:
        return self.query_one("#filter-line")

    @property
    def filter_text(self) -> str:
        """What is looked for; nothing where all is shown."""
        return self.field.text

    def heading(self, order: str, text: str, *, rising: bool = False) -> str:
        """The title of a column that can be sorted by, marked where the list is sorted by it."""
        if len(self.orders) < 2 or self.orders[self.order] != order:
            return text
        return f"{text} {'▴' if rising else '▾'}"

    def show(self, data: D) -> None:
        """Show what of the list is not filtered away."""
        self._listed = self.listed(data)
        self._texts = [_text(row) for row in self._listed.rows]
        self._show_filtered(data, self._listed)

    def _show_filtered(self, data: D, listed: Listed) -> None:
        wanted = self.filter_text.casefold()
        found = zip(listed.rows, self._texts, strict=True)
        rows = [row for row, text in found if wanted in text]
        state = self.query_one("#state", State)
        if rows:
            state.hush()
        elif listed.rows:
            one, many = self.noun
            hidden = len(listed.rows)
            state.tell(
                f"No {one} has {self.field.shown_text} in it.",
                f"{counted(hidden, one, many)} {'is' if hidden == 1 else 'are'} hidden by the "
                "filter. Press / to change it, Esc to end it.",
            )
        else:
            self.say_empty(data, state)
        self.query_one("#middle").display = bool(rows)
        self.rows.set_rows(rows, listed.columns, measured=listed.rows)
        self._summary = [*listed.summary, *self._note(len(rows), len(listed.rows))]
        self._sum_up()

    def _sum_up(self) -> None:
        """Show the lines below the list; nothing is laid out or painted where they stay."""
        summary = self.query_one("#summary", Static)
        lines = [plain(line) for line in self._summary]
        width = summary.content_size.width
        if self.follows and self.data is not None and width:  # else it is not laid out yet
            of_row = [plain(line) for line in self.said_of_selected(self.data)]
            lines = _in_lines([*lines, *of_row], width, _FOLLOWING)
        content = Content("\n".join(lines))
        if content != self._said:
            self._said = content
            summary.update(content, layout=not self.follows)
            summary.display = bool(lines) or self.follows

    @on(Rows.Moved)
    def _tell_of_selected(self) -> None:
        self._sum_up()
        self.refresh_bindings()

    @on(Rows.Resized)
    def _lay_out_summary(self) -> None:
        self._sum_up()

    def refuse(self, error: BackstayError) -> None:
        """Say in place of the list that it is not to be seen."""
        self.query_one("#middle").display = False
        super().refuse(error)
        self.rows.set_rows([])

    def could_not_read(self, error: BackstayError) -> None:
        """Say why, below the list that was there, or in place of a first one."""
        self.query_one("#middle").display = bool(self.rows.keys)
        super().could_not_read(error)

    def _note(self, shown: int, there: int) -> list[str]:
        if not self.filter_text or not shown:
            return []
        one, many = self.noun
        of = counted(there, one, many)
        return [f"{shown:,} of {of} with {self.field.shown_text}. Esc shows all."]

    # Filter and order

    @property
    def _is_filtered(self) -> bool:
        return self._filter_line.display or bool(self.field.value)

    def action_filter(self) -> None:
        """Let a filter be typed."""
        self._filter_line.display = True
        self.field.focus()

    @on(Input.Changed, "#filter")
    def _filter_changed(self) -> None:
        if self.data is not None and self._listed is not None:
            self._show_filtered(self.data, self._listed)
        self.refresh_bindings()

    @on(Input.Submitted, "#filter")
    def keep_filter(self) -> None:
        """End typing; the rows stay hidden that the filter hides."""
        self._filter_line.display = False
        self.rows.focus()

    def action_back(self) -> None:
        """End the filter, if there is one; else go back."""
        if self._is_filtered:
            self.field.value = ""
            self.keep_filter()
        else:
            super().action_back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What a list cannot do without rows or ways to sort is not offered."""
        if self.menu_is_open or not self.query(FilterField):
            return super().check_action(action, parameters)
        if action == "filter":
            return bool(self.rows.keys or self.filter_text) and not self.field.has_focus
        if action == "sort":
            return len(self.orders) > 1 and bool(self.rows.keys)
        if action == "back" and self._is_filtered:
            return True
        return super().check_action(action, parameters)

    def action_sort(self) -> None:
        """Sort by the next of the orders."""
        self.order = (self.order + 1) % len(self.orders)
        self.tick()


def _text(row: Row) -> str:
    """What a filter finds a row by: what it shows, each cell on its own."""
    return "\n".join(plain(cell.text) for cell in row.cells).casefold()


def _in_lines(texts: Sequence[str], width: int, most: int) -> list[str]:
    """Texts folded into lines of a width; what goes beyond `most` lines is cut off, and says so."""
    lines = [line for text in texts for line in wrap(text, width)]
    if len(lines) > most:
        lines[most - 1 :] = [cut(f"{lines[most - 1]} {lines[most]}", width)]
    return lines
