"""Months side by side, a bar and a sum each; one of them is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.plain_text import cells, cut, plain
from tui.widgets.sizes import bar

_WIDTH = 14  # columns of a month
_UNIT = 1000  # parts that the largest sum has, for its bar


class Month(NamedTuple):
    """A month: how it is called, what it cost in words, and as a share of the dearest one."""

    key: str
    name: str
    sum: str
    share: float


class Months(Widget):
    """The newest months that find room, with the chosen one among them."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"months--chosen", "months--quiet"}

    class Chosen(Message):
        """A month was clicked on."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, name: str) -> None:
        super().__init__(id=name)
        self._months: Sequence[Month] = ()
        self._chosen = ""

    def tell(self, months: Sequence[Month], chosen: str) -> None:
        """Show these months, oldest first."""
        told = [each._replace(name=plain(each.name), sum=plain(each.sum)) for each in months]
        if (told, chosen) != (self._months, self._chosen):
            self._months, self._chosen = told, chosen
            self.refresh()

    @property
    def _in_view(self) -> Sequence[Month]:
        room = max(1, self.content_size.width // _WIDTH)
        places = [at for at, month in enumerate(self._months) if month.key == self._chosen]
        last = max(room, places[0] + 1 if places else 0)
        start = max(0, min(len(self._months) - room, last - room) if places else 0)
        newest = len(self._months) - room
        if places and places[0] >= newest:
            start = max(0, newest)
        return self._months[start : start + room]

    def render_line(self, y: int) -> Strip:
        """Lay out one line: the names, or the bars and sums below them."""
        width, base = self.content_size.width, self.rich_style
        quiet = self.get_component_rich_style("months--quiet")
        chosen = self.get_component_rich_style("months--chosen")
        segments = []
        for month in self._in_view:
            is_chosen = month.key == self._chosen
            if y == 0:
                text = f"{'▸ ' if is_chosen else '  '}{month.name}"
            else:
                text = f"  {bar(round(month.share * _UNIT), _UNIT)} {month.sum}"
            text = cut(text, _WIDTH - 1)
            style = chosen if is_chosen else quiet
            segments.append(Segment(text + " " * (_WIDTH - cells(text)), style))
        return Strip(segments).adjust_cell_length(width, base)

    def on_click(self, event: events.Click) -> None:
        """Choose what is clicked on."""
        inside = event.get_content_offset(self)
        if inside is None:
            return
        at = inside.x // _WIDTH
        if 0 <= at < len(self._in_view):
            event.stop()
            self.post_message(self.Chosen(self._in_view[at].key))
