"""What a terminal shows now, so that only what looks different is ever sent to it.

Textual sends whole lines, and every stretch of one colour with all its codes: 100 KB for a first
screen of 120x40, 47 KB when a menu closes. Over SSH that is felt. `Painted` reads what textual
would send, compares it with what it sent before, cell by cell, and gives what is needed to get from
the one to the other.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len

_TOKEN = re.compile(
    r"\x1b\[(?P<line>\d+);(?P<column>\d+)H"
    r"|\x1b\[(?P<style>[\d;]*)m"
    r"|(?P<next>\n)"
    r"|(?P<text>[^\x00-\x1f\x7f]+)"
)
_MOVE = re.compile(r"\x1b\[\d+;\d+H")
_CLEARS = re.compile(r"\x1b\[(\?1049[hl]|[0-3]?J)")

# Characters that are one column wide on every terminal. Where another is in a text, whose width a
# terminal may see otherwise, the text is sent as a whole or not at all.
_NARROW = re.compile(
    r"[ -~\u00a1-\u00ac\u00ae-\u024f\u2010-\u2027\u2030-\u203a\u20a0-\u20bf\u2190-\u2193"
    r"\u22ee\u23ce\u2500-\u25fc\u2713\u2717]*"
)
_NEAR = 4  # cells that are sent again rather than skipped: skipping takes as many bytes
_UNKNOWN = ""


class _Look(NamedTuple):
    """How a cell looks: its attributes and its colours, as codes."""

    attributes: frozenset[str] = frozenset()
    fore: str = ""
    back: str = ""


_PLAIN = _Look()


class Painted:
    """The cells of a terminal. Without `colour`, no code for a colour is ever sent."""

    def __init__(self, *, colour: bool = True) -> None:
        self._colour = colour
        self._characters: list[list[str]] = []
        self._looks: list[list[_Look]] = []
        self._cursor = (0, 0)

    def forget(self) -> None:
        """Take nothing for granted: the terminal was cleared, resized, or written to by others."""
        self._characters.clear()
        self._looks.clear()
        self._cursor = (-1, -1)

    def needed(self, written: str) -> str:
        """What has to be sent of what was written, which may be nothing.

        Whatever is no picture (a mode, a bell, a text for the clipboard) is sent as it is.
        """
        if not _MOVE.match(written):
            if _CLEARS.search(written):
                self.forget()
            return written
        sent = _Sent()
        line = column = 0
        look = _PLAIN
        for token in _tokens(written):
            if token is None:
                self.forget()
                return written
            if token.lastgroup == "text":
                column += self._paint(sent, line, column, token[0], look)
            elif token.lastgroup == "style":
                look = _look(token["style"], self._colour)
            elif token.lastgroup == "next":
                line, column = line + 1, 0
            else:
                line, column = int(token["line"]) - 1, int(token["column"]) - 1
        if sent.parts or self._cursor != (line, column):
            self._cursor = (line, column)
            sent.style(_PLAIN)
            sent.move(line, column)
        return "".join(sent.parts)

    def _paint(self, sent: _Sent, line: int, column: int, text: str, look: _Look) -> int:
        """Send what is different of a text in one style; gives its width."""
        narrow = _NARROW.fullmatch(text) is not None
        cells = list(text) if narrow else _of_unsure_width(text)
        end = column + len(cells)
        characters, looks = self._row(line, end)
        was, were = characters[column:end], looks[column:end]
        same_look = were.count(look) == len(cells)
        if same_look and was == cells:
            return len(cells)
        if narrow:
            for start, stop in _changes(cells, was, look, were):
                sent.move(line, column + start)
                sent.style(look)
                sent.text(text[start:stop])
        else:
            sent.move(line, column)
            sent.style(look)
            sent.text(text)
            sent.lose_place()
        self._break_up(characters, column, end)
        characters[column:end] = cells
        looks[column:end] = [look] * len(cells)
        return len(cells)

    def _row(self, line: int, width: int) -> tuple[list[str], list[_Look]]:
        while len(self._characters) <= line:
            self._characters.append([])
            self._looks.append([])
        characters, looks = self._characters[line], self._looks[line]
        lacks = width - len(characters)
        if lacks > 0:
            characters.extend([_UNKNOWN] * lacks)
            looks.extend([_PLAIN] * lacks)
        return characters, looks

    @staticmethod
    def _break_up(characters: list[str], start: int, end: int) -> None:
        """Forget what is left of a text of unsure width that is painted over in part."""
        first = start
        while characters[first].endswith("\0"):
            first -= 1
        characters[first:start] = [_UNKNOWN] * (start - first)
        last = end
        while last < len(characters) and characters[last].endswith("\0"):
            characters[last] = _UNKNOWN
            last += 1


def _of_unsure_width(text: str) -> list[str]:
    """A text that is sent as a whole, as cells: itself, and as many more as it is wide."""
    return [text, *[f"{text}\0"] * (cell_len(text) - 1)]


class _Sent:
    """What is sent for one picture, and where that leaves the terminal's cursor and colours."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._at: tuple[int, int] | None = None
        self._look = _PLAIN

    def move(self, line: int, column: int) -> None:
        """Go to a cell."""
        if self._at == (line, column):
            return
        if self._at is not None and self._at[0] == line and self._at[1] < column:
            self.parts.append(f"\x1b[{column - self._at[1]}C")
        else:
            self.parts.append(f"\x1b[{line + 1};{column + 1}H")
        self._at = (line, column)

    def style(self, look: _Look) -> None:
        """Go on in another style, with the codes that this takes and no others."""
        if look != self._look:
            self.parts.append(_change(self._look, look))
            self._look = look

    def text(self, text: str) -> None:
        """Write narrow characters, or one text of unsure width (see `lose_place`)."""
        self.parts.append(text)
        if self._at is not None:
            self._at = (self._at[0], self._at[1] + len(text))

    def lose_place(self) -> None:
        """Where the cursor is now depends on the terminal."""
        self._at = None


