"""What is set for a project: when it is backed up, how many backups stay, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, NamedTuple

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from engine import BackstayError, Invalid, NotAllowed, NotFound, Plan, Project, Storage
from tui.dialogs.confirm import Confirm
from tui.screens.page import Page
from tui.screens.schedule_check import Checked, check
from tui.screens.schedule_draft import FIELDS, Draft, change, draft_of, followed, told, touched
from tui.screens.schedule_told import (
    facts_told,
    going_asked,
    going_told,
    runs_told,
    summary,
    unsaved_told,
)
from tui.widgets.choice import Choice
from tui.widgets.form import Field, FormLine
from tui.widgets.told import Told
from tui.wording import counted


class Shown(NamedTuple):
    """What is known of a project's main database."""

    plan: Plan
    storage: Storage
    project: Project
    worker_stays: bool


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
        facts = facts_told(
            data.plan,
            data.storage,
            data.project,
            worker_stays=data.worker_stays,
            machine=self.backstay.machine,
            now=self.backstay.now,
        )
        self.query_one("#facts", Told).tell(*facts)
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
        if self._saved is None or self._draft is None:
            return None
        return await check(self.backstay.engine, self.project, self._saved, self._draft)

    def _tell_checked(self, checked: Checked) -> None:
        for field in FIELDS:
            error = checked.wrong.get(field)
            self._line(field).say(error.message if error else "", wrong=error is not None)
        if not checked.draft.on:
            self._line("on").say("backups are made by hand only")
        if "keep" not in checked.wrong:
            backups = "backup" if checked.draft.keep.lstrip("0") == "1" else "backups"
            self._line("keep").say(f"most recent {backups}")
        runs, zone = self.query_one("#runs", Told), self._zone
        stays = self.data is None or self.data.worker_stays
        runs.tell(("Next runs", runs_told(checked, worker_stays=stays, room=runs.room)))
        going = going_told(checked, zone, room=runs.room)
        self.query_one("#going", Told).tell(("", going))

    @property
    def _zone(self) -> str | None:
        """The zone that dates of backups are told in: the one that is set."""
        return self.data.plan.zone if self.data else None

    def _tell_unsaved(self) -> None:
        """Say whether something is not saved, what others set, and what keeps it from saving."""
        lines = unsaved_told(self._unsaved(), self._meanwhile, self._error)
        self.query_one("#unsaved", Told).tell(("", lines))
        self.refresh_bindings()

    def _unsaved(self) -> list[str]:
        if self._saved is None or self._draft is None:
            return []
        return told(self._saved, self._draft)

    @property
    def _error(self) -> Invalid | None:
        """The first of what the engine refuses in the draft, as far as that is known."""
        checked = self._checked
        if checked is None or checked.draft != self._draft:
            return None
        return checked.error

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
        def agreed(yes: bool | None) -> None:
            if yes:
                self._set_soon(checked.draft)

        keep = counted(int(checked.draft.keep), "backup")
        text = going_asked(checked, self.project_name, self._zone)
        self.app.push_screen(Confirm(f"Keep {keep} from now on?", text, f"Keep {keep}"), agreed)

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
