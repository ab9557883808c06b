"""Room on the disk that a home holds back, so that a clean-up can be asked for when it is full.

The file ``reserve`` in the home takes that room up; nobody reads it. It is given up where opening
the home, asking for a clean-up or noting how a job ended fails for want of room, and made again
afterwards. A backup or a restore never gets it: it would fill it up, and fail all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from engine.errors import HomeUnsafe, StorageFailed
from engine.syncing import sync_folder

if TYPE_CHECKING:
    from engine.home import Home

T = TypeVar("T")

RESERVE_FILE = "reserve"
# Bytes. To open the catalog, ask for a clean-up of 30 backups and note its end takes 150 KB; the
# rest is for what others write meanwhile, and for file systems with large blocks.
SIZE = 512 * 1024
_STEP = 16 * 1024  # bytes written at once: what fits is found by writing


class Reserve:
    """The room that a home holds back. Only `make` blocks."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._file = home.path / RESERVE_FILE
        self._lent = False

    async def lend(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do what must be possible on a full disk; once more, with the room of the reserve.

        Raises what `work` raises where there is no reserve, or where it does not help.
        """
        try:
            return await work()
        except StorageFailed as error:
            if isinstance(error, HomeUnsafe) or not await asyncio.to_thread(self._give_up):
                raise
        return await work()

    async def take_back(self) -> None:
        """Hold back again what was lent, or what is left of it."""
        if self._lent:
            self._lent = False
            with contextlib.suppress(OSError):  # what fits is there
                await asyncio.to_thread(self._extend, SIZE)

    def make(self) -> None:
        """Hold room back, unless it is. Nothing is done where less than as much again is left."""
        try:
            before = self._size()
            if before >= SIZE or self._home.free_space() < 2 * SIZE:
                return
            try:
                self._extend(SIZE)
            except OSError:
                self._shrink(before)
        except (OSError, StorageFailed):
            return  # a read-only folder, say: what is done in it fails by itself

    def _give_up(self) -> bool:
        """Give the room back where it is lacking; whether that was done."""
        try:
            size = self._size()
            if size == 0 or not self._is_lacking(size):
                return False
            self._file.unlink(missing_ok=True)
            self._lent = True
            sync_folder(self._home.path)  # some file systems give blocks free only then
        except (OSError, StorageFailed):
            return self._lent
        return True

    def _is_lacking(self, size: int) -> bool:
        """Whether the disk has no room for as much again."""
        if self._home.free_space() < 2 * SIZE:
            return True
        try:
            self._extend(size + SIZE)  # a quota is only met by who writes
        except OSError:
            return True
        finally:
            self._shrink(size)
        return False

    def _size(self) -> int:
        try:
            return self._file.lstat().st_size
        except FileNotFoundError:
            return 0

    def _extend(self, size: int) -> None:
        """Write on until the file has that size. Raises OSError; what did fit is there then."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(self._file, flags, 0o600)
        try:
            os.fchmod(file, 0o600)
            end = os.fstat(file).st_size
            while end < size:
                # Written, not just asked for, and random: so that every file system takes the room.
                end += os.pwrite(file, os.urandom(min(_STEP, size - end)), end)
            os.fsync(file)
        finally:
            os.close(file)

    def _shrink(self, size: int) -> None:
        if size:
            os.truncate(self._file, size)
        else:
            self._file.unlink(missing_ok=True)
