"""What a dialog can end with: one line each, `[ Cancel ]`, beside one another."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from tui.plain_text import plain


class Choice(Static, can_focus=True):
    """Something to choose: by Enter where it has the focus, or by a click.

    While it is `disabled` it can be neither focused nor pressed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "press", "choose"),
        Binding("left", "app.focus_previous", "the one before", show=False),
        Binding("right", "app.focus_next", "the next one", show=False),
    ]

    class Pressed(Message):
        """It was chosen."""

        def __init__(self, choice: Choice) -> None:
            super().__init__()
            self.choice = choice

        @property
        def control(self) -> Choice:
            """What was chosen."""
            return self.choice

    def __init__(self, text: str, *, name: str, disabled: bool = False) -> None:
        super().__init__(id=name, disabled=disabled)
        self.say(text)

    def say(self, text: str) -> None:
        """Say what choosing this does; it is made safe to show."""
        self.update(Content(f"[ {plain(text)} ]"))

    def action_press(self) -> None:
        """Choose it."""
        self.post_message(self.Pressed(self))

    def on_click(self, event: events.Click) -> None:
        """Choose it by mouse."""
        event.stop()
        self.action_press()


class Choices(Horizontal):
    """The choices of a dialog in a line, at its right end."""
