"""The home of a project: its backups, newest first, and whether it is safe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget

from engine import BackstayError, Backup, Health, HealthState, NotFound, Plan
from tui.remote import serving
from tui.screens.backup_deeds import ACTIONS, bindings, command_over_ssh, menu_items
from tui.screens.backup_rows import backup_row, details, oddities, sums
from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.widgets.facts import Facts
from tui.widgets.health_strip import HealthStrip
from tui.widgets.menu import Menu
from tui.widgets.rows import Rows
from tui.widgets.sizes import odd_sizes
from tui.widgets.state import State
from tui.wording import (
    brief,
    date_alone,
    date_in_column,
    day_there,
    with_zone,
)

_DATE = 20  # columns of a title that names a zone, so that the dates below it are wider


class Shown(NamedTuple):
    """What is shown of a project."""

    backups: Sequence[Backup]
    health: Health
    plan: Plan
    worker_stays: bool


class BackupsPage(ListPage[Shown]):
    """The backups of a project that the user owns."""

    CSS_PATH = "backups.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "menu", "menu", tooltip="What can be done with the backup"),
        Binding("full_stop", "menu", "menu", show=False),
        Binding("b", "back_up", "back up now", tooltip="Back up the project now"),
        Binding("slash", "filter", "filter", tooltip="Show only what has a text in it"),
        Binding("o", "sort", "sort", tooltip="Sort the backups another way"),
        Binding(
            "s",
            "main_database",
            "Main Database",
            tooltip="Main Database: schedule, retention, members",
        ),
        Binding("escape", "back", "back", tooltip="Go back"),
        Binding("J", "jobs", "jobs", tooltip="The jobs of the project"),
        *bindings(),
    ]
    noun = ("backup", "backups")
    orders = ("date", "size", "kind")
    has_menu = True
    reading = "Reading the backups…"

    def __init__(self, project: str, name: str) -> None:
        """`project` is an id; `name` what it is called."""
        super().__init__()
        self.project = project
        self.project_name = name
        self._asks = False  # whether a backup is being asked for

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        return ("Backstay", self.project_name, "Backups")

    @property
    def who(self) -> str:
        """Who I am here."""
        role = "" if self.data is None else " · owner"
        return f"{self.backstay.engine.user}{role}"

    def above(self) -> Iterable[Widget]:
        """Whether the project is safe, before anything else."""
        yield HealthStrip()

    def beside(self) -> Iterable[Widget]:
        """What is known of the selected backup."""
        yield Facts(name="details")

    async def read(self) -> Shown:
        """Ask for the project's backups, how they are, and its plan."""
        engine = self.backstay.engine
        backups = await engine.backups(self.project)
        (health,) = await engine.status(self.project)
        plan = await engine.plan(self.project)
        return Shown(backups, health, plan, await engine.worker_stays())

    def refuse(self, error: BackstayError) -> None:
        """Say that backups are for owners, and who they are; or that it is not theirs."""
        self.query_one(HealthStrip).display = False
        if isinstance(error, NotFound):
            gone = f"{self.project_name} is not among your projects any more."
            error = NotFound(gone, hint="Press Esc to go back to those that are.")
        super().refuse(error)

    def listed(self, data: Shown) -> Listed:
        """The backups in the order that was chosen."""
        strip = self.query_one(HealthStrip)
        strip.tell(data.health, self.backstay.now, worker_stays=data.worker_stays)
        zone, now = data.plan.zone, self.backstay.now
        odd = odd_sizes(data.backups)
        columns = [
            Column(self.heading("date", with_zone("Date", zone, _DATE))),
            Column("Age", least=6),
            Column(self.heading("size", "Size"), right=True),
            Column(""),
            Column(self.heading("kind", "Kind", rising=True), drop=1),
            Column("Restorable"),
        ]
        most = max((backup.size for backup in data.backups), default=0)
        rows = [
            backup_row(backup, zone, now, bar_of=most, odd=backup.id in odd)
            for backup in self._sorted(data.backups)
        ]
        self._show_details()
        summary = [*sums(data.backups, data.plan), *oddities(data.backups, odd, zone)]
        return Listed(columns, rows, summary)

    def _sorted(self, backups: Sequence[Backup]) -> list[Backup]:
        order = self.orders[self.order]
        if order == "size":
            return sorted(backups, key=lambda backup: -backup.size)
        if order == "kind":
            return sorted(backups, key=lambda backup: backup.kind.value)
        return list(backups)

    def say_empty(self, data: Shown, state: State) -> None:
        """Say when the first backup comes, and how to have one now."""
        lines = []
        if data.health.state is HealthState.FAILING:
            lines.append("The last try failed: see above.")
        if data.plan.runs:
            first, zone = data.plan.runs[0].due, data.plan.zone
            lines.append(
                f"The first is made {date_alone(first, zone)} at {day_there(first, zone)[4:]} "
                f"({zone}), in {brief(first - self.backstay.now)}."
            )
        else:
            lines.append("There is no schedule that would make one: press s to set one.")
        state.tell("No backups yet.", *lines, "Press b to make one now.")

    # The selected backup

    @property
    def selected(self) -> Backup | None:
        """The backup that is selected."""
        if self.data is None:
            return None
        key = self.rows.selected
        return next((backup for backup in self.data.backups if backup.id == key), None)

    @on(Rows.Moved)
    def _moved(self) -> None:
        self._show_details()

    def _show_details(self) -> None:
        backup = self.selected
        if backup is None or self.data is None:
            return
        self.query_one("#details", Facts).tell(details(backup, self.data.plan.zone))

    def action_menu(self) -> None:
        """Open the menu of the selected backup beside its row."""
        backup = self.selected
        if backup is None or self.data is None or self.menu_is_open:
            return
        title = date_in_column(backup.date, self.data.plan.zone)
        self.mount(Menu(title, menu_items(backup), self.rows.place_of_selected()))

    @on(Rows.Opened)
    @on(Rows.MenuAsked)
    def _asked_for_menu(self) -> None:
        self.action_menu()

    @on(Menu.Chosen)
    async def _chosen(self, chosen: Menu.Chosen) -> None:
        await self.query(Menu).remove()
        self.rows.focus()
        await self.run_action(chosen.action)

    @on(Rows.Resized)
    def _follow_row(self) -> None:
        """Keep the menu beside its row, where the terminal is of another size now."""
        self.call_after_refresh(self._place_menu)

    def _place_menu(self) -> None:
        for menu in self.query(Menu):
            menu.place(self.rows.place_of_selected())

    @on(Menu.Left)
    def _left_menu(self) -> None:
        self.rows.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What needs a backup, or rights, is offered only where they are there."""
        if self.menu_is_open:
            return super().check_action(action, parameters)
        if action == "menu" or action in ACTIONS:
            return self.selected is not None
        if action in ("back_up", "main_database", "jobs"):
            return self.data is not None
        return super().check_action(action, parameters)

    # What can be done

    def action_back_up(self) -> None:
        """Take a backup now, and show how far it is; keys go on to work while it is asked for."""
        if not self._asks:
            self._asks = True
            self._back_up()

    @work(group="back-up")
    async def _back_up(self) -> None:
        try:
            handle = await self.backstay.engine.backup(self.project)
        except BackstayError as error:
            self.backstay.tell_error(error)
            return
        finally:
            self._asks = False
        if self.is_current:
            self.backstay.open_job(handle.job)
        else:
            self.notify(f"A backup of {self.project_name} was asked for.", markup=False)

    def action_restore(self) -> None:
        """Ask what a new project made of the selected backup is to be called."""
        backup = self.selected
        if backup is not None:
            self.backstay.open_new_project(backup, self.project_name)

    def action_contents(self) -> None:
        """Show what is in the selected backup."""
        backup = self.selected
        if backup is not None:
            self.backstay.open_contents(backup, self.project_name)

    def action_compare(self) -> None:
        """Ask what the selected backup is to be compared with."""
        backup = self.selected
        if backup is not None:
            self.backstay.open_compare(backup, self.project_name)

    async def action_verify(self) -> None:
        """Prove that the selected backup restores, and show how far that is."""
        backup = self.selected
        if backup is None:
            return
        try:
            handle = await self.backstay.engine.verify(backup.id)
        except BackstayError as error:
            self.backstay.tell_error(error)
            return
        self.backstay.open_job(handle.job)

    def action_export(self) -> None:
        """Ask where the selected backup is to be written to; over SSH, say how it is brought."""
        backup = self.selected
        if backup is None:
            return
        if serving():
            command = command_over_ssh(backup)
            text = f"No file is made on this machine for you. On yours, type: {command}"
            self.notify(text, timeout=20, markup=False)
        else:
            self.backstay.open_export(backup, self.project_name)

    def action_copy_id(self) -> None:
        """Copy the selected backup's id, and show it for terminals that cannot be told to."""
        backup = self.selected
        if backup is not None:
            self.backstay.copy(backup.id, "the id")

    def action_main_database(self) -> None:
        """Show the schedule, and what else is set for the project."""
        self.backstay.open_main_database(self.project, self.project_name)

    def action_jobs(self) -> None:
        """Show the project's jobs."""
        self.backstay.open_jobs(self.project, self.project_name)
