"""One piece of work at a time in a home: a lock that the kernel holds, so the dead never block."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from engine.errors import Busy

LOCK_FILE = "lock"


class WorkLock:
    """The home's lock for work. It ends with the process that holds it, however that ends."""

    def __init__(self, home: Path) -> None:
        self._path = home / LOCK_FILE
        self._file = -1

    def acquire(self) -> None:
        """Take the lock, without waiting. Raises `Busy`."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise Busy(
                "Another backup or restore of this home is running.",
                hint="Nothing was changed. Wait until it is done, then try again.",
            ) from None

    def release(self) -> None:
        """Let go of the lock. The file stays: removing it would let two hold two files."""
        os.close(self._file)

    def __enter__(self) -> Self:
        """Take the lock."""
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the lock."""
        self.release()
