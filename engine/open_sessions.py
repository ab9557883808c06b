"""Sessions over SSH that are open: the processes that a line of authorized_keys has started.

They are found by their command lines, which end as `engine.authorized_keys` writes them; so nothing
is to be kept of a session that begins. Only Linux tells of them (proc(5)).
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from engine.authorized_keys import forced_of
from engine.errors import Failed

_PROCESSES = Path("/proc")
_PATIENCE = 10.0  # seconds in which a session is to clean up and end


class _Process(NamedTuple):
    number: int
    parent: int
    handle: int  # means this process only, even where its number is given to another one


def end_sessions(whose: Collection[tuple[str, Path]]) -> int:
    """End what is open of users, each with a home; gives how many sessions that were. Blocks.

    They end as on SIGTERM: what they wait for is cancelled, and nothing half-made is left. One that
    does not end in time is killed. Raises `Failed` where this system cannot tell them from others.
    """
    with ExitStack() as held:
        try:
            open_now = list(_open(whose, held))
        except OSError as error:
            raise Failed(
                f"The sessions that are open cannot be found: {error.strerror}.",
                hint="Nobody comes in with the removed keys any more. End by hand what is open: "
                "the processes of backstay session --as USER.",
            ) from error
        numbers = {each.number for each in open_now}
        # A command that does a job is done by a child, to which the first process passes it on.
        first = [each for each in open_now if each.parent not in numbers]
        for each in first:
            _send(each, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        for each in open_now:
            if not select.select([each.handle], [], [], max(0, deadline - time.monotonic()))[0]:
                _send(each, signal.SIGKILL)
        return len(first)


def _open(whose: Collection[tuple[str, Path]], held: ExitStack) -> Iterator[_Process]:
    wanted = {(user, os.path.realpath(home)) for user, home in whose}
    for folder in _PROCESSES.glob("[0-9]*"):
        number = int(folder.name)
        # It has ended, or is somebody else's.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError), ExitStack() as own:
            handle = os.pidfd_open(number)
            own.callback(os.close, handle)
            words = os.fsdecode((folder / "cmdline").read_bytes()).split("\0")[:-1]
            who = forced_of(words)
            if who is not None and (who[0], os.path.realpath(who[1])) in wanted:
                status = (folder / "stat").read_text()
                parent = int(status.rpartition(")")[2].split()[1])
                held.push(own.pop_all())
                yield _Process(number, parent, handle)


def _send(process: _Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(process.handle, number)
