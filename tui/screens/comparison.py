"""What became of a project between two backups, or since one: what differs, each in a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from engine import Backup, Comparison, NotFound, Progress
from tui.progress import far
from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.views.comparison import changed_devices, named_things, rows_cells, setting_text, summary
from tui.widgets.rows import Cell, Row
from tui.widgets.state import State
from tui.wording import NONE, date_alone, day_there

_STYLES = {"added": "good", "removed": "bad"}
_TELL = 0.5  # seconds between two looks at how far it is
_NOTE = "note"


class ComparisonPage(ListPage[Comparison]):
    """What differs. It takes a while: leaving the screen ends the work."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", tooltip="Show only what has a text in it"),
        Binding("o", "sort", "sort", tooltip="Sort the list another way"),
        Binding("escape", "back", "back", tooltip="Go back; a comparison under way ends"),
    ]
    noun = ("difference", "differences")
    orders = ("kind", "name", "rows")
    follows = True
    reading = "Comparing… Esc ends it."

    def __init__(self, project_name: str, first: Backup, second: Backup | None) -> None:
        """Of two backups the older one comes first; None is the project as it is now."""
        super().__init__()
        self.project_name = project_name
        if second is not None and second.date < first.date:
            first, second = second, first
        self.before, self.after = first, second
        self._zone: str | None = None
        self._progress: Progress | None = None

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        to = "now" if self.after is None else self._date(self.after)
        return ("Backstay", self.project_name, f"{self._date(self.before)} to {to}")

    def _date(self, backup: Backup) -> str:
        moment = backup.date
        return f"{date_alone(moment, self._zone)} {day_there(moment, self._zone)[4:]}"

    def on_mount(self) -> None:
        """Begin to compare, and tell how far it is while nothing else is shown."""
        self.set_interval(_TELL, self._tell_progress)

    async def look(self) -> None:
        """What others change does not change what was compared."""

    async def read(self) -> Comparison:
        """Compare; what was compared stays, until it is asked for anew."""
        if self.data is not None:
            return self.data
        engine = self.backstay.engine
        try:
            self._zone = (await engine.plan(self.before.project)).zone
        except NotFound:  # the project was forgotten or deleted; its backups are still there
            self._zone = None
        after = None if self.after is None else self.after.id
        return await engine.compare(self.before.id, after, report=self._heard)

    def _heard(self, progress: Progress) -> None:
        self._progress = progress

    def _tell_progress(self) -> None:
        progress, state = self._progress, self.query_one("#state", State)
        if self.data is None and progress is not None and not self._in_trouble:
            told = far(progress)
            how_far = f" {told}." if told else ""
            state.tell(f"{progress.stage.capitalize()}…{how_far} Esc ends it.", style="$quiet")

    def action_read_again(self) -> None:
        """Compare anew."""
        self.data, self.read_at, self._progress = None, None, None
        self.query_one("#middle").display = False
        self.query_one("#state", State).tell(self.reading, style="$quiet")
        super().action_read_again()

    def listed(self, data: Comparison) -> Listed:
        """All that differs, in the order that was chosen."""
        columns = [
            Column(self.heading("kind", "What", rising=True)),
            Column(self.heading("name", "Name", rising=True), least=14),
            Column(""),
            Column(self.heading("rows", "Rows +"), right=True),
            Column("−", right=True),
            Column("changed", right=True),
        ]
        said = "; ".join(f"{what.lower()} {text}" for what, text in summary(data))
        return Listed(columns, self._sorted(list(_lines(data))), [f"{said[:1].upper()}{said[1:]}."])

    def _sorted(self, rows: list[Row]) -> list[Row]:
        order = self.orders[self.order]
        if order == "name":
            return sorted(rows, key=lambda row: row.cells[1].text.casefold())
        if order == "rows":
            return sorted(rows, key=lambda row: -_count(row))
        return rows

    def say_empty(self, data: Comparison, state: State) -> None:
        """Say that both are the same."""
        what = "the backup and the project as it is now" if self.after is None else "both backups"
        state.tell("Nothing differs.", f"All that {what} hold is the same.")

    def said_of_selected(self, data: Comparison) -> Sequence[str]:
        """The whole of the selected line."""
        key = self.rows.selected
        return [text for own, text in _told(data) if own == key]


def _count(row: Row) -> int:
    return sum(int(cell.text.replace(",", "")) for cell in row.cells[3:] if cell.text[:1].isdigit())


def _lines(data: Comparison) -> Iterator[Row]:
    """A line for each device, action, analysis, account, storage, setting and note."""
    for how, device in changed_devices(data):
        yield _row(f"device {device.id}", "device", device.name, how, rows_cells(device.rows))
    for title, things in named_things(data):
        kind = _KINDS[title]
        for how, those in zip(("added", "removed", "changed"), things, strict=True):
            for thing in those:
                yield _row(f"{kind} {thing.id}", kind, thing.name, how)
    for at, setting in enumerate(data.settings):
        name = f"{setting.where}: {setting.setting}"
        yield _row(f"setting {at}", "setting", name, setting.change)
    for at, note in enumerate(data.notes):
        yield _row(f"{_NOTE} {at}", _NOTE, note, "")


_KINDS = {
    "Actions": "action",
    "Analyses": "analysis",
    "Accounts": "account",
    "Plugins' storage": "storage",
}


def _row(key: str, kind: str, name: str, how: str, counts: Sequence[str] = (NONE,) * 3) -> Row:
    return Row(
        key,
        [
            Cell(kind, "dim"),
            Cell(name),
            Cell(how, _STYLES.get(how, "")),
            *(Cell(count, "dim" if count == NONE else "") for count in counts),
        ],
    )


def _told(data: Comparison) -> Iterator[tuple[str, str]]:
    """What is said of each line, in full."""
    for how, device in changed_devices(data):
        if device.rows is None:
            rows = "its rows could not be compared"
        else:
            words = ("added", "removed", "changed")
            counts = [
                f"{count:,} {word}" for count, word in zip(device.rows, words, strict=True) if count
            ]
            rows = f"rows: {', '.join(counts)}" if counts else "its rows are the same"
        also = f"; {', '.join(device.changes)} changed" if device.changes else ""
        what = f" was {how}" if how != "changed" else ""
        yield f"device {device.id}", f"{device.name} ({device.id}){what}: {rows}{also}."
    for title, things in named_things(data):
        for thing in things.changed:
            yield (
                f"{_KINDS[title]} {thing.id}",
                f"{thing.name} ({thing.id}): {', '.join(thing.changes)} changed.",
            )
    for at, setting in enumerate(data.settings):
        yield f"setting {at}", f"{setting_text(setting)}. What it holds is not shown."
    for at, note in enumerate(data.notes):
        yield f"{_NOTE} {at}", note
