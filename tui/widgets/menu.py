"""A menu beside a row: a few things to do with it, a letter each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.plain_text import cells, cut, plain


class MenuItem(NamedTuple):
    """One thing to do. Where it cannot be done now, `why_not` says why; else it is empty."""

    key: str
    text: str
    action: str
    why_not: str = ""


class Menu(Widget, can_focus=True):
    """Items over the screen. It takes the focus, and leaves when one is chosen or none."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"menu--title", "menu--selected", "menu--dim"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "choose"),
        Binding("escape", "leave", "close"),
        Binding("left,full_stop", "leave", "close", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
    ]

    class Chosen(Message):
        """An item was chosen that can be done."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    class Left(Message):
        """The menu was left without a choice."""

    def __init__(self, title: str, items: Sequence[MenuItem], beside: Offset) -> None:
        super().__init__(id="menu")
        self._title = plain(title)
        self._items = list(items)
        self._lines = [_line(item) for item in items]
        self._at = next((at for at, item in enumerate(items) if not item.why_not), 0)
        self._beside = beside

    @property
    def items(self) -> Sequence[MenuItem]:
        """What is offered."""
        return self._items

    def on_mount(self) -> None:
        """Take the place beside the row, and the focus."""
        self.place(self._beside)
        self.focus()

    def place(self, beside: Offset) -> None:
        """Stand beside a place on the screen, within the screen."""
        width = max(cells(self._title), *(cells(line) for line in self._lines)) + 4
        height = len(self._items) + 2
        screen = self.screen.size
        width = min(width, screen.width)
        x = max(0, min(beside.x - width, screen.width - width))
        below = beside.y + 1
        y = below if below + height <= screen.height - 1 else max(0, beside.y - height)
        self.styles.width, self.styles.height = width, height
        self.styles.offset = (x, y)

    def render_line(self, y: int) -> Strip:
        """Lay out one line: a frame with the title in it, and the items."""
        width, base = self.size.width, self.rich_style
        dim = self.get_component_rich_style("menu--dim")
        inner = width - 2
        if y == 0:
            title = cut(self._title, inner - 3)
            rule = "─" * (inner - cells(title) - 3)
            head = self.get_component_rich_style("menu--title")
            return Strip([Segment("┌ ", dim), Segment(title, head), Segment(f" {rule}┐", dim)])
        if y > len(self._items):
            return Strip([Segment(f"└{'─' * inner}┘", dim)])
        item = self._items[y - 1]
        style = dim if item.why_not else base
        if y - 1 == self._at:
            style = self.get_component_rich_style("menu--selected")
        text = cut(self._lines[y - 1], inner - 2)
        filled = f" {text}{' ' * (inner - 1 - cells(text))}"
        return Strip([Segment("│", dim), Segment(filled, style), Segment("│", dim)])

    def on_key(self, event: events.Key) -> None:
        """Choose an item by its letter."""
        for at, item in enumerate(self._items):
            if event.character == item.key:
                event.stop()
                event.prevent_default()
                self._select(at)
                self.action_choose()

    def action_move(self, by: int) -> None:
        """Select another item, round and round."""
        self._select((self._at + by) % len(self._items))

    def _select(self, at: int) -> None:
        before, self._at = self._at, at
        for line in (before, at):
            self.refresh(Region(0, line + 1, self.size.width, 1))

    def action_choose(self) -> None:
        """Do what is selected; what cannot be done says why, and the menu stays."""
        item = self._items[self._at]
        if item.why_not:
            self.app.bell()
            return
        self.post_message(self.Chosen(item.action))
        self.remove()

    def action_leave(self) -> None:
        """Leave without a choice."""
        self.post_message(self.Left())
        self.remove()

    def on_blur(self) -> None:
        """Leave when something else takes the focus."""
        if self.is_attached:
            self.remove()

    def on_click(self, event: events.Click) -> None:
        """Choose what is clicked on."""
        event.stop()
        if 1 <= event.y <= len(self._items):
            self._select(event.y - 1)
            self.action_choose()


def _line(item: MenuItem) -> str:
    said = f"  ({plain(item.why_not)})" if item.why_not else ""
    return f"{item.key}  {plain(item.text)}{said}"
