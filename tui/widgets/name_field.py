"""A field for a name: it takes whatever is typed or pasted, and shows no more than is safe."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Input

_UNPRINTABLE = "\ufffd"  # one column wide, like the places that the cursor counts


class NameField(Input):
    """A name. What no terminal may be sent, such as a pasted escape, is shown as a placeholder.

    Whether a name can be used is for the engine to say: nothing is left out or cut off here.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "go on"),
        Binding("enter", "submit_anyway", "look again", show=False),
        Binding("up", "app.focus_previous", "up", show=False),
        Binding("down", "app.focus_next", "down", show=False),
    ]

    def __init__(self, *, name: str) -> None:
        super().__init__(id=name, compact=True, select_on_focus=False)
        self.cursor_blink = False  # nothing is painted while nothing happens
        self.ready = False  # whether what it holds can be gone on with, as far as is known

    @property
    def _value(self) -> Text:
        """What is shown of the value: textual's own hook, of exactly the version we require."""
        shown = "".join(sign if sign.isprintable() else _UNPRINTABLE for sign in self.value)
        return Text(shown, no_wrap=True, overflow="ignore", end="")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Going on is offered only with a name that is known to be good."""
        if action == "submit":
            return self.ready
        return super().check_action(action, parameters)

    async def action_submit_anyway(self) -> None:
        """Submit a name that may be good by now: whoever hears of it looks at it again."""
        await self.action_submit()
