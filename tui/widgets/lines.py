"""Lines of text as they are given. Only lines that changed are painted again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from tui.plain_text import cells, cut, plain, wrap
from tui.widgets.rows import Cell

BROADEST = 76  # columns: longer lines are hard to read, however wide the terminal is

Line = Sequence[Cell]  # texts, one beside the other


class Lines(Widget):
    """Lines made of texts in styles: "" or one of dim, strong, good, warn, bad."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "lines--dim",
        "lines--strong",
        "lines--good",
        "lines--warn",
        "lines--bad",
    }
    DEFAULT_CSS = """
    Lines { height: auto; padding: 1 1 1 3; }
    Lines > .lines--dim { color: $quiet; }
    Lines > .lines--strong { text-style: bold; }
    Lines > .lines--good { color: $success; }
    Lines > .lines--warn { color: $warning; }
    Lines > .lines--bad { color: $error; }
    """

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(id=name)
        self._lines: list[list[Cell]] = []

    @property
    def room(self) -> int:
        """The columns that a line may take."""
        return min(BROADEST, self.content_size.width)

    def tell(self, lines: Sequence[Line]) -> None:
        """Show these lines; their texts are made safe to show."""
        before = self._lines
        self._lines = [[cell._replace(text=plain(cell.text)) for cell in line] for line in lines]
        if len(before) != len(self._lines):
            self.refresh(layout=True)
            return
        for at, line in enumerate(self._lines):
            if line != before[at]:
                self.refresh(Region(0, at, self.content_size.width, 1))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as there are."""
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        """Lay out one line."""
        width, base = self.content_size.width, self.rich_style
        if y >= len(self._lines):
            return Strip.blank(width, base)
        segments, room = [], width
        for text, style in self._lines[y]:
            shown = cut(text, room)
            room -= cells(shown)
            own = self.get_component_rich_style(f"lines--{style}", partial=True) if style else None
            segments.append(Segment(shown, base + own if own else base))
        return Strip(segments).adjust_cell_length(width, base)


def folded(text: str, room: int, *, first: Line = (), style: str = "") -> list[Line]:
    """A text folded to `room` columns; `first` stands before it, and its lines go on below it."""
    indent = sum(cells(cell.text) for cell in first)
    parts = wrap(plain(text), max(1, room - indent))
    rest = Cell(" " * indent)
    return [[*(first if not at else [rest]), Cell(part, style)] for at, part in enumerate(parts)]


def pairs(named: Sequence[tuple[str, str]], room: int) -> list[Line]:
    """Names, and beside each what it says, folded to `room` columns."""
    broadest = max((cells(name) for name, _ in named), default=0)
    lines: list[Line] = []
    for name, value in named:
        space = " " * (broadest - cells(name) + 2)
        lines += folded(value, room, first=[Cell(name + space, "dim")])
    return lines
