"""Facts in two columns. Only lines that changed are painted again: it follows a selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.plain_text import cells, plain, wrap

_APART = 2  # columns between a name and its value


class Facts(Widget):
    """Pairs of a name and a value, which is folded where it is long; both are made safe to show."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"facts--name"}
    DEFAULT_CSS = "Facts > .facts--name { color: $quiet; }"

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(id=name)
        self._pairs: list[tuple[str, str]] = []
        self._lines: list[tuple[str, str]] = []  # what stands at the left, and the rest

    def tell(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Show these facts."""
        self._pairs = [(plain(name), plain(value)) for name, value in pairs]
        self._lay_out()

    def on_resize(self) -> None:
        """Fold the values anew."""
        self._lay_out()

    def _lay_out(self) -> None:
        width = self.content_size.width
        broadest = max((cells(name) for name, _ in self._pairs), default=0) + _APART
        before, self._lines = self._lines, []
        for name, value in self._pairs:
            first, *more = wrap(value, max(1, width - broadest))
            self._lines.append((name + " " * (broadest - cells(name)), first))
            self._lines += [(" " * broadest, line) for line in more]
        for at in range(max(len(before), len(self._lines))):
            if before[at : at + 1] != self._lines[at : at + 1]:
                self.refresh(Region(0, at, width, 1))

    def render_line(self, y: int) -> Strip:
        """Lay out one line."""
        width, style = self.content_size.width, self.rich_style
        if y >= len(self._lines):
            return Strip.blank(width, style)
        head, text = self._lines[y]
        dim = self.get_component_rich_style("facts--name")
        return Strip([Segment(head, dim), Segment(text, style)]).adjust_cell_length(width, style)
