"""Names from databases can neither act on a terminal nor break a table."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.plain_text import cells, cut, plain, wrap

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J", "\\x9b2J"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("bell\x07", "bell\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066isolated\u2069", "\\u2066isolated\\u2069"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028paragraph\u2029", "line\\u2028paragraph\\u2029"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("half\ud83d", "half\\ud83d"),
        ("delete\x7f", "delete\\x7f"),
    ],
)
def test_what_a_terminal_would_obey_is_written_as_its_escape(hostile: str, shown: str) -> None:
    assert plain(hostile) == shown


@pytest.mark.parametrize(
    "name", ["Câmara fria 3", "冷蔵庫", "غرفة", "50 °C – ok", "a\u00a0b", "🌡 1"]
)
def test_ordinary_names_of_any_language_stay(name: str) -> None:
    assert plain(name) == name


@given(ANY_TEXT)
def test_nothing_unprintable_is_left_whatever_comes(text: str) -> None:
    left = {unicodedata.category(character) for character in plain(text)}
    assert left.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})


@given(ANY_TEXT.map(plain), st.integers(min_value=1, max_value=30))
def test_cut_text_fits_and_is_a_beginning(text: str, width: int) -> None:
    shortened = cut(text, width)
    assert cells(shortened) <= width
    if shortened != text:
        assert shortened.endswith("…")
        assert text.startswith(shortened.removesuffix("…"))


@given(ANY_TEXT.map(plain), st.integers(min_value=2, max_value=30))
def test_wrapped_text_fits_and_loses_no_character(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(cells(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_wide_and_combining_characters_are_measured_as_a_terminal_does() -> None:
    assert cells("冷蔵庫") == 6
    assert cells("e\u0301") == 1
    assert cut("冷蔵庫", 5) == "冷蔵…"
