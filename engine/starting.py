"""Starting the process that divides into children; light, so that it can be done before all else.

A command that is going to need children starts them `early`: they read what they need, which takes
longer than anything else before the first byte is moved, while the command reads what it needs.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

COUNT = 2  # children; more would need more memory than we promise

_PACKAGE = str(Path(__file__).resolve().parent.parent)
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    " from engine.serving import start; start(*sys.argv[2:])"
)
_ENVIRONMENT = {
    # numpy's linear algebra, which we do not use, would start a thread for every core.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Arrays come and go: memory that the C library gave back each time would be cleared each time
    # anew, which took a tenth of a restore. Bytes; see mallopt(3).
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}


class Started(NamedTuple):
    """A process that is getting ready, of which one child comes for every socket.

    `alive` is a pipe that every child holds the other end of, and nobody writes to: it ends with
    the last of them.
    """

    process: subprocess.Popen[bytes]
    preloaded: tuple[str, ...]
    sockets: list[socket.socket]
    alive: int

    def kill(self) -> None:
        """Close the sockets that are left, kill the process, and wait until all are gone."""
        for each in self.sockets:
            each.close()
        self.process.kill()
        self.process.wait()
        while os.read(self.alive, 1):
            pass
        os.close(self.alive)


_early: list[Started] = []


def start(preload: tuple[str, ...]) -> Started:
    """Start children that import the modules named in `preload` at once. Raises OSError."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    with ExitStack() as ours, ExitStack() as theirs:
        sockets = []
        others = []
        for _ in range(COUNT):
            own, other = socket.socketpair()
            sockets.append(ours.enter_context(own))
            others.append(theirs.enter_context(other).fileno())
        alive, held = os.pipe()
        ours.callback(os.close, alive)
        theirs.callback(os.close, held)
        numbers = ",".join(str(number) for number in others)
        # What this thread blocks its children do, too, from their first moment on: the parent
        # decides what Ctrl+C means.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, _PACKAGE, numbers, *preload],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment | _ENVIRONMENT,
                pass_fds=(*others, held),
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        ours.pop_all()
    return Started(process, preload, sockets, alive)


def start_early(preload: tuple[str, ...]) -> None:
    """Start children that this process is going to need, if it can do something else meanwhile.

    Who does so calls `end_early` at its end.
    """
    if (os.cpu_count() or 1) > 1:
        try:
            _early.append(start(preload))
        except OSError:
            return  # told when they are needed: they are started then


def take_early(preload: tuple[str, ...]) -> Started | None:
    """Children that were started early, import all that is in `preload`, and live: if there are."""
    for number, each in enumerate(_early):
        if set(preload) <= set(each.preloaded) and each.process.poll() is None:
            return _early.pop(number)
    return None


def end_early() -> None:
    """End children that were started early and that nobody needed."""
    while _early:
        _early.pop().kill()
