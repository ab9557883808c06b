"""Facts in two columns. Only lines that changed are painted again: it follows a selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.plain_text import cells, cut, plain


class Facts(Widget):
    """Pairs of a name and a value, one a line; both are made safe to show."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"facts--name"}
    DEFAULT_CSS = "Facts > .facts--name { color: $quiet; }"

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(id=name)
        self._pairs: list[tuple[str, str]] = []

    def tell(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Show these facts."""
        before, self._pairs = self._pairs, [(plain(name), plain(value)) for name, value in pairs]
        for at in range(max(len(before), len(self._pairs))):
            if before[at : at + 1] != self._pairs[at : at + 1]:
                self.refresh(Region(0, at, self.content_size.width, 1))

    def render_line(self, y: int) -> Strip:
        """Lay out one line."""
        width, style = self.content_size.width, self.rich_style
        if y >= len(self._pairs):
            return Strip.blank(width, style)
        broadest = max(cells(name) for name, _ in self._pairs)
        name, value = self._pairs[y]
        head = name + " " * (broadest - cells(name) + 2)
        dim = self.get_component_rich_style("facts--name")
        strip = Strip([Segment(head, dim), Segment(cut(value, width - cells(head)), style)])
        return strip.adjust_cell_length(width, style)
