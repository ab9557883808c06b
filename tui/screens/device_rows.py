"""The newest rows of one device of a backup: more come as one goes down; nothing is restored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget

from engine import (
    BackstayError,
    Backup,
    DataRow,
    DeviceFacts,
    NotFound,
    RowsPage,
    Value,
    VariableFacts,
)
from tui.dialogs.choose_span import ChooseSpan
from tui.dialogs.choose_variable import ChooseVariable
from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.typed_span import Span, TypedSpan
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


class Wanted(NamedTuple):
    """Which rows are shown: those of a variable, and of a span of time; all where none is."""

    variable: str | None = None
    typed: TypedSpan = TypedSpan()


class DeviceRowsPage(ListPage[Held]):
    """Rows of a device, newest first; `v` shows those of a variable only, `t` of a span of time."""

    CSS_PATH = "device_rows.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "choose_variable", "variable", tooltip="Show the rows of one variable"),
        Binding("t", "choose_span", "time", tooltip="Show the rows of a span of time"),
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
        self._wanted = Wanted()
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
        try:
            zone = (await self.backstay.engine.plan(self.backup.project)).zone
        except NotFound:  # the project was forgotten or deleted; its backups are still there
            zone = None
        page = await self._page(self._wanted, zone, with_variables=True)
        return Held(page.rows, page.next, page.variables or (), zone)

    async def _page(
        self, wanted: Wanted, zone: str | None, *, before: str = "", with_variables: bool = False
    ) -> RowsPage:
        span = wanted.typed.read(zone)
        return await self.backstay.engine.rows(
            self.backup.id,
            self.device.id,
            variable=wanted.variable,
            since=span.since,
            until=span.until,
            before=before,
            limit=_PAGE,
            with_variables=with_variables,
        )

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
        return Listed(columns, rows, [self._sum(data), *self._of_the_time(data)])

    def _time(self, row: DataRow, zone: str | None) -> str:
        moment = row.moment
        return value_text(row.time) if moment is None else second_there(moment, zone)

    def _sum(self, data: Held) -> str:
        variable = self._wanted.variable
        of = f" of {value_text(variable)}" if variable is not None else ""
        there, read = self._there(data), len(data.rows)
        if there is not None and read < there:
            return f"The newest {number(read)} of {counted(there, 'row')}{of}."
        if data.next:
            return f"The newest {counted(read, 'row')}{of}; more come as you go down."
        return f"{counted(read, 'row')}{of}, newest first."

    def _there(self, data: Held) -> int | None:
        """How many rows there are of what is shown, where they were counted."""
        variable = self._wanted.variable
        if self._span(data).limits:
            return None
        if variable is None:
            return self.device.rows
        return next((each.rows for each in data.variables if each.name == variable), None)

    def _span(self, data: Held) -> Span:
        return self._wanted.typed.read(data.zone)

    def _of_the_time(self, data: Held) -> list[str]:
        """The span of time that is shown, where it is limited."""
        since, until, _ = self._span(data)
        ends = [f"since {date_there(since, data.zone)}"] if since is not None else []
        ends += [f"until {date_there(until, data.zone)}"] if until is not None else []
        told = ", ".join(ends)
        return [f"{told[0].upper()}{told[1:]}."] if told else []

    def say_empty(self, data: Held, state: State) -> None:
        """Say that there are no rows."""
        variable = self._wanted.variable
        if time := self._of_the_time(data):
            of = self.device.name if variable is None else value_text(variable)
            state.tell(f"No rows of {of} in this span of time.", *time, "Press t for another one.")
            return
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
        data, wanted = self.data, self._wanted
        if data is None:
            return
        try:
            page = await self._page(wanted, data.zone, before=data.next)
        except BackstayError as error:
            self.backstay.tell_error(error)
            return
        finally:
            self._more_comes = False
        if self._wanted == wanted and self.data is data:
            self.data = data._replace(rows=data.rows + page.rows, next=page.next)
            self.show(self.data)

    # Of one variable, of a span of time

    def action_choose_variable(self) -> None:
        """Ask for a variable, or for all of them."""
        if self.data is not None:
            self.app.push_screen(
                ChooseVariable(self.data.variables, self._wanted.variable, self.device.rows),
                self._variable_chosen,
            )

    def _variable_chosen(self, choice: tuple[str | None] | None) -> None:
        if choice is not None:
            self._read_first(self._wanted._replace(variable=choice[0]))

    def action_choose_span(self) -> None:
        """Ask for a span of time."""
        if self.data is not None:
            dialog = ChooseSpan(self.device, self._wanted.typed, self.data.zone)
            self.app.push_screen(dialog, self._span_chosen)

    def _span_chosen(self, typed: TypedSpan | None) -> None:
        if typed is not None:
            self._read_first(self._wanted._replace(typed=typed))

    @work(exclusive=True, group="wanted")
    async def _read_first(self, wanted: Wanted) -> None:
        """Show the newest of the rows that are wanted; what was shown stays where that fails."""
        if self.data is None or wanted == self._wanted:
            return
        try:
            page = await self._page(wanted, self.data.zone)
        except BackstayError as error:
            self.backstay.tell_error(error)
            return
        if self.data is not None:
            self._wanted = wanted
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
        if action in ("choose_variable", "choose_span"):
            return self.data is not None and bool(self.data.variables)
        if action == "copy":
            return self.selected is not None
        return super().check_action(action, parameters)
