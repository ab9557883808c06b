"""Plain tables: aligned columns, no boxes, fitted to the width at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from tui.output import Layout
from tui.plain_text import cells, cut, plain, wrap

GAP = "  "
_NO_COLOURS: Mapping[str, str] = MappingProxyType({})
_WRAPPED = 16  # columns that a folding column keeps at the least


class Column(NamedTuple):
    """One column of a table.

    Where the width is short, a column with `least` is shortened down to that many columns, and one
    that `folds` goes on over several lines instead; if that is not enough, columns with `drop` are
    left out, the smallest number first. `colours` maps a cell's text to the colour it is shown in.
    """

    title: str
    right: bool = False
    least: int = 0
    folds: bool = False
    drop: int = 0
    colours: Mapping[str, str] = _NO_COLOURS


class Table(NamedTuple):
    """A table laid out: its lines, and the titles of the columns that found no room."""

    lines: tuple[str, ...]
    left_out: tuple[str, ...]

    def note(self) -> list[str]:
        """A line that names what found no room, if anything did not."""
        if not self.left_out:
            return []
        return [f"No room here for: {', '.join(self.left_out)}. A wider terminal shows them."]


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], layout: Layout, *, indent: int = 0
) -> Table:
    """Lay out `rows` under their titles; cells are made safe to print here."""
    shown = [[plain(cell) for cell in row] for row in rows]
    room = None if layout.width is None else layout.width - indent
    kept, widths = fit(columns, shown, room)
    margin = " " * indent
    title = GAP.join(
        _aligned(columns[at].title, width, columns[at].right)
        for at, width in zip(kept, widths, strict=True)
    )
    lines = [margin + layout.paint(title.rstrip(), "dim")]
    for row in shown:
        cells_of_row = [
            _cell(columns[at], row[at], width) for at, width in zip(kept, widths, strict=True)
        ]
        for part in range(max(map(len, cells_of_row))):
            line = margin
            for at, width, parts in zip(kept, widths, cells_of_row, strict=True):
                text = parts[part] if part < len(parts) else ""
                padded = _aligned(text, width, columns[at].right)
                line += layout.paint(padded, columns[at].colours.get(row[at])) + GAP
            lines.append(line.rstrip())
    left_out = tuple(column.title for at, column in enumerate(columns) if at not in kept)
    return Table(tuple(lines), left_out)


def _cell(column: Column, text: str, width: int) -> list[str]:
    return wrap(text, width) if column.folds else [cut(text, width)]


def _aligned(text: str, width: int, right: bool) -> str:
    padding = " " * (width - cells(text))
    return padding + text if right else text + padding


def fit(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int | None
) -> tuple[list[int], list[int]]:
    """Which columns are shown (their places), and how wide each is, in `room` columns."""
    natural = [
        max([cells(column.title), *(cells(row[at]) for row in rows)])
        for at, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))
    if room is None:
        return kept, natural
    leasts = [_least(column, width) for column, width in zip(columns, natural, strict=True)]
    going = sorted((at for at in kept if columns[at].drop), key=lambda at: columns[at].drop)
    while going and _total([leasts[at] for at in kept]) > room:
        kept.remove(going.pop(0))
    widths = [natural[at] for at in kept]
    over = _total(widths) - room
    while over > 0:
        slack = [width - leasts[at] for at, width in zip(kept, widths, strict=True)]
        widest = max(range(len(kept)), key=lambda place: (slack[place] > 0, widths[place]))
        if slack[widest] <= 0:
            break
        widths[widest] -= 1
        over -= 1
    return kept, widths


def _least(column: Column, natural: int) -> int:
    if column.folds:
        return min(natural, max(column.least or _WRAPPED, cells(column.title)))
    if column.least:
        return min(natural, max(column.least, cells(column.title)))
    return natural


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)
