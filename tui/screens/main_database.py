"""What is set for a project: when it is backed up, how many backups stay, and what follows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from engine import (
    BackstayError,
    Backup,
    Invalid,
    NotAllowed,
    NotFound,
    Plan,
    Project,
    Storage,
)
from tui.dialogs.confirm import Confirm
from tui.plain_text import cells
from tui.screens.page import Page
from tui.screens.schedule_draft import (
    FIELDS,
    Draft,
    change,
    draft_of,
    followed,
    told,
    touched,
)
from tui.widgets.choice import Choice
from tui.widgets.form import Field, FormLine
from tui.widgets.told import Block, Told
from tui.wording import brief, counted, date_alone, date_there, day_there, listed, size

_NAMES = {"on": "daily backup", "at": "time", "zone": "time zone", "keep": "number to keep"}
_APART = "   "  # between two runs in a line
_NAMED = 9  # backups that are named where more would go
_NO_WORKER = "No worker runs: start one with backstay worker."
_NO_NUMBER = Invalid("A number is missing.", hint="Give how many backups to keep.")
_NOTHING = "Nothing was changed. "  # how the engine's hints begin, where this is plain to see


class Shown(NamedTuple):
    """What is known of a project's main database."""

    plan: Plan
    storage: Storage
    project: Project
    worker_stays: bool


class Checked(NamedTuple):
    """What the engine says of a draft: its plan, or what is wrong, and the backups that go."""

    draft: Draft
    plan: Plan | None  # None where its time or zone is wrong
    wrong: dict[str, Invalid]
    going: Sequence[Backup] = ()