def _tokens(written: str) -> list[re.Match[str] | None]:
    """A picture in its parts; None at its end where something in it is not understood."""
    tokens: list[re.Match[str] | None] = []
    at = 0
    while at < len(written):
        token = _TOKEN.match(written, at)
        tokens.append(token)
        if token is None:
            break
        at = token.end()
    return tokens


def _changes(
    cells: list[str], was: list[str], look: _Look, were: list[_Look]
) -> list[tuple[int, int]]:
    """The stretches that are different, those that nearly touch as one."""
    found: list[tuple[int, int]] = []
    for at, cell in enumerate(cells):
        if cell == was[at] and look == were[at]:
            continue
        if found and at - found[-1][1] <= _NEAR:
            found[-1] = (found[-1][0], at + 1)
        else:
            found.append((at, at + 1))
    return found


@lru_cache(maxsize=512)
def _look(codes: str, colour: bool) -> _Look:
    """Read the codes of a style (ECMA-48 SGR; colours also as ISO 8613-6 has them)."""
    attributes: set[str] = set()
    fore = back = ""
    numbers = codes.split(";") if codes else []
    at = 0
    while at < len(numbers):
        code = numbers[at]
        length = 1
        if code in ("38", "48"):
            length = 5 if numbers[at + 1 : at + 2] == ["2"] else 3
        whole, value = ";".join(numbers[at : at + length]), int(code or 0)
        if value == 0:
            attributes.clear()
            fore = back = ""
        elif value in range(30, 40) or value in range(90, 98):
            fore = "" if value == 39 else whole
        elif value in range(40, 50) or value in range(100, 108):
            back = "" if value == 49 else whole
        else:
            attributes.add(code)
        at += length
    if not colour:
        fore = back = ""
    return _Look(frozenset(attributes), fore, back)


@lru_cache(maxsize=2048)
def _change(before: _Look, after: _Look) -> str:
    """The codes that lead from one style to another."""
    if after == _PLAIN:
        return "\x1b[m"
    codes = []
    if not before.attributes <= after.attributes:
        codes.append("0")
        before = _PLAIN
    codes += sorted(after.attributes - before.attributes)
    if after.fore != before.fore:
        codes.append(after.fore or "39")
    if after.back != before.back:
        codes.append(after.back or "49")
    return f"\x1b[{';'.join(codes)}m"
