"""How a command ends: every error as words for its owner, or as JSON for a script."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from engine import BackstayError
from tui.output import is_terminal, json_text, let_go_of_stdout, print_error
from tui.plain_text import plain
from tui.running import Stopped

USAGE = 2
STORAGE = 7
INTERRUPTED = 130
READER_GONE = 141  # as a shell names a program whose reader left


def report(error: BaseException, *, as_json: bool) -> int:
    """Tell what went wrong on standard error and return the exit code.

    An error that nobody foresaw is told as a fault of Backstay's own, without the values that were
    at hand: they may be secret. With ``BACKSTAY_TRACEBACK`` set it is told in full.
    """
    if isinstance(error, BrokenPipeError):
        let_go_of_stdout()
        return READER_GONE
    if isinstance(error, click.UsageError) and error.ctx is not None and not as_json:
        print_error(f"{error.ctx.get_usage()}\nTry: {error.ctx.command_path} --help\n\n")
    if isinstance(error, KeyboardInterrupt) and is_terminal(sys.stderr):
        print_error("\n")  # the terminal shows ^C and stays on that line
    code, name, message, hint = _told(error)
    if as_json:
        told = {"code": code, "name": name, "message": message, "hint": hint}
        print_error(json_text({"error": told}))
    else:
        lines = [plain(line) for text in (message, hint) for line in text.splitlines()]
        print_error("Error: " + "\n       ".join(lines) + "\n")
    return code


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
            return USAGE, "Usage", error.format_message(), ""
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
