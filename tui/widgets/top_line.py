"""The first line of each screen: where I am, and who I am."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from tui.plain_text import cells, cut, plain

_BETWEEN = " › "


class TopLine(Static):
    """Where I am, from left to right, and at the right end who I am."""

    def __init__(self) -> None:
        super().__init__(id="top")
        self._where: tuple[str, ...] = ()
        self._who = ""

    def tell(self, where: Sequence[str], who: str) -> None:
        """Show where I am and who I am; both are made safe to show."""
        told = tuple(plain(each) for each in where), plain(who)
        if told != (self._where, self._who):
            self._where, self._who = told
            self._lay_out()

    def on_resize(self) -> None:
        """Lay the line out anew."""
        self._lay_out()

    def _lay_out(self) -> None:
        room = self.content_size.width
        who = cut(self._who, room // 2)
        left = _joined(self._where, max(0, room - cells(who) - 2))
        head, found, last = left.rpartition(_BETWEEN)
        space = " " * max(0, room - cells(left) - cells(who))
        self.update(
            Content.assemble((head + found, "$quiet"), (last, "bold"), space, (who, "$quiet")),
            layout=False,
        )


def _joined(where: Sequence[str], room: int) -> str:
    """The parts in `room` columns; the longest is shortened, so that the others can be read."""
    parts = list(where)
    over = cells(_BETWEEN.join(parts)) - room
    if over > 0 and parts:
        longest = max(range(len(parts)), key=lambda at: cells(parts[at]))
        parts[longest] = cut(parts[longest], max(1, cells(parts[longest]) - over))
    return cut(_BETWEEN.join(parts), room)
