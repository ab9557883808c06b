"""Labelled facts, one under the other: a label column, then what it says."""

from __future__ import annotations

from collections.abc import Sequence

from tui.output import Layout
from tui.plain_text import cells, plain, wrap

_MARGIN = 2
_GAP = 2


def facts(pairs: Sequence[tuple[str, str]], layout: Layout) -> list[str]:
    """Lay out labels and their texts; a long text goes on under itself."""
    labels = max((cells(label) for label, _ in pairs), default=0)
    lines = []
    for label, text in pairs:
        beginning = f"{'':{_MARGIN}}{label:{labels + _GAP}}"
        lines += folded(plain(text), layout, first=beginning, rest=" " * len(beginning))
    return lines


def folded(text: str, layout: Layout, *, first: str = "", rest: str = "") -> list[str]:
    """Fold a text that is safe to print, with what stands before its first and other lines."""
    if layout.width is None:
        return [(first + text).rstrip()]
    parts = wrap(text, max(layout.width - cells(first), 1))
    return [((rest if at else first) + part).rstrip() for at, part in enumerate(parts)]


def notes(texts: Sequence[str], layout: Layout, *, title: str = "Notes") -> list[str]:
    """Notes under a title, an empty line before them; nothing where there are none."""
    if not texts:
        return []
    lines = ["", title]
    for text in texts:
        lines += folded(plain(text), layout, first="  - ", rest="    ")
    return lines
