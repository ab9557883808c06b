"""What is to be moved from one project into another: filled in, then counted, then asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from engine import BackstayError, Project, Role
from tui.dialogs.pick import Item, Items, Pick, Picking
from tui.plain_text import cut
from tui.screens.page import Page
from tui.screens.projects import state_text
from tui.screens.transfer_draft import Draft, first_draft, wanting
from tui.table import Column
from tui.typed_span import TO_FILL_IN
from tui.widgets.choice import Choice, Choices
from tui.widgets.form import FormLine
from tui.widgets.span_lines import SpanLines
from tui.widgets.told import Told
from tui.wording import counted

_NAME = 34  # columns of a name on a button


class Known(NamedTuple):
    """The projects that the user owns, and the zone of the one that data is to go into."""

    projects: Sequence[Project]
    zone: str | None


class TransferPage(Page[Known]):
    """Asks what is to be moved, from where, and where to. Nothing is changed here."""

    CSS_PATH: ClassVar = ["transfer.tcss", "../widgets/form.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+o", "go_on", "what would come", tooltip="Count what would come"),
        Binding("tab", "app.focus_next", "next"),
        Binding("down,j", "app.focus_next", "down", show=False),
        Binding("up,k", "app.focus_previous", "up", show=False),
    ]
    reading = "Reading the projects…"

    def __init__(self, *, source: str | None = None, target: str | None = None) -> None:
        """`source` and `target` are ids of projects to begin with."""
        super().__init__()
        self._begin_with = (source, target)
        self._draft: Draft | None = None
        self._zone_of = ""  # the project whose zone is known

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        return ("Backstay", "Move data")

    def body(self) -> Iterable[Widget]:
        """What is to be filled in, and where to go from here."""
        with VerticalScroll(id="form", can_focus=False):
            yield FormLine("From", Choice("choose", name="source"))
            yield FormLine("Into", Choice("choose", name="target"))
            yield FormLine("Devices", Choice("all", name="devices"))
            yield FormLine("Matched by", Choice("id", name="by"))
            yield FormLine("Missing ones", Choice("leave out", name="missing"))
            yield FormLine("Variables", Choice("all", name="variables"))
            yield SpanLines()
            yield Told(name="meaning", titles=0)
            yield Choices(
                Choice("Cancel", name="cancel"),
                Choice("What would come →", name="go-on", disabled=True),
            )

    def on_mount(self) -> None:
        """Show nothing to fill in before it is known what there is."""
        self.query_one("#form").display = False

    async def read(self) -> Known:
        """Ask for the projects, and on which clocks the target lives."""
        engine = self.backstay.engine
        projects = [each for each in await engine.projects() if each.role is Role.OWNER]
        if self._draft is None:
            self._draft = first_draft(projects, *self._begin_with)
        target = self._draft.target
        zone = (await engine.plan(target.id)).zone if target is not None else None
        self._zone_of = target.id if target is not None else ""
        return Known(projects, zone)

    def show(self, data: Known) -> None:
        """Show what is filled in."""
        form = self.query_one("#form")
        first = not form.display
        form.display = True
        self._fill()
        if first:
            self.query_one(self._begins_at()).focus()

    def _begins_at(self) -> str:
        if self._draft is None or self._draft.source is None:
            return "#source"
        return "#target" if self._draft.target is None else "#devices"

    def refuse(self, error: BackstayError) -> None:
        """Say in place of the form that this is not for the user."""
        self.query_one("#form").display = False
        super().refuse(error)

    # Filling in

    def _say(self, field: str, text: str, *, wrong: bool = False) -> None:
        line = self.query_one(f"#{field}").parent
        if isinstance(line, FormLine):
            line.say(text, wrong=wrong)

    def _fill(self) -> None:
        """Show the draft, and what it means."""
        draft, zone = self._draft, None if self.data is None else self.data.zone
        if draft is None:
            return
        for field, project in (("source", draft.source), ("target", draft.target)):
            name = "choose one" if project is None else cut(project.name, _NAME)
            self.query_one(f"#{field}", Choice).say(name)
            self._say(field, "" if project is None else state_text(project))
        self.query_one("#devices", Choice).say(_some(draft.devices, "device"))
        self.query_one("#variables", Choice).say(_some(draft.variables, "variable"))
        self.query_one("#by", Choice).say("name" if draft.by_name else "id")
        self.query_one("#missing", Choice).say(
            "make them" if draft.create_missing else "leave them out"
        )
        into = "the target" if draft.target is None else cut(draft.target.name, _NAME)
        self._say("by", "and not by id" if draft.by_name else "and not by name")
        made, left = f"in {into}, with new tokens", f"and name what {into} lacks"
        self._say("missing", made if draft.create_missing else left)
        for field in ("devices", "variables"):
            self.query_one(f"#{field}").disabled = draft.source is None
        span = draft.span.read(zone)
        self.query_one(SpanLines).tell(span, zone)
        self._tell_meaning(draft, zone)
        button = self.query_one("#go-on")
        ready = not wanting(draft) and not span.wrong
        if button.has_focus and not ready:
            self.query_one("#cancel").focus()
        button.disabled = not ready
        self.refresh_bindings()

    def _tell_meaning(self, draft: Draft, zone: str | None) -> None:
        clocks = "UTC" if zone is None else zone
        lines = [
            f"Dates such as {TO_FILL_IN} are of {clocks}.",
            "A row that is there (same variable, time, value and group) is skipped.",
        ]
        if missing := wanting(draft):
            lines.append(f"! {missing}")
        elif draft.target is not None:
            name = draft.target.name
            lines.append(f"Nothing is changed or removed in {name}, which may be in use.")
        self.query_one("#meaning", Told).tell(("", lines))

    def _edit(self, draft: Draft) -> None:
        if draft != self._draft:
            self._draft = draft
            self._fill()
            if draft.target is not None and draft.target.id != self._zone_of:
                self.read_soon()  # its clocks

    @on(Input.Changed)
    def _span_typed(self) -> None:
        if self._draft is not None:
            self._edit(self._draft._replace(span=self.query_one(SpanLines).typed))

    @on(Choice.Pressed, "#by")
    def _switch_by(self) -> None:
        if self._draft is not None:
            self._edit(self._draft._replace(by_name=not self._draft.by_name))

    @on(Choice.Pressed, "#missing")
    def _switch_missing(self) -> None:
        if self._draft is not None:
            self._edit(self._draft._replace(create_missing=not self._draft.create_missing))

    # Choosing

    @on(Choice.Pressed, "#source")
    def _choose_source(self) -> None:
        def chosen(project: Project) -> None:
            draft = self._draft
            if draft is not None and (draft.source is None or draft.source.id != project.id):
                self._edit(draft._replace(source=project, devices=(), variables=()))

        self._choose_project("Move data from…", chosen, self._draft and self._draft.source)

    @on(Choice.Pressed, "#target")
    def _choose_target(self) -> None:
        def chosen(project: Project) -> None:
            if self._draft is not None:
                self._edit(self._draft._replace(target=project))

        self._choose_project("Move data into…", chosen, self._draft and self._draft.target)

    def _choose_project(
        self, title: str, chosen: Callable[[Project], None], now: Project | None
    ) -> None:
        known = {} if self.data is None else {each.id: each for each in self.data.projects}
        items = [Item(each.id, each.name, [state_text(each)]) for each in known.values()]

        async def read() -> Items:
            return Items(items)

        picking = Picking(
            title,
            ("project", "projects"),
            [Column("Project", least=20), Column("State")],
            read,
            [] if now is None else [now.id],
            many=False,
            nothing="You own no project here.",
        )
        self.app.push_screen(Pick(picking, lambda keys: chosen(known[keys[0]])))

    @on(Choice.Pressed, "#devices")
    def _choose_devices(self) -> None:
        draft = self._draft
        if draft is None or draft.source is None:
            return
        project = draft.source

        async def read() -> Items:
            devices = await self.backstay.engine.devices(project.id)
            return Items(
                [
                    Item(each.id, each.name, [each.id, "" if each.active else "not active"])
                    for each in devices
                ]
            )

        def chosen(keys: tuple[str, ...]) -> None:
            if self._draft is not None:
                self._edit(self._draft._replace(devices=keys))

        picking = Picking(
            f"Devices of {project.name}",
            ("device", "devices"),
            [Column("Device", least=20), Column("Id", drop=1), Column("")],
            read,
            draft.devices,
            many=True,
            nothing=f"{project.name} has no devices.",
        )
        self.app.push_screen(Pick(picking, chosen))

    @on(Choice.Pressed, "#variables")
    def _choose_variables(self) -> None:
        draft = self._draft
        if draft is None or draft.source is None:
            return
        project, devices = draft.source, draft.devices

        async def read() -> Items:
            found = await self.backstay.engine.variables(project.id, devices)
            # one that was chosen stays so, whichever devices have it
            names = sorted({*found.names, *draft.variables})
            note = ""
            if found.looked_at < found.devices:
                note = (
                    f"Those of {found.looked_at:,} of {counted(found.devices, 'device')}: choose "
                    "devices first to see all of theirs."
                )
            return Items([Item(name, name) for name in names], note)

        def chosen(keys: tuple[str, ...]) -> None:
            if self._draft is not None:
                self._edit(self._draft._replace(variables=keys))

        picking = Picking(
            "Variables to move",
            ("variable", "variables"),
            [Column("Variable", least=20)],
            read,
            draft.variables,
            many=True,
            nothing="These devices have no rows.",
        )
        self.app.push_screen(Pick(picking, chosen))

    # Going on

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is wrong or missing has to be filled in first."""
        if action == "go_on":
            return self.is_mounted and not self.query_one("#go-on").disabled
        return super().check_action(action, parameters)

    @on(Input.Submitted)
    @on(Choice.Pressed, "#go-on")
    def action_go_on(self) -> None:
        """Count what would come, and show it."""
        from tui.screens.transfer_preview import TransferPreviewPage

        draft, data = self._draft, self.data
        if draft is None or data is None or wanting(draft):
            return
        span = draft.span.read(data.zone)
        if not span.wrong and draft.source is not None and draft.target is not None:
            self.app.push_screen(TransferPreviewPage(draft, span, self._leave_for))

    @on(Choice.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.action_back()

    def _leave_for(self, job: str) -> None:
        """Show the job that moves the data, in place of what led to it."""
        self.app.pop_screen()  # what would come
        self.app.pop_screen()
        self.backstay.open_job(job)


def _some(chosen: Sequence[str], noun: str) -> str:
    return f"only {counted(len(chosen), noun)}" if chosen else "all"
