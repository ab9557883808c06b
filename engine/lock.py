"""Two locks of a home that the kernel holds, so that the dead never block.

`WorkLock` is held while something is made or changed: one piece of work at a time. `WorkerLock` is
held by the home's worker as long as it lives: one worker at a time, and everyone can see whether
there is one.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar, Self

from engine.errors import Busy

_PAUSE = 0.02  # seconds between two tries


class _Lock:
    """A lock on a file of the home. It ends with the process that holds it, however that ends."""

    name: ClassVar[str]
    held: ClassVar[str]  # what is so when another process holds it

    def __init__(self, home: Path) -> None:
        self._path = home / self.name
        self._file = -1

    def acquire(self) -> None:
        """Take the lock, without waiting. Raises `Busy`."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise Busy(
                self.held, hint="Nothing was changed. Wait until it is done, then try again."
            ) from None

    async def wait(self, seconds: float | None = None) -> None:
        """Take the lock, and wait for it. Raises `Busy` when it was not to be had in `seconds`."""
        now = asyncio.get_running_loop().time
        deadline = None if seconds is None else now() + seconds
        while True:
            try:
                self.acquire()
            except Busy:
                if deadline is not None and now() >= deadline:
                    raise
            else:
                return
            await asyncio.sleep(_PAUSE)

    def release(self) -> None:
        """Let go of the lock. The file stays: removing it would let two hold two files."""
        os.close(self._file)

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """Hold the lock in a block, and wait for it before. Raises what `wait` raises."""
        await self.wait(seconds)
        try:
            yield
        finally:
            self.release()

    def __enter__(self) -> Self:
        """Take the lock."""
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the lock."""
        self.release()


class WorkLock(_Lock):
    """Held while a job runs, and while a project is woken or deleted."""

    name = "lock"
    held = "Other work in this home is under way."


class WorkerLock(_Lock):
    """Held by the home's worker. One that stays says so in the file."""

    name = "worker.lock"
    held = "This home has a worker already."

    def say_that_it_stays(self) -> None:
        """Let everyone see that the holder goes on when nothing is to be done."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, b"stays\n", 0)

    def release(self) -> None:
        """Let go of the lock, and of what was said with it."""
        os.ftruncate(self._file, 0)
        super().release()


def has_worker(home: Path) -> bool:
    """Whether a worker lives."""
    return _worker(home) is not None


def worker_stays(home: Path) -> bool:
    """Whether a worker lives that goes on when nothing is to be done."""
    return _worker(home) == b"stays\n"


def _worker(home: Path) -> bytes | None:
    """What the living worker says; None where there is none."""
    try:
        file = os.open(home / WorkerLock.name, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # Shared, so that two who look do not take each other for a worker. One that starts at
        # this very moment tries again.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(file, 16, 0)
    else:
        return None
    finally:
        os.close(file)
