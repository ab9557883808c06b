"""What a file looked like when it was read, and whether it surely still does."""

from __future__ import annotations

import os
import time
from pathlib import Path

from engine.repository.manifest import Stamp


def stamp_of(status: os.stat_result, counter: int) -> Stamp:
    """A stamp of a file's status, looked at now."""
    return Stamp(
        size=status.st_size,
        modified=status.st_mtime_ns,
        changed=status.st_ctime_ns,
        inode=status.st_ino,
        counter=counter,
        looked=time.time_ns(),
    )


GRANULARITY = 50_000_000  # ns; file systems' clocks tick every few milliseconds, some slower


def is_unchanged(path: Path, before: Stamp | None, *, counter: bool = True) -> bool:
    """Whether a file is surely as it was at a look before; when in doubt it is not.

    A journal or WAL beside the file is doubt, and so is a time of change so close to the look that
    a later change could bear the same one. Opens the file plainly: only for a process in which
    SQLite does not have it open.
    """
    if before is None or before.looked - max(before.modified, before.changed) < GRANULARITY:
        return False
    try:
        status = path.stat()
        if (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino) != (
            before.size,
            before.modified,
            before.changed,
            before.inode,
        ):
            return False
        if not counter:
            return True
        base = os.fspath(path)
        if os.path.lexists(base + "-journal") or os.path.lexists(base + "-wal"):
            return False
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return int.from_bytes(os.pread(file, 4, 24), "big") == before.counter
        finally:
            os.close(file)
    except OSError:
        return False  # the reading that follows says what is wrong with it
