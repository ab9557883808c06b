"""Where a list's filter is typed."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from tui.plain_text import plain


class FilterField(Input):
    """One line below a list: what is typed hides the rows that do not have it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "keep the filter"),
        Binding("down", "submit", "keep the filter", show=False),
        Binding("escape", "screen.back", "end it"),
    ]

    def __init__(self) -> None:
        super().__init__(id="filter", placeholder="what to look for", compact=True)

    @property
    def text(self) -> str:
        """What is looked for; nothing where all is shown."""
        return self.value.strip()

    @property
    def shown_text(self) -> str:
        """What is looked for, safe to show."""
        return f"“{plain(self.text)}”"
