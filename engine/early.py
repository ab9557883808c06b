"""Getting ready for a backup or a restore before it is known whether there will be one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from engine import rebuild, snapshot
from engine.starting import end_early, start_early


@contextmanager
def ready_for(kind: Literal["backup", "restore"]) -> Iterator[None]:
    """Have what a backup or a restore needs read in child processes, while this one goes on.

    The first that is done here, within the block, takes them over; otherwise they are ended with
    the block. For a process that does little else, and may be about to begin.
    """
    start_early(snapshot.NEEDED + snapshot.NEEDED_FOR_MAIN if kind == "backup" else rebuild.NEEDED)
    try:
        yield
    finally:
        end_early()
