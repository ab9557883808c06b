"""A list of rows in columns: what most screens show.

It writes little to the terminal: a move repaints two lines, and the view goes on by half its height
at its end, not line by line. Only lines in view are ever laid out, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.plain_text import cells, cut, plain
from tui.table import GAP, Column, fit

MARK = "▸ "
MENU = "⋮"
_EDGE = 1  # columns left free at both sides
_WHEEL = 3  # rows


class Cell(NamedTuple):
    """A text and how it is meant: "" or one of dim, good, warn, bad."""

    text: str
    style: str = ""


class Row(NamedTuple):
    """One row. `key` names what it stands for, in messages and when rows are read again."""

    key: str
    cells: Sequence[Cell]
    dim: bool = False


class Rows(Widget, can_focus=True):
    """Rows under their titles, one of them selected. Cells are made safe to show here."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "rows--title",
        "rows--selected",
        "rows--dim",
        "rows--good",
        "rows--warn",
        "rows--bad",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("pagedown", "page(1)", "a page down", show=False),
        Binding("pageup", "page(-1)", "a page up", show=False),
        Binding("home,g", "first", "to the first", show=False),
        Binding("end,G", "last", "to the last", show=False),
    ]

    class Moved(Message):
        """Another row is selected."""

        def __init__(self, rows: Rows, key: str) -> None:
            super().__init__()
            self.rows = rows
            self.key = key

    class Opened(Message):
        """A row was chosen: by Enter or a second click on it."""

        def __init__(self, rows: Rows, key: str) -> None:
            super().__init__()
            self.rows = rows
            self.key = key

    class MenuAsked(Message):
        """The menu of a row was asked for, by mouse."""

        def __init__(self, rows: Rows, key: str) -> None:
            super().__init__()
            self.rows = rows
            self.key = key

    class Resized(Message):
        """The list is of another size."""

    def __init__(
        self, columns: Sequence[Column] = (), *, menu: bool = False, name: str | None = None
    ) -> None:
        super().__init__(id=name)
        self._columns = list(columns)
        self._menu = menu
        self._rows: list[Row] = []
        self._measured: list[Row] = []
        self._measured_as_given: Sequence[Row] | None = None
        self._top = 0
        self._at = 0
        self._shown: list[int] = []
        self._widths: list[int] = []

    @property
    def selected(self) -> str | None:
        """The key of the selected row; None where there are no rows."""
        return self._rows[self._at].key if self._rows else None

    @property
    def keys(self) -> list[str]:
        """The keys of all rows, as they stand."""
        return [row.key for row in self._rows]

    @property
    def left_out(self) -> list[str]:
        """The titles of the columns that find no room."""
        return [column.title for at, column in enumerate(self._columns) if at not in self._shown]

    def set_rows(
        self,
        rows: Sequence[Row],
        columns: Sequence[Column] | None = None,
        *,
        measured: Sequence[Row] | None = None,
    ) -> None:
        """Show these rows; the one that was selected stays so, if it is still there.

        Only lines that look different now are painted again. Columns are as wide as `measured`
        needs them, where it is given: so they stay where they are while rows are filtered away.
        """
        before, selected = self._rows, self.selected
        old = (self._at, self._top, self._shown, self._widths, self._columns)
        self._rows = [_safe(row) for row in rows]
        if measured is None:
            self._measured = self._rows
        elif measured is not self._measured_as_given:
            self._measured = [_safe(row) for row in measured]
        self._measured_as_given = measured
        if columns is not None:
            self._columns = list(columns)
        places = {row.key: at for at, row in enumerate(self._rows)}
        last = max(0, len(self._rows) - 1)
        self._at = places.get(selected or "", min(self._at, last))
        self._fit()
        self._keep_in_view()
        if old != (self._at, self._top, self._shown, self._widths, self._columns):
            self.refresh()
        else:
            height = max(len(before), len(self._rows))
            for at in range(self._top, min(height, self._top + self._height)):
                if at >= len(before) or at >= len(self._rows) or before[at] != self._rows[at]:
                    self._repaint(at)
        if self.selected is not None and self.selected != selected:
            self.post_message(self.Moved(self, self.selected))

    def select(self, key: str) -> None:
        """Select the row with that key, if there is one."""
        for at, row in enumerate(self._rows):
            if row.key == key:
                self._go(at)

    def place_of_selected(self) -> Offset:
        """Where the right end of the selected row is on the screen."""
        line = self._at - self._top + 1
        return Offset(self.region.right - _EDGE, self.region.y + line)

    # Moving

    def action_move(self, by: int) -> None:
        """Select the row that many further down."""
        self._go(self._at + by)

    def action_page(self, by: int) -> None:
        """Select a row that is a view further down."""
        self._go(self._at + by * max(1, self._height - 1))

    def action_first(self) -> None:
        """Select the first row."""
        self._go(0)

    def action_last(self) -> None:
        """Select the last row."""
        self._go(len(self._rows) - 1)

    def _go(self, to: int) -> None:
        to = max(0, min(to, len(self._rows) - 1))
        if not self._rows or to == self._at:
            return
        before, self._at = self._at, to
        if self._keep_in_view():
            self.refresh()
        else:
            self._repaint(before)
            self._repaint(to)
        self.post_message(self.Moved(self, self._rows[to].key))

    @property
    def _height(self) -> int:
        return max(1, self.size.height - 1)  # the titles take a line

    def _keep_in_view(self) -> bool:
        """Bring the selected row into view; gives whether the view has moved."""
        before, height = self._top, self._height
        most = max(0, len(self._rows) - height)
        if self._at < self._top:
            self._top = self._at - height // 2 if self._at + 1 == self._top else self._at
        elif self._at >= self._top + height:
            one_by_one = self._at == self._top + height
            self._top = self._at - (height // 2 if one_by_one else height - 1)
        self._top = max(0, min(self._top, most))
        return self._top != before

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Select what is clicked on; a second click opens it, one at its end asks for its menu."""
        at = self._top + event.y - 1
        if event.y < 1 or at >= len(self._rows):
            return
        event.stop()
        again = at == self._at
        self._go(at)
        key = self._rows[at].key
        at_menu = self._menu and event.x >= self.size.width - _EDGE - len(GAP) - 1
        if at_menu or (event.button == 3 and self._menu):
            self.post_message(self.MenuAsked(self, key))
        elif again and event.button == 1:
            self.post_message(self.Opened(self, key))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Select further down."""
        event.stop()
        self._go(self._at + _WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Select further up."""
        event.stop()
        self._go(self._at - _WHEEL)

    # Painting

    def on_resize(self) -> None:
        """Lay the columns out anew."""
        self._fit()
        self._keep_in_view()
        self.refresh()
        self.post_message(self.Resized())

    def _fit(self) -> None:
        room = self.size.width - 2 * _EDGE - len(MARK)
        if self._menu:
            room -= len(GAP) + len(MENU)
        texts = [[cell.text for cell in row.cells] for row in self._measured]
        self._shown, self._widths = fit(self._columns, texts, max(1, room))

    def _repaint(self, at: int) -> None:
        line = at - self._top + 1
        if 1 <= line < self.size.height:
            self.refresh(Region(0, line, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """Lay out one line of the view."""
        width = self.size.width
        if y == 0:
            style = self.get_component_rich_style("rows--title")
            titles = [Cell(column.title) for column in self._columns]
            titles = titles if self._rows else []
            return self._strip(titles, style, "", width, lambda _: style, menu=False)
        at = self._top + y - 1
        if at >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[at]
        selected = at == self._at
        base = self.rich_style
        if selected:
            base = self.get_component_rich_style("rows--selected")
        elif row.dim:
            base = self.get_component_rich_style("rows--dim")

        def style_of(cell: Cell) -> Style:
            if not cell.style:
                return base
            own = self.get_component_rich_style(f"rows--{cell.style}", partial=True)
            return base + own

        mark = MARK if selected else ""
        return self._strip(row.cells, base, mark, width, style_of, menu=self._menu)

    def _strip(
        self,
        line: Sequence[Cell],
        base: Style,
        mark: str,
        width: int,
        style_of: Callable[[Cell], Style],
        *,
        menu: bool,
    ) -> Strip:
        """The cells of a line in their columns; neighbours of one style are one segment."""
        parts: list[tuple[str, Style]] = [(" " * _EDGE + mark.ljust(len(MARK)), base)]
        for at, room in zip(self._shown, self._widths, strict=True):
            if at >= len(line):
                break
            text = cut(line[at].text, room)
            space = " " * (room - cells(text))
            style = style_of(line[at])
            if self._columns[at].right:
                parts += [(space, base), (text, style), (GAP, base)]
            else:
                parts += [(text, style), (space + GAP, base)]
        used = sum(cells(text) for text, _ in parts)
        end = (MENU if menu else "") + " " * _EDGE
        parts.append((" " * max(0, width - used - len(end)) + end, base))
        segments: list[Segment] = []
        for text, style in parts:
            if text and segments and segments[-1].style == style:
                segments[-1] = Segment(segments[-1].text + text, style)
            elif text:
                segments.append(Segment(text, style))
        return Strip(segments).adjust_cell_length(width, base)


def _safe(row: Row) -> Row:
    """A row whose texts cannot act on a terminal."""
    if all(cell.text.isprintable() for cell in row.cells):
        return row
    return row._replace(cells=[cell._replace(text=plain(cell.text)) for cell in row.cells])