class MainDatabasePage(Page[Shown]):
    """The settings of a project that the user owns. Nothing is changed before it is saved."""

    CSS_PATH: ClassVar = ["main_database.tcss", "../widgets/form.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+o", "save", "save"),
        Binding("m", "members", "members"),
        Binding("down,j", "app.focus_next", "down", show=False),
        Binding("up,k", "app.focus_previous", "up", show=False),
        Binding("g", "first", "to the first", show=False),
        Binding("G", "last", "to the last", show=False),
        Binding("pagedown", "scroll(1)", "a page down", show=False),
        Binding("pageup", "scroll(-1)", "a page up", show=False),
        Binding("q", "leave", "quit"),
    ]
    reading = "Reading the settings…"

    def __init__(self, project: str, name: str) -> None:
        """`project` is an id; `name` what it is called."""
        super().__init__()
        self.project = project
        self.project_name = name
        self._saved: Draft | None = None  # what the home has
        self._draft: Draft | None = None  # what the fields show
        self._checked: Checked | None = None
        self._meanwhile: dict[str, str] = {}  # what others set since this was opened, by field

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        return ("Backstay", self.project_name, "Main Database")

    @property
    def who(self) -> str:
        """Who I am here."""
        role = "" if self.data is None else " · owner"
        return f"{self.backstay.engine.user}{role}"

    def body(self) -> Iterable[Widget]:
        """The fields with what follows from them, and the facts."""
        with VerticalScroll(id="form", can_focus=False):
            yield FormLine("Daily backup", Choice("on", name="on"))
            yield FormLine("Time of day", Field("[0-9:]", 5, name="at"))
            yield FormLine("Time zone", Choice("none", name="zone"))
            yield Told(name="runs")
            yield FormLine("Keep", Field("[0-9]", 3, name="keep"))
            yield Told(name="going")
            yield Told(name="facts")
        yield Told(name="unsaved", titles=0)

    def on_mount(self) -> None:
        """Show nothing to fill in before it is known what there is."""
        super().on_mount()
        self._display(False)

    def _display(self, shown: bool) -> None:
        self.query_one("#form").display = shown
        self.query_one("#unsaved").display = shown

    # What there is, and what others change

    async def read(self) -> Shown:
        """Ask for the plan, where backups are kept, who belongs to the project, and the worker."""
        engine = self.backstay.engine
        plan = await engine.plan(self.project)
        storage = await engine.storage(self.project)
        project = await engine.members(self.project)
        return Shown(plan, storage, project, await engine.worker_stays())

    def show(self, data: Shown) -> None:
        """Show what there is. Fields that were touched stay as they are."""
        first = self._saved is None
        self._follow(data.plan)
        self._fill()
        self._tell_facts(data)
        self._display(True)
        if first:
            self.query_one("#on").focus()
        self._check_soon()

    def _follow(self, plan: Plan) -> None:
        """Take over a plan as it is now; note what others changed."""
        before, draft = self._saved, self._draft
        now = draft_of(plan, before)
        self._saved = now
        if before is None or draft is None:
            self._draft = now
            return
        self._draft = followed(before, draft, now)
        for field in FIELDS:
            if before.value(field) != now.value(field):
                self._meanwhile[field] = now.value(field)

    def refuse(self, error: BackstayError) -> None:
        """Say in place of the settings that they are not to be seen."""
        self._display(False)
        self._saved = self._draft = self._checked = None
        super().refuse(error)

    # Fields

    def _line(self, field: str) -> FormLine:
        line = self.query_one(f"#{field}").parent
        if not isinstance(line, FormLine):
            raise TypeError(f"{field} is no field")
        return line

    def _fill(self) -> None:
        """Show the draft in the fields."""
        draft = self._draft
        if draft is None:
            return
        self.query_one("#on", Choice).say(draft.value("on"))
        self.query_one("#zone", Choice).say(draft.zone or "choose one")
        for name in ("at", "keep"):
            field = self.query_one(f"#{name}", Input)
            if field.value != draft.value(name):
                field.value = draft.value(name)
        for name in ("at", "zone"):
            self.query_one(f"#{name}").disabled = not draft.on

    def _edit(self, draft: Draft) -> None:
        if draft != self._draft:
            self._draft = draft
            self._fill()
            self._check_soon()

    @on(Choice.Pressed, "#on")
    def _switch(self) -> None:
        if self._draft is not None:
            self._edit(self._draft._replace(on=not self._draft.on))

    @on(Input.Changed, "#at")
    def _time_typed(self, event: Input.Changed) -> None:
        if self._draft is not None:
            self._edit(self._draft._replace(at=event.value))

    @on(Input.Changed, "#keep")
    def _keep_typed(self, event: Input.Changed) -> None:
        if self._draft is not None:
            self._edit(self._draft._replace(keep=event.value))

    @on(Choice.Pressed, "#zone")
    def _choose_zone(self) -> None:
        from tui.dialogs.zone import ChooseZone

        def chosen(zone: str | None) -> None:
            if zone is not None and self._draft is not None:
                self._edit(self._draft._replace(zone=zone))

        if self._draft is not None:
            self.app.push_screen(ChooseZone(self._draft.zone), chosen)

    def on_resize(self) -> None:
        """Lay the runs out anew: how many find room in a line has changed."""
        if self._checked is not None:
            self._tell_checked(self._checked)

    # What the engine says of the draft

    @property
    def dirty(self) -> bool:
        """Whether something is not saved."""
        saved, draft = self._saved, self._draft
        return saved is not None and draft is not None and bool(touched(saved, draft))

    def _check_soon(self) -> None:
        self._tell_unsaved()
        self._check_and_tell()

    @work(exclusive=True, group="check")
    async def _check_and_tell(self) -> None:
        try:
            checked = await self._check()
        except BackstayError as error:
            self._trouble(error)
            return
        if checked is not None and checked.draft == self._draft:
            self._checked = checked
            self._tell_checked(checked)
            self._tell_unsaved()

    def _trouble(self, error: BackstayError) -> None:
        if isinstance(error, (NotAllowed, NotFound)):
            self.refuse(error)
        else:
            self.could_not_read(error)

    async def _check(self) -> Checked | None:
        """Ask the engine what it makes of the draft, field by field where it refuses it."""
        saved, draft = self._saved, self._draft
        if saved is None or draft is None:
            return None
        preview, wrong = partial(self.backstay.engine.preview_schedule, self.project), {}
        checks: dict[str, Callable[[], Awaitable[Plan]]] = {}
        if draft.on:
            # Each beside something that is right: what is refused then is the field itself.
            checks["at"] = partial(preview, at=draft.at, zone="UTC")
            checks["zone"] = partial(preview, at="00:00", zone=draft.zone or None)
        if draft.keep:
            checks["keep"] = partial(preview, keep=int(draft.keep), off=True)
        else:
            wrong["keep"] = _NO_NUMBER
        for field, check in checks.items():
            try:
                await check()
            except Invalid as error:
                wrong[field] = error
        keep = saved.keep if "keep" in wrong else draft.keep
        plan, what = None, change(saved, draft._replace(keep=keep))
        if wrong.keys() <= {"keep"}:
            plan = await preview(**what._asdict())
        fewer = what.keep is not None and what.keep < int(saved.keep)
        going: Sequence[Backup] = ()
        if fewer:
            going = await self.backstay.engine.would_remove(self.project, keep=what.keep)
        return Checked(draft, plan, wrong, going)

    def _tell_checked(self, checked: Checked) -> None:
        for field in FIELDS:
            error = checked.wrong.get(field)
            self._line(field).say(error.message if error else "", wrong=error is not None)
        if not checked.draft.on:
            self._line("on").say("backups are made by hand only")
        if "keep" not in checked.wrong:
            backups = "backup" if checked.draft.keep.lstrip("0") == "1" else "backups"
            self._line("keep").say(f"most recent {backups}")
        self.query_one("#runs", Told).tell(("Next runs", self._runs(checked)))
        self.query_one("#going", Told).tell(("", self._going(checked)))

    def _runs(self, checked: Checked) -> list[str]:
        """The next runs, as many in a line as there is room for, and what clocks do to them."""
        plan = checked.plan
        if plan is None:
            return ["not known while something is wrong here"]
        if not plan.runs:
            return ["none"]
        lines = self._beside_one_another([moment_text(run.due, plan.zone) for run in plan.runs])
        for run in plan.runs:
            if run.remark:
                lines.append(f"! {date_alone(run.due, plan.zone)}: {run.remark}.")
        if self.data is not None and not self.data.worker_stays:
            lines.append(f"! {_NO_WORKER}")
        return lines

    def _going(self, checked: Checked) -> list[str]:
        """What saving leads to for the backups that are there."""
        if "keep" in checked.wrong:
            return [advice(checked.wrong["keep"])]
        going = checked.going
        if not going:
            return ["Saving deletes nothing."]
        zone = self.data.plan.zone if self.data else None
        named, more = _to_name(going)
        lines = self._beside_one_another([moment_text(backup.date, zone) for backup in named])
        if more:
            lines.append(f"and {more:,} more, up to {date_there(going[-1].date, zone)}")
        return [f"! The next clean-up removes {counted(len(going), 'backup')}:", *lines]

    def _beside_one_another(self, texts: Sequence[str]) -> list[str]:
        """Texts of one width, as many in a line as there is room for."""
        room = self.query_one("#runs", Told).room
        many = max(1, (room + cells(_APART)) // (cells(texts[0]) + cells(_APART)))
        return [_APART.join(texts[at : at + many]) for at in range(0, len(texts), many)]

    # Facts

    def _tell_facts(self, data: Shown) -> None:
        storage, now = data.storage, self.backstay.now
        kept = "encrypted" if storage.encrypted else "! Not encrypted"
        cleaned = "no clean-up yet"
        if storage.cleaned:
            cleaned = f"last clean-up {brief(now - storage.cleaned)} ago"
        stored = [
            f"{kept}, on {self.backstay.machine} in {short_path(storage.place)}",
            f"{size(storage.size)} with all projects here, {cleaned}",
        ]
        worker = "runs, and keeps the schedule" if data.worker_stays else "none runs"
        blocks: list[Block] = [
            ("Stored", stored),
            ("Owners", [listed(data.project.owners)]),
            ("Collaborators", [listed(data.project.collaborators) or "none"]),
            ("Worker", [worker]),
        ]
        if data.plan.notes:
            blocks.append(("Lately", data.plan.notes))
        self.query_one("#facts", Told).tell(*blocks)

    def _tell_unsaved(self) -> None:
        """Say whether something is not saved, what others set, and what keeps it from saving."""
        lines: list[str] = []
        if self._meanwhile:
            theirs = [f"{_NAMES[field]} is {value}" for field, value in self._meanwhile.items()]
            stays = " What you changed stays until you save it." if self.dirty else ""
            lines.append(f"! Changed by someone else meanwhile: {listed(theirs)} now.{stays}")
        if self.dirty:
            error = self._error
            lines.append(f"● not saved: {', '.join(self._unsaved())}")
            if error is not None:
                lines.append(f"✗ Saving is not possible: {error.message} {advice(error)}")
        self.query_one("#unsaved", Told).tell(("", lines))
        self.refresh_bindings()

    def _unsaved(self) -> list[str]:
        if self._saved is None or self._draft is None:
            return []
        return told(_NAMES, self._saved, self._draft)

    @property
    def _error(self) -> Invalid | None:
        """The first of what the engine refuses in the draft, as far as that is known."""
        checked = self._checked
        if checked is None or checked.draft != self._draft:
            return None
        return next(iter(checked.wrong.values()), None)

    # What can be done

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Saving is offered while there is something to save, and nothing wrong."""
        if action == "save":
            return self.dirty and self._error is None
        if action == "members":
            return self.data is not None
        return super().check_action(action, parameters)

    @work(exclusive=True, group="save")
    async def action_save(self) -> None:
        """Set what was touched; ask first where backups would go."""
        try:
            checked = await self._check()
            if checked is None or checked.wrong:
                return  # what is wrong is told beside its field
            if checked.going:
                self._ask(checked)
            else:
                await self._set(checked.draft)
        except BackstayError as error:
            self.backstay.tell_error(error)

    def _ask(self, checked: Checked) -> None:
        zone = self.data.plan.zone if self.data else None
        going = checked.going
        named, more = _to_name(going)
        dates = [date_there(backup.date, zone) for backup in named]
        if more:
            dates.append(f"and {more:,} more, up to {date_there(going[-1].date, zone)}")
        lines = [
            f"The next clean-up removes {counted(len(going), 'backup')} of {self.project_name}:",
            "",
            *(f"  {date}" for date in dates),
            "",
            "Nothing is removed now. Until then a larger number keeps them.",
        ]
        keep = counted(int(checked.draft.keep), "backup")

        def agreed(yes: bool | None) -> None:
            if yes:
                self._set_soon(checked.draft)

        question = f"Keep {keep} from now on?"
        self.app.push_screen(Confirm(question, "\n".join(lines), f"Keep {keep}"), agreed)

    @work(exclusive=True, group="save")
    async def _set_soon(self, draft: Draft) -> None:
        try:
            await self._set(draft)
        except BackstayError as error:
            self.backstay.tell_error(error)

    async def _set(self, draft: Draft) -> None:
        if self._saved is None:
            return
        what = change(self._saved, draft)
        plan = await self.backstay.engine.set_schedule(self.project, **what._asdict())
        self._saved = draft_of(plan, draft)
        if self._draft is not None:  # what was typed meanwhile stays
            self._draft = followed(draft, self._draft, self._saved)
        if self.data is not None:
            self.data = self.data._replace(plan=plan)
        self._meanwhile = {}
        self.notify(f"Saved: {summary(plan)}", markup=False)
        self.read_soon()

    def action_members(self) -> None:
        """Show who belongs to the project."""
        from tui.dialogs.members import MembersPage

        self.app.push_screen(MembersPage(self.project, self.project_name))

    def action_back(self) -> None:
        """Go back; ask first where something is not saved."""
        self._unless_unsaved(super().action_back)

    def action_leave(self) -> None:
        """Leave the app; ask first where something is not saved."""
        self._unless_unsaved(self.backstay.action_leave)

    def _unless_unsaved(self, leave: Callable[[], None]) -> None:
        if not self.dirty:
            leave()
            return

        def agreed(yes: bool | None) -> None:
            if yes:
                leave()

        lines = ["Not saved:", "", *(f"  {line}" for line in self._unsaved())]
        question = Confirm(
            "Leave without saving?", "\n".join(lines), "Leave without saving", "Keep editing"
        )
        self.app.push_screen(question, agreed)

    def action_first(self) -> None:
        """Go to the first field."""
        self.query_one("#on").focus()

    def action_last(self) -> None:
        """Go to the last field."""
        self.query_one("#keep").focus()

    def action_scroll(self, by: int) -> None:
        """Show what is further down, where the terminal is low."""
        form = self.query_one("#form")
        form.scroll_relative(y=by * max(1, form.size.height - 1), animate=False)


def _to_name(going: Sequence[Backup]) -> tuple[Sequence[Backup], int]:
    """The backups to be named, oldest first, and how many more there are."""
    named = going if len(going) <= _NAMED + 1 else going[:_NAMED]
    return named, len(going) - len(named)


def moment_text(moment: datetime, zone: str | None) -> str:
    """A moment on the clocks of a zone, in few columns: ``Tue 24 Nov 03:00``."""
    return f"{date_alone(moment, zone)}{day_there(moment, zone)[3:]}"


def advice(error: Invalid) -> str:
    """What to give instead, for somebody who has not asked for a change yet."""
    return error.hint.removeprefix(_NOTHING)


def summary(plan: Plan) -> str:
    """A plan in a sentence."""
    kept = counted(plan.keep, "backup")
    if plan.at is None:
        return f"backups by hand only, the most recent {kept} kept."
    return f"every day at {plan.at} ({plan.zone}), the most recent {kept} kept."


def short_path(path: Path) -> str:
    """A path, from ``~`` where it is in the user's own folder."""
    own = Path.home()
    return f"~/{path.relative_to(own)}" if path.is_relative_to(own) else str(path)
