"""A list of the devices of a transfer: the same before it and after it."""

from __future__ import annotations

from collections.abc import Sequence

from engine import TransferLine, TransferReport
from tui.screens.list_page import ListPage
from tui.table import Column
from tui.views.transfers import in_the_way, worth_telling
from tui.widgets.rows import Cell, Row
from tui.wording import NONE, number


class TransferLines(ListPage[TransferReport]):
    """The devices of which there is something to tell, what is in the way first."""

    noun = ("device", "devices")
    orders = ("way", "name", "rows")
    follows = True

    def columns(self, moved: str) -> list[Column]:
        """The columns; `moved` is what that of the rows which come is called."""
        return [
            Column(self.heading("name", "Device", rising=True), least=12),
            Column(self.heading("rows", moved), right=True),
            Column("There already", right=True),
            Column("Refused", right=True),
            Column(self.heading("way", "In the way"), least=16),
        ]

    def lines(self, report: TransferReport) -> list[Row]:
        """The devices, in the order that was chosen."""
        return [
            Row(
                line.source_device,
                [
                    Cell(line.device_name or line.source_device),
                    Cell(number(line.copied), "good" if line.copied else "dim"),
                    Cell(number(line.already_there), "" if line.already_there else "dim"),
                    Cell(number(line.refused), "warn" if line.refused else "dim"),
                    _way(line),
                ],
            )
            for line in self._sorted(worth_telling(report))
        ]

    def _sorted(self, lines: Sequence[TransferLine]) -> list[TransferLine]:
        order = self.orders[self.order]
        by_name = sorted(lines, key=lambda line: line.device_name.casefold())
        if order == "name":
            return by_name
        if order == "rows":
            return sorted(by_name, key=lambda line: -line.copied)
        return sorted(by_name, key=lambda line: (not line.reason, not line.notes))

    def said_of_selected(self, data: TransferReport) -> Sequence[str]:
        """The whole of what is in the way of a device, and of what is to be known of it."""
        key = self.rows.selected
        line = next((each for each in data.devices if each.source_device == key), None)
        if line is None:
            return []
        told = [text for text in (line.reason, *line.notes) if text]
        name = line.device_name or line.source_device
        return [f"{name}: {text}." for text in told]


def _way(line: TransferLine) -> Cell:
    text = in_the_way(line)
    if line.reason:
        return Cell(f"! {text}", "warn")
    return Cell(text or NONE, "dim")
