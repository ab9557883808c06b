"""What every screen of the app that asks the engine stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from textual.screen import Screen

if TYPE_CHECKING:
    from tui.app import Backstay

R = TypeVar("R")


class OwnScreen(Screen[R]):
    """A screen that knows the app it is in: its engine, its clock, its ways to tell things."""

    @property
    def backstay(self) -> Backstay:
        """The app."""
        return cast("Backstay", self.app)
