"""Work that outlives the terminal: it is done in a process of its own, while this one waits.

Commands that do jobs are run so. When the terminal is closed, or the connection drops, only the
process that waits is ended. It passes on Ctrl+C and SIGTERM, which cancel the job.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType

WORKING = frozenset({"backup", "restore", "transfer", "cleanup", "verify"})  # commands that do jobs
_KILLED = 128  # what a shell adds to the number of the signal that ended a program


def works(arguments: Sequence[str]) -> bool:
    """Whether these arguments may name a command that does a job."""
    return not WORKING.isdisjoint(arguments)


def detach() -> None:
    """Go on in a process of its own, in a session of its own; the first waits and ends as it does.

    Call it before anything else has begun: there must be no other thread yet.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    # They wait until each of the two can be told of them.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    child = os.fork()
    if child == 0:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return

    def pass_on(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    for number in numbers:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    _, status = os.waitpid(child, 0)
    ended = os.waitstatus_to_exitcode(status)
    os._exit(ended if ended >= 0 else _KILLED - ended)
