"""What a transfer would bring, device by device, and what is in its way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType

from engine import BackstayError, Progress, TransferReport
from tui.dialogs.confirm import Confirm
from tui.plain_text import cut
from tui.screens.list_page import Listed
from tui.screens.transfer_draft import Draft
from tui.screens.transfer_lines import TransferLines
from tui.typed_span import Span
from tui.views.transfers import blocked, short_summary
from tui.widgets.rows import Rows
from tui.widgets.state import State
from tui.wording import counted

_NAME = 30  # columns of a project's name on a button


class TransferPreviewPage(TransferLines):
    """Counts what would come, and moves it when that is agreed to. Counting changes nothing."""

    READS_AGAIN = False  # a question that was in front is no reason to count anew
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "move", "move", tooltip="Move it, after a question"),
        Binding("slash", "filter", "filter", tooltip="Show only what has a text in it"),
        Binding("o", "sort", "sort", tooltip="Sort the devices another way"),
        Binding("r", "read_again", "count again", show=False, tooltip="Count it again"),
    ]
    reading = "Counting what would come…"

    def __init__(self, draft: Draft, span: Span, leave_for: Callable[[str], None]) -> None:
        """`leave_for` is called with the job that moves it."""
        super().__init__()
        self._choice, self._span = draft, span
        self._leave_for = leave_for
        self._asking = False

    @property
    def where(self) -> tuple[str, ...]:
        """What is shown."""
        return ("Backstay", "Move data", "What would come")

    @property
    def who(self) -> str:
        """From where, and where to."""
        if self.data is None:
            return super().who
        return f"{cut(self.data.source, _NAME)} → {cut(self.data.target, _NAME)}"

    async def read(self) -> TransferReport:
        """Count it: every row that is chosen is looked for in the target."""
        draft = self._choice
        return await self.backstay.engine.preview_transfer(
            draft.source.id if draft.source else "",
            draft.target.id if draft.target else "",
            devices=draft.devices,
            by_name=draft.by_name,
            variables=draft.variables,
            since=self._span.since,
            until=self._span.until,
            create_missing=draft.create_missing,
            report=self._tell_progress,
        )

    def _tell_progress(self, progress: Progress) -> None:
        if self.read_at is None and progress.total and self.is_mounted:
            share = min(100, progress.done * 100 // progress.total)
            said = "Counting what would come; nothing is changed."
            self.query_one("#state", State).tell(said, f"{share} % of the data is looked at.")

    async def look(self) -> None:
        """Do not count again whenever something else changes."""

    def listed(self, data: TransferReport) -> Listed:
        """The devices, and what would come in all."""
        return Listed(self.columns("Would come"), self.lines(data), [short_summary(data)])

    def say_empty(self, data: TransferReport, state: State) -> None:
        """Say that nothing is chosen that there is."""
        state.tell(
            "Nothing would come.",
            "None of the devices has rows that were chosen. Press Esc to choose others.",
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what would come can be moved."""
        if action == "move":
            return self.data is not None and _comes(self.data) and not self._asking
        return super().check_action(action, parameters)

    @on(Rows.Opened)
    def action_move(self) -> None:
        """Ask, then move it."""
        data = self.data
        if data is None or not _comes(data) or self._asking:
            return
        what = f"{_what(data)} into {cut(data.target, _NAME)}"
        self.app.push_screen(
            Confirm(f"Move {what}?", "\n".join(_meaning(data)), f"Move {what}"), self._agreed
        )

    def _agreed(self, yes: bool | None) -> None:
        if yes:
            self._move()

    @work(exclusive=True, group="move")
    async def _move(self) -> None:
        draft = self._choice
        if draft.source is None or draft.target is None:
            return
        self._asking = True
        self.refresh_bindings()
        try:
            handle = await self.backstay.engine.transfer(
                draft.source.id,
                draft.target.id,
                devices=draft.devices,
                by_name=draft.by_name,
                variables=draft.variables,
                since=self._span.since,
                until=self._span.until,
                create_missing=draft.create_missing,
            )
        except BackstayError as error:
            self.backstay.tell_error(error)
        else:
            self._leave_for(handle.job)
        finally:
            self._asking = False
            if self.is_mounted:
                self.refresh_bindings()


def _comes(report: TransferReport) -> bool:
    return bool(report.copied or any(line.created for line in report.devices))


def _what(report: TransferReport) -> str:
    made = sum(line.created for line in report.devices)
    if not report.copied:
        return counted(made, "new device")
    return counted(report.copied, "row")


def _meaning(report: TransferReport) -> Sequence[str]:
    said = [
        f"They come from {report.source}, which is not changed.",
        f"Nothing is changed or removed in {report.target}; it may be in use meanwhile.",
        "What was moved stays, also where this is cancelled. Run again, it brings what is missing.",
    ]
    made = sum(line.created for line in report.devices)
    if made:
        said.append(f"{counted(made, 'device')} will be made there, with new tokens.")
    if report.refused or blocked(report.devices):
        said.append("What something is in the way of is left out.")
    return said
