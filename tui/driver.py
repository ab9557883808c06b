"""How the app writes to a terminal: textual's own way, but only what has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TextIO, cast

from textual.drivers.linux_driver import LinuxDriver

from tui.painted import Painted
from tui.theme import wants_no_colour

# Marks around a picture that is to be seen at once (textual writes each in a write of its own).
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"


class SparingDriver(LinuxDriver):
    """Writes what looks different from what the terminal shows; where nothing does, nothing."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._file = cast("Any", _UntilGone(cast("TextIO", self._file)))
        self._painted = Painted(colour=not wants_no_colour())
        self._begun = False

    def forget(self) -> None:
        """Paint everything anew next time: something else may have been written."""
        self._painted.forget()

    def write(self, data: str) -> None:
        """Write what is needed of a picture; anything else as it is."""
        if data == _BEGIN:
            self._begun = True
            return
        if data == _END and self._begun:
            self._begun = False
            return
        needed = self._painted.needed(data)
        if not needed:
            return
        if self._begun:
            self._begun = False
            needed = _BEGIN + needed
        super().write(needed)


class _UntilGone:
    """A terminal that may go away: from then on, what is written is lost and nothing fails.

    Textual's thread that writes would end, and the app wait for it for ever when it is left.
    """

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._gone = False

    def write(self, text: str) -> None:
        """Write a text."""
        self._attempt(lambda: self._terminal.write(text))

    def flush(self) -> None:
        """Send what was written."""
        self._attempt(self._terminal.flush)

    def fileno(self) -> int:
        """The terminal's number."""
        return self._terminal.fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._terminal.isatty()

    def _attempt(self, write: Callable[[], object]) -> None:
        if self._gone:
            return
        try:
            write()
        except OSError:
            self._gone = True
