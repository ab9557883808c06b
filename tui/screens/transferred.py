"""The report of a transfer: what came, device by device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine import TransferReport
from tui.screens.list_page import Listed
from tui.screens.transfer_lines import TransferLines
from tui.views.transfers import effort, short_summary
from tui.widgets.state import State
from tui.wording import duration


class TransferredPage(TransferLines):
    """What a transfer that succeeded brought."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", tooltip="Show only what has a text in it"),
        Binding("o", "sort", "sort", tooltip="Sort the devices another way"),
    ]
    reading = "Reading the report…"

    def __init__(self, job: str) -> None:
        """`job` is the id of the transfer."""
        super().__init__()
        self.job = job

    @property
    def where(self) -> tuple[str, ...]:
        """What was done."""
        if self.data is None:
            return ("Backstay", "Report")
        return ("Backstay", f"Moved into {self.data.target}")

    @property
    def who(self) -> str:
        """How long it took."""
        return super().who if self.data is None else f"took {duration(self.data.seconds)}"

    async def read(self) -> TransferReport:
        """Ask for the report."""
        return await self.backstay.engine.transferred(self.job)

    def listed(self, data: TransferReport) -> Listed:
        """The devices, and what came in all."""
        return Listed(self.columns("Moved"), self.lines(data), [short_summary(data)])

    def said_of_selected(self, data: TransferReport) -> Sequence[str]:
        """What is to be known of a device; else of all of it."""
        return super().said_of_selected(data) or data.notes

    def say_empty(self, data: TransferReport, state: State) -> None:
        """Say that there was nothing to move."""
        state.tell(
            "Nothing was moved.", "None of the devices had rows that were chosen.", effort(data)
        )
