"""A job on a page of its own: how far it is, and what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import events, work
from textual.binding import Binding, BindingType
from textual.widget import Widget

from engine import (
    BackstayError,
    Backup,
    Cancelled,
    CleanUpReport,
    Handle,
    Job,
    JobKind,
    JobState,
    NotFound,
    VerifyReport,
)
from tui.dialogs.confirm import Confirm
from tui.screens.job_lines import elapsed, ended, made, running, title, waiting
from tui.screens.page import Page
from tui.widgets.lines import Lines

_EACH = 0.5  # seconds between two looks at a job that has not ended
_SHOWN_OF_ID = 8  # characters


class Shown(NamedTuple):
    """A job; while it waits, the known ones before it and why nobody does it; what came of it."""

    job: Job
    before: Sequence[Job] = ()
    nobody: BackstayError | None = None
    outcome: Backup | CleanUpReport | VerifyReport | None = None


class JobPage(Page[Shown]):
    """Follows a job until it ends; a restore or a transfer that succeeded goes on to its report.

    Leaving the page leaves the job alone.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave_it", "leave"),
        Binding("escape", "back", "back"),
        Binding("c", "cancel", "cancel"),
    ]
    reading = "Looking for the job…"

    def __init__(self, job: str) -> None:
        """`job` is its id."""
        super().__init__()
        self.job = job
        self._stopping = False  # whether it was asked to stop, here
        self._reading = False
        self._handle: Handle[Job] | None = None

    @property
    def where(self) -> tuple[str, ...]:
        """What is done, or was."""
        return ("Backstay", "Job" if self.data is None else title(self.data.job))

    @property
    def who(self) -> str:
        """Which job it is, and for how long it has been going on."""
        time = "" if self.data is None else elapsed(self.data.job, self.backstay.now)
        return " · ".join(text for text in (f"job {self.job[:_SHOWN_OF_ID]}", time) if text)

    def body(self) -> Iterable[Widget]:
        """All of it is lines."""
        yield Lines(name="lines")

    async def read(self) -> Shown:
        """Ask for the job, and for what matters of others and of its outcome."""
        self._reading = True
        try:
            return await self._read_all()
        finally:
            self._reading = False

    async def _read_all(self) -> Shown:
        engine = self.backstay.engine
        job = await engine.job(self.job)
        if job.state is JobState.QUEUED:
            others = [each for each in await engine.jobs() if not each.state.ended]
            at = next((at for at, each in enumerate(others) if each.id == job.id), len(others))
            return Shown(job, others[at + 1 :], nobody=await self._why_nobody())
        outcome = None
        if job.state is JobState.SUCCEEDED and job.kind not in (JobKind.RESTORE, JobKind.TRANSFER):
            with contextlib.suppress(NotFound):
                outcome = await engine.outcome(job.id)
        return Shown(job, outcome=outcome)

    def on_mount(self) -> None:
        """Begin to follow the job."""
        self._watch()
        self.set_interval(_EACH, self._read_again_unless_ended)

    def on_resize(self, event: events.Resize) -> None:
        """Fold the lines anew."""
        self.call_after_refresh(self.tick)

    def show(self, data: Shown) -> None:
        """Show how far the job is, or what came of it."""
        job = data.job
        lines = self.query_one("#lines", Lines)
        if not lines.room:
            return  # it is laid out later, and shown then
        if job.state is JobState.QUEUED:
            lines.tell(waiting(job, data.before, data.nobody, lines.room))
        elif job.state is JobState.RUNNING:
            lines.tell(running(job, lines.room, stopping=self._stopping))
        elif job.state is JobState.SUCCEEDED and job.kind is JobKind.RESTORE and self.is_active:
            self._go_on_to_report()
        elif job.state is JobState.SUCCEEDED and job.kind is JobKind.TRANSFER and self.is_current:
            self._go_on_to_transferred()
        else:
            lines.tell(ended(job, data.outcome, lines.room))

    def _go_on_to_report(self) -> None:
        from tui.screens.report import ReportPage

        self.app.switch_screen(ReportPage(self.job))

    def _go_on_to_transferred(self) -> None:
        from tui.screens.transferred import TransferredPage

        self.app.switch_screen(TransferredPage(self.job))

    def refuse(self, error: BackstayError) -> None:
        """Say in place of the job that it is not to be seen."""
        self.query_one("#lines", Lines).tell([])
        super().refuse(error)

    # Following

    @work(exclusive=True, group="watch")
    async def _watch(self) -> None:
        """See that there is a worker for the job, for as long as this page is open."""
        await self._let_go()
        with contextlib.suppress(BackstayError):  # reading it tells why
            self._handle = await self.backstay.engine.watch(self.job)

    async def _why_nobody(self) -> BackstayError | None:
        """Why no worker will come to a job that waits; None where one will."""
        if self._handle is not None and self._handle.done:
            try:
                await self._handle.result()
            except Cancelled:
                return None
            except BackstayError as error:
                return error
        return None

    async def _let_go(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            await handle.let_go()

    async def on_unmount(self) -> None:
        """Leave the job to itself."""
        await self._let_go()

    def _read_again_unless_ended(self) -> None:
        if self.is_current and self.data is not None and not self.data.job.state.ended:
            self.read_soon()

    def read_soon(self) -> None:
        """Read anew; what is being read now is as good."""
        if not self._reading:
            super().read_soon()

    def action_read_again(self) -> None:
        """Read it anew, and see that somebody does it."""
        super().action_read_again()
        self._watch()

    # Cancelling

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what has not ended can be cancelled, and left behind."""
        under_way = self.data is not None and not self.data.job.state.ended
        if action == "cancel":
            return under_way and not self._stopping
        if action == "leave_it":
            return under_way
        return super().check_action(action, parameters)

    def action_leave_it(self) -> None:
        """Go back to the screen before; the job goes on."""
        self.action_back()

    def action_cancel(self) -> None:
        """Ask, then cancel the job."""
        if self.data is None:
            return
        job = self.data.job
        keep = "Keep it running" if job.state is JobState.RUNNING else "Keep it waiting"
        self.app.push_screen(
            Confirm(_question(job), _meaning(job), "Cancel the job", keep), self._cancel
        )

    async def _cancel(self, agreed: bool | None) -> None:
        if not agreed:
            return
        try:
            await self.backstay.engine.cancel(self.job)
        except BackstayError as error:
            self.backstay.tell_error(error)
            return
        self._stopping = True
        self.read_soon()


def _question(job: Job) -> str:
    match job.kind:
        case JobKind.BACKUP:
            return f"Cancel the backup of {job.project_name}?"
        case JobKind.RESTORE:
            return f"Cancel the creation of {made(job)}?"
        case JobKind.CLEAN_UP:
            return f"Cancel the clean-up after {job.project_name}?"
        case JobKind.TRANSFER:
            return f"Cancel the transfer into {job.project_name}?"
        case JobKind.VERIFY:
            return f"Cancel the proof of a backup of {job.project_name}?"


def _meaning(job: Job) -> str:
    match job.kind:
        case JobKind.BACKUP:
            return "What is half-made is removed. Earlier backups are safe."
        case JobKind.RESTORE:
            return (
                "What is half-made is removed, and nothing is charged.\n"
                f"{job.project_name} is not touched."
            )
        case JobKind.CLEAN_UP:
            return "All backups that are listed are safe. The next clean-up does what is left."
        case JobKind.TRANSFER:
            return "What was brought stays. Run it again to bring the rest: none comes twice."
        case JobKind.VERIFY:
            return "The backup is not touched by that."
