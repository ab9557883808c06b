"""The colours of the app: one accent for what is selected, three that always stand beside a word.

Where NO_COLOR is set, nothing but the terminal's own colours is used, and what is selected is
reversed: see `COLOURLESS`.
"""

from __future__ import annotations

import os

from textual.theme import Theme

COLOURLESS = "ansi-dark"  # a theme of textual's that sends no colour of its own

# What our style sheets name beyond textual's own, where a theme does not give it.
VARIABLES = {"quiet": "ansi_default", "rule": "ansi_default", "selected": "ansi_default"}

THEME = Theme(
    name="backstay",
    primary="#7fb4ca",
    secondary="#7d8794",
    accent="#7fb4ca",
    success="#87b37a",
    warning="#d8a657",
    error="#e0806f",
    foreground="#d4d9df",
    background="#12161b",
    surface="#12161b",
    panel="#1b2129",
    boost="#1b2129",
    dark=True,
    variables={
        "quiet": "#808b98",
        "rule": "#2c343e",
        "selected": "#22323c",
        "block-cursor-background": "#22323c",
        "block-cursor-foreground": "#e9eef2",
        "input-selection-background": "#35505f",
    },
)


def wants_no_colour() -> bool:
    """Whether the user asked for no colour (no-color.org: any value that is not empty)."""
    return bool(os.environ.get("NO_COLOR"))
