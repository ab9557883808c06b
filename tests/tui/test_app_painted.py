"""Only what looks different is sent, and it leads to the same picture: judged by an emulator."""

from __future__ import annotations

from typing import NamedTuple

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.painted import Painted

COLUMNS, LINES = 24, 6
STYLES = [
    "",
    "1",
    "7",
    "38;2;10;20;30",
    "38;2;10;20;30;48;2;1;2;3",
    "1;38;2;10;20;30;48;5;7",
    "31;4",
    "0;92;44",
]
TEXTS = st.text(alphabet="ab ─✓€é冷蔵🌱", min_size=1, max_size=COLUMNS)


class Stretch(NamedTuple):
    """A text in one style at a place."""

    line: int
    column: int
    text: str
    style: str

    @property
    def written(self) -> str:
        """As textual writes it."""
        move = f"\x1b[{self.line + 1};{self.column + 1}H"
        return f"{move}\x1b[{self.style}m{self.text}\x1b[0m" if self.style else move + self.text


def _fits(stretch: Stretch) -> bool:
    return stretch.column + cell_len(stretch.text) <= COLUMNS


STRETCHES = st.builds(
    Stretch,
    st.integers(0, LINES - 1),
    st.integers(0, COLUMNS - 1),
    TEXTS,
    st.sampled_from(STYLES),
).filter(_fits)
PICTURES = st.lists(st.lists(STRETCHES, min_size=1, max_size=5), min_size=1, max_size=8)


def emulator() -> tuple[pyte.Screen, pyte.Stream]:
    screen = pyte.Screen(COLUMNS, LINES)
    screen.reset_mode(7, private=True)  # textual lets no line wrap
    return screen, pyte.Stream(screen)


def cells_of(screen: pyte.Screen) -> list[list[object]]:
    return [[screen.buffer[y][x] for x in range(COLUMNS)] for y in range(LINES)]


def whole_lines(picture: list[Stretch]) -> str:
    """A picture as textual paints it: its lines begin at the left end, wide texts uncut."""
    lines = []
    for stretch in picture:
        blank = f"\x1b[{stretch.line + 1};1H{' ' * COLUMNS}"
        lines.append(f"{blank}{stretch.written}")
    return "".join(lines) + "\x1b[1;1H"


@given(PICTURES)
def test_what_is_sent_leads_to_the_same_picture(pictures: list[list[Stretch]]) -> None:
    (all_sent, full), (little_sent, little) = emulator(), emulator()
    painted = Painted()
    for picture in pictures:
        written = whole_lines(picture)
        full.feed(written)
        little.feed(painted.needed(written))
        assert cells_of(little_sent) == cells_of(all_sent)
        assert (little_sent.cursor.x, little_sent.cursor.y) == (0, 0)


@given(PICTURES)
def test_the_same_picture_again_sends_nothing(pictures: list[list[Stretch]]) -> None:
    painted = Painted()
    for picture in pictures:
        one_a_line = list({stretch.line: stretch for stretch in picture}.values())
        written = "".join(stretch.written for stretch in one_a_line) + "\x1b[1;1H"
        painted.needed(written)
        assert painted.needed(written) == ""


def test_a_line_that_changes_in_one_place_sends_that_place() -> None:
    painted = Painted()
    painted.needed("\x1b[3;1H\x1b[31mDone 10 of 200\x1b[0m\x1b[1;1H")
    sent = painted.needed("\x1b[3;1H\x1b[31mDone 11 of 200\x1b[0m\x1b[1;1H")
    assert sent == "\x1b[3;7H\x1b[31m1\x1b[m\x1b[1;1H"


def test_without_colour_no_code_for_one_is_sent() -> None:
    sent = Painted(colour=False).needed("\x1b[1;1H\x1b[1;38;2;9;9;9;48;5;3mtext\x1b[0m\x1b[31mred")
    assert sent.count("m") == 2
    assert "\x1b[1mtext\x1b[m" in sent
    assert "\x1b[31m" not in sent


def test_what_was_cleared_or_written_by_others_is_sent_again() -> None:
    painted = Painted()
    written = "\x1b[1;1Htext\x1b[1;1H"
    first = painted.needed(written)
    assert painted.needed("\x07") == "\x07"
    assert painted.needed("\x1b]52;c;aWQ=\x07") == "\x1b]52;c;aWQ=\x07"
    assert painted.needed(written) == ""
    assert painted.needed("\x1b[?1049h") == "\x1b[?1049h"
    assert painted.needed(written) == first
    painted.forget()
    assert painted.needed(written) == first


def test_what_is_not_understood_is_sent_as_it_is_and_nothing_is_taken_for_granted() -> None:
    painted = Painted()
    written = "\x1b[1;1Htext\x1b[1;1H"
    first = painted.needed(written)
    link = "\x1b[1;1H\x1b]8;id=1;http://example.com\x1b\\text\x1b]8;;\x1b\\"
    assert painted.needed(link) == link
    assert painted.needed(written) == first
