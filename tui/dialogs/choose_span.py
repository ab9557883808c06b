"""The choice of a span of time of a device's rows."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input

from engine import DeviceFacts
from tui.plain_text import plain
from tui.typed_span import TO_FILL_IN, TypedSpan
from tui.widgets.choice import Choice, Choices
from tui.widgets.keys_line import KeysLine
from tui.widgets.span_lines import SpanLines
from tui.widgets.told import Told
from tui.widgets.top_line import TopLine
from tui.wording import date_there


class ChooseSpan(Screen["TypedSpan | None"]):
    """Asks for a span of time, both ends of which may be left open; None where it is left."""

    CSS_PATH: ClassVar = ["choose_span.tcss", "../widgets/form.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+o", "show", "show", tooltip="Show the rows of this span"),
        Binding("tab", "app.focus_next", "next"),
        Binding("down", "app.focus_next", "down", show=False),
        Binding("up", "app.focus_previous", "up", show=False),
        Binding("escape", "leave", "back"),
    ]

    def __init__(self, device: DeviceFacts, chosen: TypedSpan, zone: str | None) -> None:
        """`chosen` is what to begin with; dates are told and meant on the clocks of `zone`."""
        super().__init__()
        self._device = device
        self._chosen = chosen
        self._zone = zone

    def compose(self) -> ComposeResult:
        """Lay out the two moments, what they mean, and the choices."""
        yield TopLine()
        with Vertical(id="body"):
            yield SpanLines(self._chosen)
            yield Told(name="meaning", titles=0)
            with Choices():
                yield Choice("Cancel", name="cancel")
                yield Choice("", name="show")
        yield KeysLine()

    def on_mount(self) -> None:
        """Begin at the first moment."""
        self.query_one(TopLine).tell(["Choose a span of time"], plain(self._device.name))
        lines = [f"Dates such as {TO_FILL_IN} are of {self._zone or 'UTC'}."]
        first, last = self._device.first, self._device.last
        if first is not None and last is not None:
            ends = f"from {date_there(first, self._zone)} to {date_there(last, self._zone)}"
            lines.append(f"Its rows are {ends}.")
        self.query_one("#meaning", Told).tell(("", lines))
        self.query_one("#since").focus()
        self._tell()

    @on(Input.Changed)
    def _tell(self) -> None:
        """Say what is meant as it stands, and what that shows."""
        lines = self.query_one(SpanLines)
        span = lines.typed.read(self._zone)
        lines.tell(span, self._zone)
        show = self.query_one("#show", Choice)
        show.say("Show these rows" if span.limits or span.wrong else "Show all rows")
        show.disabled = bool(span.wrong)
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is wrong has to be put right first."""
        if action == "show":
            return bool(self.query("#show")) and not self.query_one("#show").disabled
        return super().check_action(action, parameters)

    @on(Input.Submitted)
    @on(Choice.Pressed, "#show")
    def action_show(self) -> None:
        """Choose what is filled in, unless something is wrong with it."""
        typed = self.query_one(SpanLines).typed
        if not typed.read(self._zone).wrong:
            self.dismiss(typed)

    @on(Choice.Pressed, "#cancel")
    def action_leave(self) -> None:
        """Leave without a choice."""
        self.dismiss(None)
