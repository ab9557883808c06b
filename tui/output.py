"""Where answers go: plain lines or one JSON document on standard output, nothing else."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable
from typing import NamedTuple, TextIO

from tui.plain_text import plain

NARROWEST = 40  # columns; below this a table is left to the terminal to fold
_COLOURS = {"dim": "2", "red": "31", "green": "32", "amber": "33"}


class Layout(NamedTuple):
    """How answers are laid out: columns at hand (None: as wide as they need), colour or none."""

    width: int | None = None
    colour: bool = False

    def paint(self, text: str, colour: str | None) -> str:
        """Return `text` in a colour (dim, red, green or amber) where colour is in use."""
        if not self.colour or colour is None or not text:
            return text
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def layout() -> Layout:
    """The layout for standard output: fitted and in colour only on a terminal.

    Piped output is as wide as it needs to be, so that no name is cut for the next program.
    """
    if not is_terminal(sys.stdout):
        return Layout()
    import shutil

    width = max(shutil.get_terminal_size().columns, NARROWEST)
    return Layout(width, colour=not os.environ.get("NO_COLOR") and not is_dumb())


def is_dumb() -> bool:
    """Whether the terminal says of itself, or by saying nothing, that it obeys no codes."""
    return os.environ.get("TERM", "") in ("", "dumb")


def error_width() -> int | None:
    """The columns at hand for standard error; None where it is no terminal."""
    if not is_terminal(sys.stderr):
        return None
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return None
    return max(columns, NARROWEST) if columns else None


def is_terminal(stream: TextIO | None) -> bool:
    """Whether `stream` is there and is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def can_ask() -> bool:
    """Whether there is somebody to ask: questions go to standard error."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def prepare_streams() -> None:
    """Make sure that a character which the terminal's encoding lacks never ends a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines that are safe already (see `tui.plain_text.plain`)."""
    _answer("".join(f"{line}\n" for line in lines))


def print_json(value: object) -> None:
    """Print one JSON document, in ASCII so that no name in it can act on a terminal."""
    _answer(json_text(value))


def json_text(value: object) -> str:
    """One JSON document and its line end; DEL, which JSON leaves as it is, is escaped too."""
    import json

    return json.dumps(value, indent=2).replace("\x7f", "\\u007f") + "\n"


def print_aside(text: str) -> None:
    """Print a line for the person at the terminal on standard error, made safe."""
    _write(sys.stderr, plain(text) + "\n")


def print_question(text: str) -> None:
    """Print a question on standard error and stay on its line."""
    _write(sys.stderr, plain(text))


def print_error(text: str) -> None:
    """Print an error, already made safe, on standard error; nobody reading it is no error."""
    with contextlib.suppress(OSError):
        _write(sys.stderr, text)


def _answer(text: str) -> None:
    """Write to standard output.

    Raises `BrokenPipeError` where its reader is gone, `StorageFailed` where it cannot be written.
    """
    try:
        _write(sys.stdout, text)
    except BrokenPipeError:
        raise
    except OSError as error:
        from engine import StorageFailed

        let_go_of_stdout()
        raise StorageFailed(
            f"The answer could not be written: {error.strerror}.",
            hint="What was asked for is done; only the answer is lost.",
        ) from error


def _write(stream: TextIO | None, text: str) -> None:
    if stream is not None:  # None: the caller closed it
        stream.write(text)
        stream.flush()


def let_go_of_stdout() -> None:
    """Send nowhere what is still buffered, or Python would fail once more when it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
