"""What is in a backup: its devices one by one, what it includes, and what it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from engine import Backup, BackupDetails, BackupState, DeviceFacts, NotFound
from tui.plain_text import plain
from tui.screens.list_page import Listed, ListPage
from tui.table import Column
from tui.views.backups import NOT_IN_IT
from tui.widgets.facts import Facts
from tui.widgets.rows import Cell, Row, Rows
from tui.widgets.state import State
from tui.wording import NONE, counted, date_in_column, date_there, number, short_date_there, size

_STYLES = {"not included": "dim"}
_NOTE = "note"


class Held(NamedTuple):
    """What is shown of a backup; `zone` is that of its project, None for UTC."""

    details: BackupDetails
    zone: str | None


class ContentsPage(ListPage[Held]):
    """The devices of a backup; `c` shows instead what it includes, and what it does not."""

    CSS_PATH = "contents.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "rows", "rows", tooltip="The newest rows of the device"),
        Binding("c", "turn", "what is in it"),
        Binding("c", "turn_back", "devices"),
        Binding("slash", "filter", "filter"),
        Binding("o", "sort", "sort"),
        Binding("escape", "back", "back"),
        Binding("n", "restore", "new project"),
    ]
    reading = "Reading what is in the backup…"
    orders = ("name", "variables", "data", "last")

    def __init__(self, backup: Backup, project_name: str) -> None:
        """`project_name` is the project that the backup is of."""
        super().__init__()
        self.backup = backup
        self.project_name = project_name
        self.tells_what = False  # whether what is included is listed, not the devices

    @property
    def noun(self) -> tuple[str, str]:  # type: ignore[override]  # it is one of two lists
        """What is listed."""
        return ("line", "lines") if self.tells_what else ("device", "devices")

    @property
    def where(self) -> tuple[str, ...]:
        """Where I am."""
        zone = None if self.data is None else self.data.zone
        return ("Backstay", self.project_name, "Backups", date_there(self.backup.date, zone))

    def body(self) -> Iterable[Widget]:
        """The list, and below it the whole of what is cut short in it."""
        yield from super().body()
        yield Static(id="whole")

    def beside(self) -> Iterable[Widget]:
        """What is known of the selected device."""
        yield Facts(name="device")

    async def read(self) -> Held:
        """Ask for what the backup holds."""
        engine = self.backstay.engine
        details = await engine.show(self.backup.id)
        try:
            zone = (await engine.plan(self.backup.project)).zone
        except NotFound:  # the project was forgotten or deleted; its backups are still there
            zone = None
        return Held(details, zone)

    def listed(self, data: Held) -> Listed:
        """The devices, or what is included."""
        listed = self._what(data.details) if self.tells_what else self._devices(data)
        self.call_after_refresh(self._tell_selected)
        return listed

    # The devices

    def _devices(self, data: Held) -> Listed:
        columns = [
            Column(self._title("name", "Device"), least=14),
            Column(self._title("variables", "Variables"), right=True),
            Column("First", drop=1),
            Column(self._title("last", "Last")),
            Column(self._title("data", "Data"), right=True),
        ]
        rows = [
            Row(
                device.id,
                [
                    Cell(device.name),
                    Cell(f"✗ {NOT_IN_IT}", "bad") if device.missing else Cell(number(device.rows)),
                    Cell(short_date_there(device.first, data.zone), "dim"),
                    Cell(short_date_there(device.last, data.zone)),
                    Cell(NONE if device.missing else size(device.data)),
                ],
            )
            for device in self._sorted(data.details.devices)
        ]
        return Listed(columns, rows, _sums(data))

    def _title(self, order: str, title: str) -> str:
        return f"{title} ▾" if self.orders[self.order] == order and self.order else title

    def _sorted(self, devices: Sequence[DeviceFacts]) -> list[DeviceFacts]:
        """In the order that was chosen; by name, those that are not in the backup come first."""
        order = self.orders[self.order]
        if order == "variables":
            return sorted(devices, key=lambda device: -device.rows)
        if order == "data":
            return sorted(devices, key=lambda device: -device.data)
        if order == "last":
            return sorted(
                devices,
                key=lambda device: device.last.timestamp() if device.last else float("-inf"),
                reverse=True,
            )
        return sorted(devices, key=lambda device: (not device.missing, device.name.casefold()))

    def say_empty(self, data: Held, state: State) -> None:
        """Say that there is no device."""
        state.tell("No devices.", "The project had none when this backup was made.")

    # What is included

    def _what(self, details: BackupDetails) -> Listed:
        columns = [Column("What"), Column("In a backup"), Column("Note", least=20)]
        rows = [
            Row(
                line.what,
                [
                    Cell(line.what),
                    Cell(line.treatment, _STYLES.get(line.treatment, "")),
                    Cell(line.note),
                ],
            )
            for line in details.content
        ]
        rows += [
            Row(f"{_NOTE} {place}", [Cell(f"Note {place}"), Cell(NONE, "dim"), Cell(note)])
            for place, note in enumerate(details.notes, start=1)
        ]
        encrypted = "It is encrypted." if details.encrypted else "It is not encrypted."
        return Listed(columns, rows, [encrypted])

    # What is selected, as a whole

    @on(Rows.Moved)
    def _moved(self) -> None:
        self._tell_selected()

    def _tell_selected(self) -> None:
        if self.data is None or not self.is_mounted:
            return
        key = self.rows.selected
        devices = self.data.details.devices
        device = next((each for each in devices if each.id == key), None)
        if device is not None:
            self.query_one("#device", Facts).tell(_facts(device, self.data.zone))
        whole = ""
        if self.tells_what and key is not None and key.startswith(f"{_NOTE} "):
            whole = self.data.details.notes[int(key.removeprefix(f"{_NOTE} ")) - 1]
        elif device is not None and device.missing and not self.tells_what:
            whole = f"{device.name}: {device.missing}"
        told = self.query_one("#whole", Static)
        content = Content(plain(whole))
        if content != told.content:
            told.update(content, layout=False)
        told.display = self._has_long_texts()

    def _has_long_texts(self) -> bool:
        """Whether anything in this list needs the lines below it: they do not come and go."""
        if self.data is None:
            return False
        details = self.data.details
        if self.tells_what:
            return bool(details.notes)
        return any(device.missing for device in details.devices)

    @property
    def selected(self) -> DeviceFacts | None:
        """The device that is selected, where devices are listed."""
        key = None if self.tells_what else self.rows.selected
        devices = () if self.data is None else self.data.details.devices
        return next((each for each in devices if each.id == key), None)

    # What can be done

    @on(Rows.Opened)
    def action_rows(self) -> None:
        """Show the newest rows of the selected device."""
        device = self.selected
        if device is not None and not device.missing:
            self.backstay.open_rows(self.backup, self.project_name, device)

    def action_turn(self) -> None:
        """List what is included in place of the devices."""
        self._turn(tells_what=True)

    def action_turn_back(self) -> None:
        """List the devices again."""
        self._turn(tells_what=False)

    def _turn(self, *, tells_what: bool) -> None:
        self.tells_what = tells_what
        self.set_class(tells_what, "-what")
        self.tick()
        self.rows.action_first()
        self.refresh_bindings()

    def action_restore(self) -> None:
        """Ask what a new project made of this backup is to be called."""
        self.backstay.open_new_project(self.backup, self.project_name)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is listed already is not offered; nor what needs a backup that can be read."""
        if action == "turn":
            return self.data is not None and not self.tells_what
        if action == "turn_back":
            return self.data is not None and self.tells_what
        if action == "rows":
            return self.selected is not None and not self.selected.missing
        if action == "restore":
            return self.data is not None and self.data.details.backup.state is BackupState.COMPLETE
        if action == "sort" and self.tells_what:
            return False
        return super().check_action(action, parameters)


def _sums(data: Held) -> list[str]:
    """The devices in all, and where to read on."""
    details = data.details
    backup = details.backup
    devices, variables = len(details.devices), backup.variables
    held = f"{counted(devices, 'device')}, {counted(variables, 'variable')}"
    lines = [f"{held}, {size(backup.data)} of data. Times: {data.zone or 'UTC'}."]
    missing = sum(1 for device in details.devices if device.missing)
    if missing:
        lines.append(f"! The data of {counted(missing, 'device')} is not in it.")
    if details.notes:
        lines.append(f"{counted(len(details.notes), 'note')} from when it was made: press c.")
    return lines


def _facts(device: DeviceFacts, zone: str | None) -> list[tuple[str, str]]:
    return [
        ("Device", device.name),
        ("Id", device.id),
        ("Variables", NOT_IN_IT if device.missing else number(device.rows)),
        ("First", date_in_column(device.first, zone) if device.first else NONE),
        ("Last", date_in_column(device.last, zone) if device.last else NONE),
        ("Data", NONE if device.missing else size(device.data)),
    ]
