"""What a new project made of a backup is to be called, and how it will differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from engine import (
    BackstayError,
    Backup,
    BackupState,
    DeviceFacts,
    Engine,
    Invalid,
    NotFound,
    RepositoryDamaged,
    Taken,
)
from tui.dialogs.cost import Cost
from tui.plain_text import plain
from tui.screens.page import Page
from tui.widgets.choice import Choice, Choices
from tui.widgets.name_field import NameField
from tui.widgets.state import State
from tui.wording import counted, date_there, listed

_MOST_TRIED = 100  # names, until its owner has to think of one
_NO_NAME = "The new project needs a name."
_NAMED = 3  # devices without data that are named
_LONGEST = 60  # characters of a name, as the engine has it
_RESTORED = re.compile(r" restored( [0-9]+)?$")


class Offer(NamedTuple):
    """What is known before anything is typed."""

    zone: str | None
    suggestion: str
    missing: Sequence[DeviceFacts]  # the devices whose data is not in the backup
    damage: str  # why no project can be made of the backup; empty where one can
    proved: bool  # whether it was tried that the backup restores


class NewProject(Page[Offer]):
    """Asks for a name, which is checked as it is typed; then what it costs is shown.

    Nothing is made before the price is agreed to there.
    """

    CSS_PATH = "new_project.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "buttons"),
        Binding("down", "app.focus_next", "down", show=False),
        Binding("up", "app.focus_previous", "up", show=False),
        Binding("escape", "back", "back"),
    ]
    reading = "Looking at the backup…"

    def __init__(self, backup: Backup, project_name: str) -> None:
        """`project_name` is the project that the backup is of."""
        super().__init__()
        self.backup = backup
        self.project_name = project_name
        self._suggested = False
        self._goes_on = False  # whether to go on as soon as the name is known to be good

    @property
    def where(self) -> tuple[str, ...]:
        """What is asked for."""
        return ("New project from backup",)

    @property
    def who(self) -> str:
        """Of which backup."""
        zone = None if self.data is None else self.data.zone
        return date_there(self.backup.date, zone)

    def body(self) -> Iterable[Widget]:
        """The name, what will differ, and where to go from here."""
        yield Vertical(
            Horizontal(Static("Name", id="title"), NameField(name="name"), id="naming"),
            Static(id="said"),
            Static(_differences(self.backup, self.project_name), id="differences"),
            State(id="flaw"),
            Choices(Choice("Cancel", name="cancel"), Choice("Cost →", name="cost", disabled=True)),
            id="dialog",
        )

    def on_mount(self) -> None:
        """Begin at the name."""
        self.field.focus()

    @property
    def field(self) -> NameField:
        """Where the name is typed."""
        return self.query_one("#name", NameField)

    async def read(self) -> Offer:
        """Look at the backup; at first find a name that is free."""
        engine = self.backstay.engine
        try:
            zone = (await engine.plan(self.backup.project)).zone
        except NotFound:  # the project was forgotten or deleted; its backups are still there
            zone = None
        missing: Sequence[DeviceFacts] = ()
        damage, proved = "", self.backup.verified is not None
        try:
            details = await engine.show(self.backup.id)
            missing = [device for device in details.devices if device.missing]
            proved = details.backup.verified is not None
            if details.backup.state is not BackupState.COMPLETE:
                damage = "What it consists of is not all there."
        except RepositoryDamaged as error:
            damage = error.message
        if self.data is None:
            suggestion = await suggested_name(engine, self.project_name)
        else:
            suggestion = self.data.suggestion
        return Offer(zone, suggestion, missing, damage, proved)

    def show(self, data: Offer) -> None:
        """Suggest a name where none was typed yet; say what is wrong with the backup."""
        self._tell_flaw(data)
        if not self._suggested and not self.field.value:
            self.field.value = data.suggestion
            self.field.cursor_position = len(data.suggestion)
        self._suggested = True
        self._check(self.field.value)

    def refuse(self, error: BackstayError) -> None:
        """Say in place of everything that this is not for the user, or not there any more."""
        self.query_one("#dialog").display = False
        super().refuse(error)

    def _tell_flaw(self, data: Offer) -> None:
        flaw = self.query_one("#flaw", State)
        if data.damage:
            flaw.tell(
                "This backup is damaged: no project can be made of it.",
                f"{data.damage} Choose another backup.",
                glyph="✗",
                style="$error",
            )
        elif data.missing:
            count = counted(len(data.missing), "device")
            names = [device.name for device in data.missing[:_NAMED]]
            if len(data.missing) > _NAMED:
                names.append(f"{len(data.missing) - _NAMED:,} more")
            flaw.tell(
                f"Incomplete: the data of {count} is not in this backup.",
                f"Without data in the new project: {listed(names)}.",
                glyph="!",
                style="$warning",
            )
        elif not data.proved:
            flaw.tell(
                "It was never proved that this backup restores.",
                "All of it is checked while the project is made, and nothing is charged if that "
                "fails. To prove it first: Esc, then v in its menu.",
                glyph="·",
                style="$warning",
            )
        else:
            flaw.hush()

    # The name

    @on(Input.Changed, "#name")
    def _typed(self, changed: Input.Changed) -> None:
        self._goes_on = False
        self._check(changed.value)

    @on(Input.Submitted, "#name")
    @on(Choice.Pressed, "#cost")
    def _go_on(self) -> None:
        self._goes_on = True
        self._check(self.field.value)

    @work(exclusive=True, group="name")
    async def _check(self, name: str) -> None:
        """Say whether a name can be used; go on to the price where it can, if that was asked for.

        Another look at the home may begin a check anew: what was asked for is not lost then.
        """
        if not name and self.data is None:
            return  # a name is about to be suggested
        if not name:
            self._say("✗", _NO_NAME, "$error")
            self._goes_on = False
            self._open(ready=False)
            return
        try:
            name = await self.backstay.engine.check_new_name(name)
        except (Invalid, Taken) as error:
            self._say("✗", error.message, "$error")
        except BackstayError as error:
            self._say("!", f"It could not be checked: {error.message}", "$warning")
        else:
            self._say("✓", "free to use", "$success")
            ready = self.data is not None and not self.data.damage
            self._open(ready=ready)
            if self._goes_on and ready and self.is_active:
                self._goes_on = False
                cost = Cost(self.backup, self.project_name, name, self._leave_for)
                self.app.push_screen(cost)
            return
        self._goes_on = False
        self._open(ready=False)

    def _open(self, *, ready: bool) -> None:
        """Let it go on, or not; the focus of a button that closes goes back to the name."""
        button = self.query_one("#cost")
        if button.has_focus and not ready:
            self.field.focus()
        button.disabled = not ready
        if self.field.ready != ready:
            self.field.ready = ready
            self.refresh_bindings()

    def _say(self, glyph: str, text: str, style: str) -> None:
        content = Content.assemble((f"{glyph} ", style), plain(text))
        said = self.query_one("#said", Static)
        if content != said.content:
            before = said.size.height
            said.update(content, layout=False)
            if said.get_content_height(said.size, said.size, said.size.width) != before:
                said.refresh(layout=True)

    # Leaving

    @on(Choice.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.action_back()

    def _leave_for(self, job: str) -> None:
        """Show the job that makes the project, in place of what led to it."""
        self.app.pop_screen()  # the price
        self.app.pop_screen()
        self.backstay.open_job(job)


def _differences(backup: Backup, project_name: str) -> Content:
    """What a project made of a backup has, and what it has not."""
    counts = [
        counted(backup.devices, "device"),
        counted(backup.variables, "variable"),
        counted(backup.actions, "action"),
        counted(backup.accounts, "account"),
    ]
    code = f" ({counted(backup.analyses, 'analysis', 'analyses')})" if backup.analyses else ""
    lines = [
        f"A new project beside {plain(project_name)}, which is not changed.",
        f"  {', '.join(counts)}",
        "  every variable gets a new id; every device gets new tokens",
        f"  not included: analysis code and logs{code}, uploaded files",
        "  it starts quiet: actions off, data retention on hold, until you wake it",
    ]
    return Content("\n".join(lines))


async def suggested_name(engine: Engine, project_name: str) -> str:
    """A name for what is made of a project's backup that is free now; "" where none is found."""
    root = _RESTORED.sub("", project_name)
    for number in range(1, _MOST_TRIED + 1):
        ending = " restored" if number == 1 else f" restored {number}"
        name = root[: _LONGEST - len(ending)].rstrip() + ending
        try:
            return await engine.check_new_name(name)
        except Taken:
            continue
        except Invalid:  # it was named by other rules
            break
    return ""
