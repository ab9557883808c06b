"""Lines to fill in: a name, a field, and beside it what is to be said of what it holds."""

from __future__ import annotations

import re
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from tui.plain_text import plain


class Field(Input):
    """A short text. Only characters that it can hold are taken; all other keys do what they do.

    So digits can be typed where j and k move on.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "app.focus_previous", "up", show=False),
        Binding("down", "app.focus_next", "down", show=False),
    ]

    def __init__(self, sign: str, longest: int, *, name: str, whole: str = "") -> None:
        """`sign` is a pattern of one character, `whole` of all that it can hold."""
        restrict = whole or f"(?:{sign})*"
        super().__init__(id=name, restrict=restrict, max_length=longest, compact=True)
        self._sign = re.compile(sign)
        self.cursor_blink = False  # nothing is painted while nothing happens
        self.styles.width = min(longest, 32) + 5  # a place for the cursor after the last character

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether a key is typed here: it does nothing else then."""
        return character is not None and self._sign.fullmatch(character) is not None

    def on_key(self, event: events.Key) -> None:
        """Leave to the screen what cannot be typed here."""
        if event.is_printable and not self.check_consume_key(event.key, event.character):
            event.prevent_default()


class FormLine(Horizontal):
    """A field with its name at the left, and at the right a few words or what is wrong."""

    def __init__(self, title: str, field: Widget) -> None:
        super().__init__()
        self._title, self._field = title, field
        self._said: tuple[str, bool] | None = None

    def compose(self) -> ComposeResult:
        """Lay out the mark of the line that has the focus, name, field and words."""
        yield Static(classes="form--mark")
        yield Static(Content(self._title), classes="form--title")
        yield self._field
        yield Static(classes="form--said")

    def on_descendant_focus(self) -> None:
        """Mark the line in which things are typed."""
        self._mark(True)

    def on_descendant_blur(self) -> None:
        """Take the mark away."""
        self._mark(False)

    def _mark(self, focused: bool) -> None:
        self.query_one(".form--mark", Static).update("▸" if focused else "", layout=False)
        self.query_one(".form--title").set_class(focused, "-focused")

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Say something beside the field; `wrong` where it cannot be used as it is."""
        if (text, wrong) != self._said:
            self._said = text, wrong
            glyph = "✗ " if wrong else ""
            said = self.query_one(".form--said", Static)
            said.update(Content.assemble((glyph, "$error"), plain(text)), layout=False)
            said.set_class(wrong, "-wrong")
