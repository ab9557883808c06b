"""What follows from what is set: lines under a title at their left, told in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.widgets import Static

from tui.plain_text import cells, plain, wrap

TITLE = 18  # columns, the space after it included
_STYLES = {"!": "$warning", "●": "$warning", "✗": "$error", "✓": "$success"}

Block = tuple[str, Sequence[str]]  # a title and the lines at its right


class Told(Static):
    """Blocks of lines. A line that begins with a glyph and a space has it in that one's colour."""

    def __init__(self, *, name: str, titles: int = TITLE) -> None:
        """`titles` is how many columns the titles have."""
        super().__init__(id=name)
        self._titles = titles
        self._blocks: Sequence[Block] = ()
        self._height = 0

    def tell(self, *blocks: Block) -> None:
        """Show blocks; lines below move only where there are more or fewer lines than before."""
        if blocks != self._blocks:
            self._blocks = blocks
            self._lay_out()

    @property
    def room(self) -> int:
        """The columns that a line has: it goes over the whole width of the screen."""
        return max(1, self.screen.size.width - self.gutter.width - self._titles)

    def on_resize(self, event: events.Resize) -> None:
        """Fold the lines anew."""
        self._lay_out()

    def _lay_out(self) -> None:
        blocks, room = self._blocks, self.room
        lines = [line for block in blocks for line in _laid_out(block, room, self._titles)]
        before, self._height = self._height, len(lines)
        self.display = bool(lines)
        self.update(Content("\n").join(lines), layout=len(lines) != before)


def _laid_out(block: Block, room: int, titles: int) -> list[Content]:
    title, said = block
    laid_out: list[Content] = []
    for line in said:
        glyph = line[:2] if line[:1] in _STYLES and line[1:2] == " " else ""
        for number, text in enumerate(wrap(plain(line[len(glyph) :]), room - len(glyph))):
            head = title if not laid_out else ""
            mark = glyph if number == 0 else " " * len(glyph)
            space = " " * (titles - cells(head))
            style = _STYLES.get(mark[:1], "")
            laid_out.append(Content.assemble((head, "$quiet"), space, (mark, style), text))
    return laid_out
