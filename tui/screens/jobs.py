"""The jobs of a project, or of all that the user owns: what runs, what waits, how others ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.binding import Binding, BindingType

from engine import BackstayError, Job, JobKind, JobState
from tui.dialogs.cancel_job import CancelJob
from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.views.jobs import percent
from tui.widgets.rows import Cell, Row, Rows
from tui.widgets.state import State
from tui.wording import NONE, duration, short_date_there, size, with_zone

_MOST = 200  # jobs that are listed
_SHORTEST = 0.001  # seconds
_EACH = 1.0  # seconds between two looks while a job has not ended
_ASKED = 14  # columns of a title that names a zone, so that the dates below it are wider
_STATES = {
    JobState.QUEUED: ("·", ""),
    JobState.RUNNING: ("▸", ""),
    JobState.SUCCEEDED: ("✓", "good"),
    JobState.FAILED: ("✗", "bad"),
    JobState.CANCELLED: ("–", "dim"),
    JobState.LOST: ("!", "warn"),
}
_URGENT_FIRST = (
    JobState.RUNNING,
    JobState.QUEUED,
    JobState.FAILED,
    JobState.LOST,
    JobState.CANCELLED,
    JobState.SUCCEEDED,
)


class Asked(NamedTuple):
    """The jobs, newest first; `zone` is that of their project, None for UTC."""

    jobs: Sequence[Job]
    zone: str | None


class JobsPage(ListPage[Asked]):
    """Lists jobs. What has not ended is followed, and can be cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", tooltip="Show the job: how far it is, or what came of it"),
        Binding("c", "cancel", "cancel", tooltip="Cancel the job, after a question"),
        Binding("slash", "filter", "filter", tooltip="Show only what has a text in it"),
        Binding("o", "sort", "sort", tooltip="Sort the jobs another way"),
        Binding("escape", "back", "back", tooltip="Go back"),
    ]
    noun = ("job", "jobs")
    orders = ("asked", "state", "kind")
    follows = True
    reading = "Reading the jobs…"

    def __init__(self, project: str | None, name: str) -> None:
        """`project` is an id and `name` what it is called; None for all that the user owns."""
        super().__init__()
        self.project = project
        self.project_name = name

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        return (
            ("Backstay", "Jobs")
            if self.project is None
            else ("Backstay", self.project_name, "Jobs")
        )

    async def read(self) -> Asked:
        """Ask for the newest jobs."""
        engine = self.backstay.engine
        jobs = await engine.jobs(self.project, limit=_MOST)
        zone = None if self.project is None else (await engine.plan(self.project)).zone
        return Asked(jobs, zone)

    def on_mount(self) -> None:
        """Begin with the list, and follow what has not ended."""
        self.set_interval(_EACH, self._follow)

    def _follow(self) -> None:
        """Read anew while anything goes on: what this process does itself is no one's change."""
        going_on = self.data is not None and any(not job.state.ended for job in self.data.jobs)
        if self.is_current and going_on:
            self.read_soon()

    def listed(self, data: Asked) -> Listed:
        """The jobs in the order that was chosen."""
        columns = [
            Column(self.heading("kind", "Job", rising=True)),
            *([Column("Project", least=10)] if self.project is None else []),
            Column(self.heading("state", "State")),
            Column(self.heading("asked", with_zone("Asked", data.zone, _ASKED))),
            Column("By", least=3),
            Column("Took or left", least=10),
        ]
        rows = [self._row(job, data.zone) for job in self._sorted(data.jobs)]
        more = [f"The newest {_MOST} are listed; older ones: backstay jobs JOB."]
        return Listed(columns, rows, more if len(data.jobs) == _MOST else [])

    def _sorted(self, jobs: Sequence[Job]) -> list[Job]:
        order = self.orders[self.order]
        if order == "state":
            return sorted(jobs, key=lambda job: _URGENT_FIRST.index(job.state))
        if order == "kind":
            return sorted(jobs, key=lambda job: job.kind.value)
        return list(jobs)

    def _row(self, job: Job, zone: str | None) -> Row:
        cells = [
            Cell(job.kind.value),
            *([Cell(job.project_name)] if self.project is None else []),
            state_cell(job),
            Cell(short_date_there(job.asked, zone), "dim"),
            Cell("schedule" if job.slot is not None else job.user, "dim"),
            Cell(_time(job), "dim"),
        ]
        return Row(job.id, cells)

    def said_of_selected(self, data: Asked) -> Sequence[str]:
        """Why a job failed and what to do, or what it does now."""
        job = self.selected
        return [] if job is None else [text for text in _said(job) if text]

    def say_empty(self, data: Asked, state: State) -> None:
        """Say what will be here."""
        state.tell(
            "No jobs yet.",
            "Backups, restores and clean-ups are listed here once somebody, or a schedule, asks "
            "for one. They go on without this app.",
        )

    @property
    def selected(self) -> Job | None:
        """The job that is selected."""
        if self.data is None:
            return None
        key = self.rows.selected
        return next((job for job in self.data.jobs if job.id == key), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What has ended cannot be cancelled."""
        if action == "open":
            return self.selected is not None
        if action == "cancel":
            job = self.selected
            return job is not None and not job.state.ended
        return super().check_action(action, parameters)

    @on(Rows.Opened)
    def action_open(self) -> None:
        """Show the selected job."""
        job = self.selected
        if job is not None:
            self.backstay.open_job(job.id)

    def action_cancel(self) -> None:
        """Ask, then cancel the selected job."""
        job = self.selected
        if job is None:
            return
        going = job.id

        async def cancel(agreed: bool | None) -> None:
            if agreed:
                try:
                    await self.backstay.engine.cancel(going)
                except BackstayError as error:
                    self.backstay.tell_error(error)
                self.read_soon()

        self.app.push_screen(CancelJob(job), cancel)


def state_cell(job: Job) -> Cell:
    """Where a job is: a glyph and a word."""
    glyph, style = _STATES[job.state]
    done = percent(job) if job.state is JobState.RUNNING else ""
    return Cell(f"{glyph} {job.state.value} {done}".rstrip(), style)


def _time(job: Job) -> str:
    if job.state is JobState.RUNNING:
        left = job.progress.seconds_left
        return "estimating" if left is None else f"{duration(max(1, round(left)))} left"
    if job.started is None or job.finished is None:
        return NONE
    seconds = (job.finished - job.started).total_seconds()
    return duration(seconds) if seconds >= _SHORTEST else NONE


def _said(job: Job) -> list[str]:
    match job.state:
        case JobState.FAILED | JobState.LOST:
            return [f"{job.reason} {job.hint}".strip()]
        case JobState.QUEUED:
            return [f"It waits for its turn. {_making(job)}"]
        case JobState.RUNNING:
            done = job.progress
            of = f": {size(done.done)} of {size(done.total)}" if done.total else ""
            rate = f", {size(round(done.rate))}/s" if done.rate else ""
            return [f"Now: {done.stage or 'starting'}{of}{rate}.", _making(job)]
        case JobState.CANCELLED:
            return ["Nothing half-made was kept."]
        case JobState.SUCCEEDED:
            return [_made(job)]


def _making(job: Job) -> str:
    if job.kind is JobKind.RESTORE and job.new_project:
        return f"It makes {job.new_project} from a backup of {job.project_name}."
    return ""


def _made(job: Job) -> str:
    if job.kind is JobKind.RESTORE and job.new_project:
        return f"It made {job.new_project} from a backup of {job.project_name}."
    if job.slot is not None:
        return f"The scheduled backup of {job.slot}."
    return ""
