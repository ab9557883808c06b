"""Draws the figures of the benchmark as bars, in SVG.

    python tests/bench/plot.py many.json one.json screenshots/benchmark.svg

The JSON files are what `run.py --json` wrote, here of a run for each shape; `run.py --plot` draws
one run at once. Every measure has its own scale, and Backstay's bar is the first of each.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

MB = 1_000_000
TIMES = ("first backup", "next day", "nothing changed", "restore, new ids")
SIZES = ("stored, one day", "added next day", "stored, all days")
SHAPES = {"many": "200 device files", "one": "one big device file"}
ALIKE = ("size_mb", "turns", "processors")  # in all runs that are drawn together

_COLUMN, _NAME, _BAR = 460, 128, 220  # widths
_ROW, _TITLE, _GAP, _TOP, _EDGE = 17, 20, 12, 100, 24  # heights
_OURS, _OTHERS, _INK, _FAINT = "#0f766e", "#94a3b8", "#0f172a", "#64748b"


def draw(*documents: Mapping[str, Any]) -> str:
    """The picture of what `run.py` measured, in several runs of other shapes or days, or one."""
    shapes = [
        (name, document["shapes"][name], document["days"])
        for name in SHAPES
        for document in documents
        if name in document["shapes"]
    ]
    parts: list[str] = []
    bottom = 0
    for column, (name, results, days) in enumerate(shapes):
        left = _EDGE + column * _COLUMN
        parts.append(_text(left, _TOP - 14, SHAPES[name], size=14, weight="bold"))
        top = _TOP
        for what in (*TIMES, *SIZES):
            named = what.replace("all days", f"{days} days")
            drawn, top = _measure(left, top, what, named, results)
            parts += drawn
        bottom = max(bottom, top)
    width = 2 * _EDGE + len(shapes) * _COLUMN
    first = documents[0]
    turns = first["turns"]
    how_often = f"medians of {turns} turns" if turns > 1 else "one turn"
    what_it_is = (
        f"{first['size_mb']:,} MB of device files, {first['processors']} processors; "
        f"{how_often}, whole commands, synced to disk. Shorter is better."
    )
    title = [
        _text(_EDGE, 30, "Backups, their next days and restores", size=18, weight="bold"),
        _text(_EDGE, 50, what_it_is, fill=_FAINT),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + _EDGE}" '
        f'viewBox="0 0 {width} {bottom + _EDGE}" font-family="system-ui, sans-serif">'
        '\n<rect width="100%" height="100%" rx="8" fill="#ffffff"/>\n'
        + "\n".join([*title, *parts])
        + "\n</svg>\n"
    )


def _measure(
    left: int, top: int, what: str, named: str, results: Sequence[Mapping[str, Any]]
) -> tuple[list[str], int]:
    """The bars of one measure, a tool each, and where the next measure begins."""
    figures = [
        (result["tool"], statistics.median(result["figures"][what]))
        for result in results
        if result["figures"].get(what)
    ]
    if not figures:
        return [], top
    longest = max(figure for _, figure in figures)
    parts = [_text(left, top + 13, named, weight="bold")]
    top += _TITLE
    for tool, figure in figures:
        ours = tool.startswith("backstay")
        width = max(1.0, figure / longest * _BAR if longest else 0)
        parts += [
            _text(left, top + 11, _short(tool, results), fill=_INK if ours else _FAINT),
            (
                f'<rect x="{left + _NAME}" y="{top + 1}" width="{width:.1f}" height="{_ROW - 4}" '
                f'rx="2" fill="{_OURS if ours else _OTHERS}"/>'
            ),
            _text(left + _NAME + round(width) + 6, top + 11, _told(what, figure)),
        ]
        top += _ROW
    return parts, top + _GAP


def _short(tool: str, results: Sequence[Mapping[str, Any]]) -> str:
    """A tool's name; of several settings of ours, which one it is."""
    ours = [result["tool"] for result in results if result["tool"].startswith("backstay")]
    return "Backstay" if ours == [tool] else tool.replace("backstay", "Backstay")


def _told(what: str, figure: float) -> str:
    return f"{figure:.2f} s" if what in TIMES else f"{figure / MB:,.1f} MB"


def _text(
    x: int, y: int, text: str, *, size: int = 12, weight: str = "normal", fill: str = _INK
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{fill}">'
        f"{escape(text)}</text>"
    )


def main() -> None:
    """Read the figures and write the picture."""
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    *sources, target = map(Path, sys.argv[1:])
    documents = [json.loads(source.read_text()) for source in sources]
    if len({tuple(document[name] for name in ALIKE) for document in documents}) > 1:
        raise SystemExit(f"these runs differ in more than days and shapes: {', '.join(ALIKE)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(draw(*documents))


if __name__ == "__main__":
    main()
