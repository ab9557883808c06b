"""What projects cost, by month and project, and what costs money by the hour now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar, NamedTuple

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from engine import ActiveInterval, CostLine, Money, Project, ProjectState
from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.widgets.months import Month, Months
from tui.widgets.rows import Cell, Row
from tui.widgets.state import State
from tui.wording import NONE, counted, money

_BAR, _REST = "█", "·"
_BROADEST = 8  # columns of a bar
_HOURS = Decimal("0.1")


class Costs(NamedTuple):
    """What was charged, what runs now (by project), and the projects that are there."""

    lines: Sequence[CostLine]
    running: dict[str, ActiveInterval]
    projects: dict[str, Project]


class CostsPage(ListPage[Costs]):
    """Lists what each project cost in the month that is chosen."""

    CSS_PATH = "../widgets/months.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left_square_bracket,left", "month(-1)", "month before", tooltip="The month before"
        ),
        Binding("right_square_bracket,right", "month(1)", "next month", tooltip="The next month"),
        Binding("slash", "filter", "filter", tooltip="Show only what has a text in it"),
        Binding("o", "sort", "sort", tooltip="Sort the projects another way"),
        Binding("escape", "back", "back", tooltip="Go back"),
    ]
    noun = ("project", "projects")
    orders = ("total", "name")
    reading = "Reading the costs…"

    def __init__(self) -> None:
        super().__init__()
        self._month: str | None = None  # YYYY-MM; None for the month that it is

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        return ("Backstay", "Costs")

    @property
    def month(self) -> str:
        """The month that is shown."""
        return self._month or f"{self.backstay.now.astimezone(UTC):%Y-%m}"

    def above(self) -> Iterable[Widget]:
        """The months, a bar each."""
        yield Months(name="months")

    async def read(self) -> Costs:
        """Ask for all months: there are few lines in each."""
        engine = self.backstay.engine
        lines = await engine.costs()
        running = {each.project: each for each in await engine.running_costs()}
        return Costs(lines, running, {each.id: each for each in await engine.projects()})

    def listed(self, data: Costs) -> Listed:
        """What the projects cost in the month."""
        months = self._months(data)
        shown = [line for line in data.lines if line.month == self.month]
        self.query_one("#months", Months).tell(_bars(months, data.lines), self.month)
        self.query_one("#months").display = bool(data.lines)
        columns = [
            Column(self.heading("name", "Project", rising=True), least=12),
            Column("", drop=3),
            Column("Hours", right=True, drop=1),
            Column("Creation", right=True, drop=2),
            Column("Running", right=True),
            Column(self.heading("total", "Total"), right=True),
            Column("Now"),
        ]
        most = max((line.total.amount for line in shown), default=Decimal(0))
        rows = [self._row(line, data, most) for line in self._sorted(shown)]
        return Listed(columns, rows, _sums(shown, self.month, data.running))

    def _months(self, data: Costs) -> list[str]:
        """All months from the first that cost anything to the one that it is."""
        last = f"{self.backstay.now.astimezone(UTC):%Y-%m}"
        month = min((line.month for line in data.lines), default=last)
        last = max(
            [last, *(line.month for line in data.lines)]
        )  # a clock may have been turned back
        months = [month]
        while month < last:
            month = _after(month)
            months.append(month)
        return months

    def _sorted(self, lines: Sequence[CostLine]) -> list[CostLine]:
        if self.orders[self.order] == "name":
            return sorted(lines, key=lambda line: line.project_name.casefold())
        return sorted(lines, key=lambda line: -line.total.amount)

    def _row(self, line: CostLine, data: Costs, most: Decimal) -> Row:
        fee = money(line.creation_fee) if line.creation_fee.amount else NONE
        share = line.total.amount / most if most else Decimal(0)
        length = round(share * _BROADEST)
        cells = [
            Cell(line.project_name),
            Cell(_BAR * length + _REST * (_BROADEST - length), "dim"),
            Cell(f"{line.hours.quantize(_HOURS):,}"),
            Cell(fee, "" if line.creation_fee.amount else "dim"),
            Cell(money(line.running)),
            Cell(money(line.total)),
            _now(line.project, data),
        ]
        return Row(f"{line.project} {line.running.currency}", cells)

    def say_empty(self, data: Costs, state: State) -> None:
        """Say why nothing is listed: nothing ever was, or nothing in this month."""
        if data.lines:
            state.tell(
                f"Nothing was charged in {_named(self.month)}.",
                "Press [ or ] for another month.",
            )
        else:
            state.tell(
                "Nothing was charged yet.",
                "Only projects made from a backup cost anything here, and what they will cost is "
                "shown before they are made.",
            )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only months between the first charge and now can be chosen."""
        if action == "month":
            return self._beside(parameters) is not None
        return super().check_action(action, parameters)

    def _beside(self, parameters: tuple[object, ...]) -> str | None:
        """The month that many further on, if there is one."""
        if self.data is None or not self.data.lines:
            return None
        months = self._months(self.data)
        at = (months.index(self.month) if self.month in months else 0) + int(str(parameters[0]))
        return months[at] if 0 <= at < len(months) else None

    def action_month(self, by: int) -> None:
        """Show another month."""
        month = self._beside((by,))
        if month is not None:
            self._choose(month)

    @on(Months.Chosen)
    def _clicked(self, chosen: Months.Chosen) -> None:
        self._choose(chosen.key)

    def _choose(self, month: str) -> None:
        self._month = month
        self.tick()
        self.refresh_bindings()


def _after(month: str) -> str:
    year, number = (int(part) for part in month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


def _named(month: str) -> str:
    """A month in words: ``Nov 2026``."""
    return f"{datetime.strptime(f'{month}-01', '%Y-%m-%d').replace(tzinfo=UTC):%b %Y}"


def _now(project: str, data: Costs) -> Cell:
    """What a project does now: a glyph and words."""
    running = data.running.get(project)
    if running is not None:
        return Cell(f"▸ {money(running.hourly)}/h")
    there = data.projects.get(project)
    if there is None:
        return Cell("– gone", "dim")
    return Cell("· stopped" if there.state is ProjectState.STOPPED else NONE, "dim")


def _totals(amounts: Iterable[Money]) -> str:
    """The sum in each currency, in words."""
    sums: dict[str, Decimal] = {}
    for amount in amounts:
        sums[amount.currency] = sums.get(amount.currency, Decimal(0)) + amount.amount
    return ", ".join(money(Money(amount, currency)) for currency, amount in sums.items())


def _bars(months: Sequence[str], lines: Sequence[CostLine]) -> list[Month]:
    totals = {month: Decimal(0) for month in months}
    for line in lines:
        totals[line.month] = totals.get(line.month, Decimal(0)) + line.total.amount
    most = max(totals.values(), default=Decimal(0))
    return [
        Month(
            month,
            _named(month),
            _totals(line.total for line in lines if line.month == month) or NONE,
            float(total / most) if most else 0.0,
        )
        for month, total in totals.items()
    ]


def _sums(shown: Sequence[CostLine], month: str, running: dict[str, ActiveInterval]) -> list[str]:
    lines = [f"In all {_totals(line.total for line in shown)} in {_named(month)} (UTC)."]
    if running:
        hourly = _totals(each.hourly for each in running.values())
        count = counted(len(running), "project")
        lines.append(f"Running now: {count}, {hourly} an hour, until stopped or deleted.")
    else:
        lines.append("Nothing costs money by the hour now.")
    return lines
