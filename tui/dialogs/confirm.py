"""A question before something that cannot be taken back."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from tui.plain_text import plain
from tui.widgets.choice import Choice, Choices
from tui.widgets.keys_line import KeysLine
from tui.widgets.top_line import TopLine


class Confirm(Screen[bool]):
    """Asks, and gives True where it was agreed to. It begins at the choice that changes nothing.

    A whole screen, not a window over one: that is a fifth of the bytes.
    """

    CSS_PATH = "confirm.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "decline", "back")]

    def __init__(self, question: str, explanation: str, yes: str, no: str = "Cancel") -> None:
        """`yes` and `no` are what the two choices say; lines of `explanation` stay lines."""
        super().__init__()
        self._question = question
        self._explanation = explanation
        self._yes, self._no = yes, no

    def compose(self) -> ComposeResult:
        """Lay out the question, what it means, and the two choices."""
        yield TopLine()
        with Vertical(id="body"):
            lines = [plain(line) for line in self._explanation.splitlines()]
            yield Static(Content("\n".join(lines)), id="explanation")
            with Choices():
                yield Choice(self._no, name="no")
                yield Choice(self._yes, name="yes")
        yield KeysLine()

    def on_mount(self) -> None:
        """Begin at what changes nothing."""
        self.query_one(TopLine).tell([self._question], "")
        self.query_one("#no").focus()

    @on(Choice.Pressed, "#yes")
    def _agreed(self) -> None:
        self.dismiss(True)

    @on(Choice.Pressed, "#no")
    def action_decline(self) -> None:
        """Leave without a change."""
        self.dismiss(False)
