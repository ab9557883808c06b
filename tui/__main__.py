"""The program ``backstay``, as the shell runs it; `tui.cli` is what it does."""

from __future__ import annotations

import os
import sys

from tui.environment import clear_environment, in_session
from tui.version import VERSION

TYPE_CHECKING = False  # typing's takes longer to import than the version takes to be told
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Literal, NoReturn

# What start-up makes lives to the end; looking through it for garbage takes a tenth of the time.
_COLLECT_AFTER = 100_000


def program() -> NoReturn:
    """Run the command of this process, then end the process.

    Nothing is left to tidy: the engine is closed, its threads have ended, and what was printed is
    flushed. Letting Python take its modules apart would take a tenth of a short command's time.
    """
    if sys.argv[1:] == ["--version"] and _told_version():
        os._exit(0)
    if in_session(sys.argv[1:]):
        clear_environment(keep_sent=True)  # before any library reads it

    import gc

    from tui import ctrl_c
    from tui.detached import detach, works

    ctrl_c.end_at_once()  # until `tui.cli.main` can tell of it
    if works(sys.argv[1:]):
        detach()
    gc.set_threshold(_COLLECT_AFTER)
    with _children_for(sys.argv[1:]):
        from tui.cli import main

        code = main()
    os._exit(code)


def _children_for(arguments: list[str]) -> AbstractContextManager[object]:
    """Child processes that get ready while this one does, where these arguments may need them."""
    from contextlib import nullcontext

    kind: Literal["backup", "restore"] = "restore" if "restore" in arguments else "backup"
    # Where a price is still to be agreed to, they might have to wait for long.
    agreed = kind == "backup" or any(each.startswith("--accept-cost") for each in arguments)
    if kind not in arguments or not agreed:
        return nullcontext()
    from engine import ready_for

    return ready_for(kind)


def _told_version() -> bool:
    """Tell the version without what commands need; where that fails, they tell why."""
    try:
        sys.stdout.write(f"backstay {VERSION}\n")
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):  # full, closed, not there
        return False
    return True


if __name__ == "__main__":
    program()
