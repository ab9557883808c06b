"""The choice of a time zone, by any part of its name."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from engine import BackstayError
from tui.plain_text import plain
from tui.screens.own_screen import OwnScreen
from tui.table import Column
from tui.widgets.keys_line import KeysLine
from tui.widgets.rows import Cell, Row, Rows
from tui.widgets.state import State
from tui.widgets.top_line import TopLine
from tui.wording import counted, date_there


class ChooseZone(OwnScreen["str | None"]):
    """Lets a time zone be looked for, and gives its name; None where none was chosen.

    What is typed stays in its field, while the arrows move in the list below it.
    """

    CSS_PATH = "zone.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "choose", priority=True),
        Binding("escape", "leave", "back"),
        Binding("down", "move('down')", "down", show=False, priority=True),
        Binding("up", "move('up')", "up", show=False, priority=True),
        Binding("pagedown", "move('pagedown')", "a page down", show=False, priority=True),
        Binding("pageup", "move('pageup')", "a page up", show=False, priority=True),
    ]

    def __init__(self, chosen: str) -> None:
        """`chosen` is the zone to begin at, or nothing."""
        super().__init__()
        self._chosen = chosen
        self._zones: Sequence[str] = ()

    def compose(self) -> ComposeResult:
        """Lay out the field, the zones, and what the clocks of the selected one show."""
        yield TopLine()
        with Vertical(id="body"):
            field = Input(id="wanted", placeholder="a city or a region, such as lisbon")
            field.compact, field.cursor_blink = True, False
            yield field
            yield Rows([Column("Time zone")], name="zones")
            yield State(id="state")
            yield Static(id="clocks")
        yield KeysLine()

    def on_mount(self) -> None:
        """Begin at what is to be typed."""
        self.query_one(TopLine).tell(["Choose a time zone"], "")
        self.query_one("#wanted").focus()
        self._read()

    @work
    async def _read(self) -> None:
        try:
            self._zones = await self.backstay.engine.zones()
        except BackstayError as error:
            self.query_one("#state", State).tell(error.message, "", error.hint, glyph="!")
            return
        self._narrow()

    @on(Input.Changed, "#wanted")
    def _narrow(self) -> None:
        """List the zones that what is typed may mean, the best of them selected."""
        if not self._zones:
            return
        wanted = self.query_one("#wanted", Input).value
        found = matching(self._zones, wanted)
        rows = self.query_one(Rows)
        rows.set_rows([Row(zone, [Cell(zone)]) for zone in found])
        rows.action_first()
        if not wanted.strip():
            rows.select(self._chosen)
        rows.display = bool(found)
        state = self.query_one("#state", State)
        if found:
            state.hush()
        else:
            state.tell(
                f"No time zone has {plain(wanted.strip())!r} in its name.",
                "Each is named by its region and a large city: Europe/Lisbon, not Porto.",
            )
        self._tell_clocks()
        self.refresh_bindings()

    @on(Rows.Moved)
    def _tell_clocks(self) -> None:
        rows = self.query_one(Rows)
        zone, many = rows.selected, len(rows.keys)
        text = ""
        if zone is not None:
            there = date_there(self.backstay.now, zone)
            text = f"{counted(many, 'time zone')}. In {zone} it is {there}."
        self.query_one("#clocks", Static).update(Content(text), layout=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing can be chosen where nothing is found."""
        if action == "choose":
            return bool(self.query(Rows)) and self.query_one(Rows).selected is not None
        return super().check_action(action, parameters)

    def action_move(self, key: str) -> None:
        """Move in the list, wherever the focus is."""
        rows = self.query_one(Rows)
        by = -1 if key.endswith("up") else 1
        if key.startswith("page"):
            rows.action_page(by)
        else:
            rows.action_move(by)

    @on(Rows.Opened)
    def action_choose(self) -> None:
        """Choose the selected zone."""
        self.dismiss(self.query_one(Rows).selected)

    def action_leave(self) -> None:
        """Leave without a choice."""
        self.dismiss(None)


def matching(zones: Sequence[str], wanted: str) -> list[str]:
    """The zones that have every word of `wanted` in their names, the most likely first.

    Upper and lower case, accents, and the signs between words do not matter. Cities that begin with
    it come first, then names with a word that does; old names and offsets such as Etc/GMT+1 last.
    """
    looked_for = folded(wanted)
    if not looked_for:
        return list(zones)
    found: list[tuple[int, bool, str]] = []
    for zone in zones:
        name, city = folded(zone), folded(zone.rpartition("/")[2])
        if not all(word in name for word in looked_for.split()):
            continue
        if city.startswith(looked_for):
            rank = 0
        elif f" {looked_for}" in f" {name}":
            rank = 1
        else:
            rank = 2
        found.append((rank, "/" not in zone or zone.startswith("Etc/"), zone))
    return [zone for _, _, zone in sorted(found)]


def folded(text: str) -> str:
    """A text as it is compared: small letters without accents, one space between words."""
    apart = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(sign for sign in apart if not unicodedata.combining(sign))
    return " ".join("".join(" " if sign in "_/-" else sign for sign in letters).split())
