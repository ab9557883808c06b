"""The program ``backstay``, as the shell runs it; `tui.cli` is what it does."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

from tui.detached import detach, works

# What start-up makes lives to the end; looking through it for garbage takes a tenth of the time.
_COLLECT_AFTER = 100_000


def program() -> NoReturn:
    """Run the command of this process, then end the process.

    Nothing is left to tidy: the engine is closed, its threads have ended, and what was printed is
    flushed. Letting Python take its modules apart would take a tenth of a short command's time.
    """
    if works(sys.argv[1:]):
        detach()
    gc.set_threshold(_COLLECT_AFTER)
    from tui.cli import main

    os._exit(main())


if __name__ == "__main__":
    program()
