"""The newest rows of one device of a backup: more come as one goes down; nothing is restored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget

from engine import BackstayError, Backup, DataRow, DeviceFacts, NotFound, Value, VariableFacts
from tui.dialogs.choose_variable import ChooseVariable
from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.views.contents import value_text
from tui.widgets.facts import Facts
from tui.widgets.rows import Cell, Row, Rows
from tui.widgets.state import State
from tui.wording import counted, date_there, number, second_there

_PAGE = 200  # rows that are read at once
_AHEAD = 50  # rows before the end at which the next page is read


class Held(NamedTuple):
    """What was read of a device so far; `next` is where the page behind it begins, or empty."""

    rows: tuple[DataRow, ...]
    next: str
    variables: tuple[VariableFacts, ...]
    zone: str | None


class DeviceRowsPage(ListPage[Held]):
    """Rows of a device, newest first; `v` shows those of one variable only."""

    CSS_PATH = "device_rows.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "choose_variable", "variable", tooltip="Show the rows of one variable"),
        Binding("slash", "filter", "filter", tooltip="Show only what has a text in it"),
        Binding("y", "copy", "copy", tooltip="Copy the value of the row"),
        Binding("escape", "back", "back", tooltip="Go back, or end the filter"),
    ]
    noun = ("row", "rows")
    follows = True
    reading = "Reading the rows of the device…"

    def __init__(self, backup: Backup, project_name: str, device: DeviceFacts) -> None:
        """`project_name` is the project that the backup is of."""
        super().__init__()
        self.backup = backup
        self.project_name = project_name
        self.device = device
        self.variable: str | None = None
        self._more_comes = False

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        zone = None if self.data is None else self.data.zone
        date = date_there(self.backup.date, zone)
        return ("Backstay", self.project_name, date, self.device.name)

    def beside(self) -> Iterable[Widget]:
        """All that the selected row holds."""
        yield Facts(name="row")

    async def read(self) -> Held:
        """Ask for the newest rows; what was read of a backup stays as it is."""
        if self.data is not None:
            return self.data
        engine = self.backstay.engine
        page = await engine.rows(self.backup.id, self.device.id, limit=_PAGE, with_variables=True)
        try:
            zone = (await engine.plan(self.backup.project)).zone
        except NotFound:  # the project was forgotten or deleted; its backups are still there
            zone = None
        return Held(page.rows, page.next, page.variables or (), zone)

    def listed(self, data: Held) -> Listed:
        """The rows that were read so far."""
        columns = [
            Column(f"Time ({data.zone or 'UTC'})"),
            Column("Variable", least=10),
            Column("Value", least=12),
            Column("Unit", drop=1, least=4),
            Column("Type", drop=2),
        ]
        rows = [
            Row(
                str(row.number),
                [
                    Cell(self._time(row, data.zone), "dim"),
                    Cell(value_text(row.variable)),
                    Cell(value_text(row.value)),
                    Cell(value_text(row.other("unit")), "dim"),
                    Cell(value_text(row.other("type")), "dim"),
                ],
            )
            for row in data.rows
        ]
        self.call_after_refresh(self._tell_selected)
        return Listed(columns, rows, [self._sum(data)])

    def _time(self, row: DataRow, zone: str | None) -> str:
        moment = row.moment
        return value_text(row.time) if moment is None else second_there(moment, zone)

    def _sum(self, data: Held) -> str:
        of = f" of {value_text(self.variable)}" if self.variable is not None else ""
        there, read = self._there(data), len(data.rows)
        if there is not None and read < there:
            return f"The newest {number(read)} of {counted(there, 'row')}{of}."
        if data.next:
            return f"The newest {counted(read, 'row')}{of}; more come as you go down."
        return f"{counted(read, 'row')}{of}, newest first."

    def _there(self, data: Held) -> int | None:
        """How many rows there are of what is shown, where they were counted."""
        if self.variable is None:
            return self.device.rows
        return next((each.rows for each in data.variables if each.name == self.variable), None)

    def say_empty(self, data: Held, state: State) -> None:
        """Say that there are no rows."""
        state.tell("No rows.", f"{self.device.name} had none when this backup was made.")

    # The selected row

    @property
    def selected(self) -> DataRow | None:
        """The row that is selected."""
        key = self.rows.selected
        rows = () if self.data is None else self.data.rows
        return next((row for row in rows if str(row.number) == key), None)

    def said_of_selected(self, data: Held) -> Sequence[str]:
        """Its value in full, as far as there is room, and what else it holds."""
        row = self.selected
        if row is None:
            return []
        more = [
            f"{name} {value_text(row.other(name))}"
            for name in ("group", "metadata", "location")
            if row.other(name) is not None
        ]
        return [f"{value_text(row.variable)} {value_text(row.value)}", " · ".join(more)]

    @on(Rows.Moved)
    def _moved(self) -> None:
        self._tell_selected()
        keys = self.rows.keys
        selected = self.rows.selected
        if selected in keys[-_AHEAD:]:
            self._read_more()

    def _tell_selected(self) -> None:
        row = self.selected
        if row is None or self.data is None or not self.is_mounted:
            return
        facts: list[tuple[str, Value]] = [
            ("row", row.number),
            ("time", self._time(row, self.data.zone)),
            ("variable", row.variable),
            ("value", row.value),
            *row.others,
        ]
        told = [(name, value_text(value)) for name, value in facts if value is not None]
        self.query_one("#row", Facts).tell(told)

    # More rows

    def _read_more(self) -> None:
        if self.data is not None and self.data.next and not self._more_comes:
            self._more_comes = True
            self._read_next()

    @work(group="more")
    async def _read_next(self) -> None:
        """Read the page behind what is shown; what cannot be read is told, and tried again."""
        data, variable = self.data, self.variable
        if data is None:
            return
        try:
            page = await self.backstay.engine.rows(
                self.backup.id,
                self.device.id,
                variable=variable,
                before=data.next,
                limit=_PAGE,
            )
        except BackstayError as error:
            self.backstay.tell_error(error)
            return
        finally:
            self._more_comes = False
        if self.variable == variable and self.data is data:
            self.data = data._replace(rows=data.rows + page.rows, next=page.next)
            self.show(self.data)

    # One variable

    def action_choose_variable(self) -> None:
        """Ask for a variable, or for all of them."""
        if self.data is not None:
            self.app.push_screen(
                ChooseVariable(self.data.variables, self.variable, self.device.rows), self._chosen
            )

    def _chosen(self, choice: tuple[str | None] | None) -> None:
        if choice is not None and choice[0] != self.variable:
            self._read_first(choice[0])

    @work(exclusive=True, group="variable")
    async def _read_first(self, variable: str | None) -> None:
        try:
            page = await self.backstay.engine.rows(
                self.backup.id, self.device.id, variable=variable, limit=_PAGE
            )
        except BackstayError as error:
            self.backstay.tell_error(error)
            return
        if self.data is not None:
            self.variable = variable
            self.data = self.data._replace(rows=page.rows, next=page.next)
            self.show(self.data)
            self.rows.action_first()

    def action_copy(self) -> None:
        """Copy the value of the selected row."""
        row = self.selected
        if row is not None:
            self.backstay.copy(value_text(row.value), "the value")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What needs rows is offered only where there are some."""
        if action == "choose_variable":
            return self.data is not None and bool(self.data.variables)
        if action == "copy":
            return self.selected is not None
        return super().check_action(action, parameters)
