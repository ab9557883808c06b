"""The choice of what a backup is compared with: another one, or the project as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from engine import BackstayError, Backup, BackupState, NotFound
from tui.screens.own_screen import OwnScreen
from tui.table import Column
from tui.widgets.keys_line import KeysLine
from tui.widgets.rows import Cell, Row, Rows
from tui.widgets.state import State
from tui.widgets.top_line import TopLine
from tui.wording import NONE, date_in_column, date_there, how_old, size, with_zone

_NOW = "now"
_DATE = 20  # columns of a title that names a zone


class Other(NamedTuple):
    """What a backup is compared with; None is the project as it is now."""

    backup: Backup | None


class ChooseBackup(OwnScreen["Other | None"]):
    """Lists what a backup may be compared with, and gives what is chosen; None for nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "compare"),
        Binding("escape", "leave", "back"),
    ]

    def __init__(self, backup: Backup) -> None:
        """`backup` is the one that is to be compared."""
        super().__init__()
        self._backup = backup
        self._others: Sequence[Backup] = ()

    def compose(self) -> ComposeResult:
        """Lay out the choices."""
        yield TopLine()
        with Vertical(id="body"):
            yield Rows(name="others")
            yield State(id="state")
        yield KeysLine()

    def on_mount(self) -> None:
        """Begin to read what there is."""
        self.query_one(TopLine).tell(["Compare with…"], "")
        self.query_one(Rows).focus()
        self._read()

    @work
    async def _read(self) -> None:
        engine = self.backstay.engine
        backups: Sequence[Backup] = ()
        try:
            backups = await engine.backups(self._backup.project)
            zone = (await engine.plan(self._backup.project)).zone
        except NotFound:
            zone = None
        except BackstayError as error:
            self.query_one("#state", State).tell(error.message, "", error.hint, glyph="!")
            return
        self._others = [
            backup
            for backup in backups
            if backup.id != self._backup.id and backup.state is BackupState.COMPLETE
        ]
        self._show(zone)

    def _show(self, zone: str | None) -> None:
        date = date_there(self._backup.date, zone)
        self.query_one(TopLine).tell([f"Compare {date} with…"], "")
        columns = [
            Column(with_zone("Date", zone, _DATE)),
            Column("Age"),
            Column("Size", right=True),
            Column("Kind", drop=1),
        ]
        rows = [Row(_NOW, [Cell("the project as it is now"), Cell(NONE), Cell(NONE), Cell(NONE)])]
        rows += [
            Row(
                backup.id,
                [
                    Cell(date_in_column(backup.date, zone)),
                    Cell(how_old(backup.date, self.backstay.now), "dim"),
                    Cell(size(backup.size)),
                    Cell(backup.kind.value, "dim"),
                ],
            )
            for backup in self._others
        ]
        self.query_one(Rows).set_rows(rows, columns)
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is chosen before it is listed."""
        if action == "choose":
            return bool(self.query(Rows)) and self.query_one(Rows).selected is not None
        return super().check_action(action, parameters)

    @on(Rows.Opened)
    def action_choose(self) -> None:
        """Choose the selected one."""
        key = self.query_one(Rows).selected
        if key is not None:
            self.dismiss(Other(next((each for each in self._others if each.id == key), None)))

    def action_leave(self) -> None:
        """Leave without a choice."""
        self.dismiss(None)
