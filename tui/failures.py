"""How a command ends: every error as words for its owner, or as JSON for a script."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from engine import BackstayError, PriceNotAccepted
from tui.output import error_width, is_terminal, json_text, let_go_of_stdout, print_error
from tui.plain_text import cells, plain, wrap
from tui.running import Stopped

USAGE = 2
STORAGE = 7
INTERRUPTED = 130
READER_GONE = 141  # as a shell names a program whose reader left

_LABEL = "Error: "
_INDENT = " " * len(_LABEL)
_COMMAND = ": backstay "


def report(error: BaseException, *, as_json: bool) -> int:
    """Tell what went wrong on standard error and return the exit code.

    An error that nobody foresaw is told as a fault of Backstay's own, without the values that were
    at hand: they may be secret. With ``BACKSTAY_TRACEBACK`` set it is told in full.
    """
    if isinstance(error, BrokenPipeError):
        let_go_of_stdout()
        return READER_GONE
    if isinstance(error, click.UsageError) and error.ctx is not None and not as_json:
        print_error(f"{error.ctx.get_usage()}\n\n")
    if isinstance(error, KeyboardInterrupt) and is_terminal(sys.stderr):
        print_error("\n")  # the terminal shows ^C and stays on that line
    code, name, message, hint = _told(error)
    if as_json:
        told: dict[str, object] = {"code": code, "name": name, "message": message, "hint": hint}
        if isinstance(error, PriceNotAccepted) and error.quote is not None:
            told["quote"] = error.quote
        print_error(json_text({"error": told}))
    else:
        lines = [
            part for text in (message, hint) for line in text.splitlines() for part in _fit(line)
        ]
        print_error(_LABEL + f"\n{_INDENT}".join(lines) + "\n")
    return code


def _fit(line: str) -> list[str]:
    """A line made safe, and folded where it is for a terminal.

    A command at its end gets a line of its own that is never folded, to be copied whole.
    """
    text, width = plain(line), error_width()
    room = width and width - len(_INDENT)
    if room is None or cells(text) <= room:
        return [text]
    said, found, command = text.rpartition(_COMMAND)
    if not found or ". " in command:  # the text goes on after it
        return wrap(text, room)
    return [*wrap(f"{said}:", room), _COMMAND.removeprefix(": ") + command]


def _told(error: BaseException) -> tuple[int, str, str, str]:
    """Exit code, name, message and hint of an error."""
    match error:
        case BackstayError():
            return error.exit_code, error.name, error.message, error.hint
        case Stopped():
            return error.exit_code, "Cancelled", error.message, error.hint
        case KeyboardInterrupt() | click.Abort():
            return INTERRUPTED, "Cancelled", "Stopped.", ""
        case click.UsageError():
            path = error.ctx.command_path if error.ctx is not None else "backstay"
            return USAGE, "Usage", error.format_message(), f"See how it is used: {path} --help"
        case OSError():
            what = error.strerror or type(error).__name__
            where = f": {error.filename}" if error.filename else ""
            return STORAGE, "StorageFailed", f"The system refused: {what}{where}.", ""
        case _:
            return 1, "Fault", *_fault(error)


def _fault(error: BaseException) -> tuple[str, str]:
    import traceback

    if os.environ.get("BACKSTAY_TRACEBACK"):
        print_error("".join(traceback.format_exception(error)))
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return (
        f"A fault in Backstay itself: {type(error).__name__}{place}.",
        "Please report it; BACKSTAY_TRACEBACK=1 before the command shows where it comes from.",
    )
