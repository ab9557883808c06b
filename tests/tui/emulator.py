"""A terminal as a person has one: a program runs on a pty, an emulator shows what it draws.

What the program writes is counted, and the terminal's state (alternate screen, cursor, mouse, echo)
is known at any time. Whatever is waited for is something to be seen or an end, never a time.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pyte

ROOT = Path(__file__).parents[2]
BACKSTAY = (sys.executable, "-c", "from tui.__main__ import program; program()")
SMALL, LARGE = (80, 24), (120, 40)
PATIENCE = 180.0  # seconds after which a test gives up
_QUIET = 0.4  # seconds without a byte after which a picture is taken to be whole
_KEYS = {
    "down": "\x1b[B",
    "up": "\x1b[A",
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "backspace": "\x7f",
    "ctrl+c": "\x03",
    "ctrl+z": "\x1a",
    "end": "\x1b[F",
    "home": "\x1b[H",
    "pagedown": "\x1b[6~",
}
_MODE = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
_ALTERNATE, _CURSOR, _PASTE, _FOCUS = 1049, 25, 2004, 1004
_MOUSE = (1000, 1002, 1003, 1006, 1015, 1016)
_SWITCH = re.compile(rb"(\x1b\[\?1049[hl])")
_FOREIGN = re.compile(rb"\x1b\[[<>=?][\d;]*[um]|\x1b\[\?[\d;]*\$p")  # what pyte would take for text


class Emulator:
    """A program on a terminal of a size, with 24 bit colours, whose owner sees and types."""

    def __init__(
        self,
        *arguments: str | Path,
        size: tuple[int, int] = SMALL,
        environment: Mapping[str, str] | None = None,
        unset: Sequence[str] = ("NO_COLOR",),
    ) -> None:
        columns, lines = size
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._theirs = theirs  # kept open: how it is left can be looked at after the end
        self.echoed_before = self.echoes
        inherited = {name: value for name, value in os.environ.items() if name not in unset}
        self.process = subprocess.Popen(
            # A session leader that opens a terminal has it as its own, for Ctrl+C and hanging up.
            ["/bin/sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(theirs), *arguments],
            cwd=ROOT,
            env={
                **inherited,
                "TERM": "xterm-256color",
                "COLORTERM": "truecolor",
                **(environment or {}),
            },
            start_new_session=True,
        )
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""
        self.modes: dict[int, bool] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for each in {self._ours, self._theirs}:
            if each >= 0:
                os.close(each)

    # Seeing

    @property
    def text(self) -> str:
        """What is on the screen, without spaces at the lines' ends."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, holds: Callable[[], bool], what: str = "it") -> None:
        """Read until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if not self._read(0.05) and self.process.poll() is not None and not self._read(0.05):
                assert holds(), f"{what} never came to be:\n{self.text}\n{self.written[-3000:]!r}"
            assert time.monotonic() < deadline, f"{what} took too long:\n{self.text}"

    def until_seen(self, *texts: str) -> str:
        """Read until all of these are on the screen; gives the screen."""
        self.until(lambda: all(text in self.text for text in texts), f"{texts!r}")
        return self.text

    def until_quiet(self, seconds: float = _QUIET) -> int:
        """Read until nothing more comes; gives how many bytes came."""
        before = len(self.written)
        while self._read(seconds):
            pass
        return len(self.written) - before

    def _read(self, patience: float) -> bytes:
        if not select.select([self._ours], [], [], patience)[0]:
            return b""
        try:
            part = os.read(self._ours, 1 << 16)
        except OSError:  # how Linux tells that nobody has the other side any more
            return b""
        self.written += part
        for modes, state in _MODE.findall(part):
            for mode in modes.split(b";"):
                self.modes[int(mode)] = state == b"h"
        if b"\x1b[?2026$p" in part:
            self.type("\x1b[?2026;2$y")  # as terminals say that they paint pictures at once
        for stretch in _SWITCH.split(_FOREIGN.sub(b"", part)):
            if _SWITCH.fullmatch(stretch):
                self.screen.erase_in_display(2)  # pyte has one screen; what was before is not shown
                self.screen.cursor_position()
            self._stream.feed(stretch)
        return part

    # Doing

    def type(self, text: str) -> None:
        """Type a text as it is."""
        os.write(self._ours, text.encode())

    def press(self, *keys: str) -> None:
        """Press keys, by name or by what they type."""
        for key in keys:
            self.type(_KEYS.get(key, key))

    def cost(self, *keys: str) -> int:
        """Press keys, and give how many bytes were written until nothing more came."""
        self.press(*keys)
        return self.until_quiet()

    def cost_of_change(self, *keys: str) -> int:
        """Press keys that change what is shown, and give how many bytes it took until it had."""
        before, shown = len(self.written), self.text
        self.press(*keys)
        self.until(lambda: self.text != shown and not self._read(0.0))
        return len(self.written) - before

    def click(self, column: int, line: int) -> None:
        """Click with the left button, the columns and lines counted from 1."""
        self.type(f"\x1b[<0;{column};{line}M\x1b[<0;{column};{line}m")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Read until the program has ended; gives its exit code."""
        self.until(lambda: self.process.poll() is not None, "the end")
        self.until_quiet(0.05)
        return self.process.wait()

    def hang_up(self) -> int:
        """Take the terminal away, as a connection that drops does; gives the exit code."""
        os.close(self._theirs)
        os.close(self._ours)
        self._ours = self._theirs = -1
        return self.process.wait(PATIENCE)

    # The terminal's state

    @property
    def echoes(self) -> bool:
        """Whether what is typed is shown by the terminal itself, and lines can be edited."""
        flags = termios.tcgetattr(self._theirs)[3]
        return bool(flags & termios.ECHO and flags & termios.ICANON and flags & termios.ISIG)

    @property
    def taken(self) -> list[str]:
        """What the program has changed of the terminal and not put back."""
        return [
            name
            for name, changed in {
                "alternate screen": self.modes.get(_ALTERNATE, False),
                "hidden cursor": not self.modes.get(_CURSOR, True),
                "mouse": any(self.modes.get(mode, False) for mode in _MOUSE),
                "paste": self.modes.get(_PASTE, False),
                "focus": self.modes.get(_FOCUS, False),
                "wrapping": not self.modes.get(7, True),
                "no echo": not self.echoes,
                "keyboard": self.written.count(b"\x1b[>") > self.written.count(b"\x1b[<u"),
            }.items()
            if changed
        ]
