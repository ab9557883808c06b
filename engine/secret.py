"""Texts that may be used and never shown: passwords, and addresses that hold some."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that neither repr nor str gives away; who needs it asks for `text`."""

    text: str = field(repr=False)
