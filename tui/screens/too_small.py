"""What is said where the terminal is too small to show anything well."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static


class TooSmall(Screen[None]):
    """Says so; goes away by itself when the terminal is larger."""

    def compose(self) -> ComposeResult:
        """Lay out the sentence."""
        from tui.app import LOWEST, NARROWEST

        yield Static(
            f"Too small: {NARROWEST}x{LOWEST} is needed. Make it larger; q leaves, jobs go on.",
            markup=False,
        )
