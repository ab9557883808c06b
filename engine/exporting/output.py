"""Where the bytes of an export go. These classes block; call them in a thread."""

from __future__ import annotations

import os
import select
import stat
import threading
from pathlib import Path
from typing import Protocol

from engine.errors import Cancelled, StorageFailed, Taken
from engine.repository.storage import publish, storage_failed
from engine.syncing import sync_folder

HINT = "Nothing of it was kept, and the backup is safe. Make room there, or name another place."
# Bytes that a pipe which can be written to takes without making us wait: POSIX says so of PIPE_BUF.
_PIPE_AT_ONCE = select.PIPE_BUF
_PATIENCE = 200  # milliseconds between two looks at whether a slow reader is still to be waited for


class Output(Protocol):
    """Where the bytes of a stream go; `size` is how many did."""

    size: int

    def write(self, data: bytes) -> int:
        """Write all of it. Raises `StorageFailed`, and `Cancelled` after `stop`."""

    def finish(self) -> None:
        """See that all is on disk, under its name."""

    def stop(self) -> None:
        """Let a write that is under way end soon. May be called from any thread."""

    def discard(self) -> None:
        """Remove what is not finished."""


class OpenFile:
    """A file that somebody else has opened: standard output, mostly a pipe. It is left open."""

    def __init__(self, file: int) -> None:
        self.size = 0
        self._file = file
        self._stopped = threading.Event()
        waits = not stat.S_ISREG(os.fstat(file).st_mode)
        self._at_once = _PIPE_AT_ONCE if waits else 1 << 20
        self._room = select.poll()
        self._room.register(file, select.POLLOUT)

    def write(self, data: bytes) -> int:
        """Write as fast as the reader takes it, and no longer than it is wanted."""
        rest = memoryview(data)
        while rest:
            room = self._room.poll(_PATIENCE)
            look(self._stopped)
            if not room:
                continue
            try:
                written = os.write(self._file, rest[: self._at_once])
            except BlockingIOError:  # somebody has set it so
                continue
            except OSError as error:
                raise storage_failed("writing the export", error, hint=HINT) from error
            self.size += written
            rest = rest[written:]
        return len(data)

    def finish(self) -> None:
        """Nothing is left to do."""

    def stop(self) -> None:
        """Wait for the reader no longer."""
        self._stopped.set()

    def discard(self) -> None:
        """What was written is its reader's: without its end nobody takes it for whole."""


class NewFile:
    """A private file that gets its name when it is whole and on disk, and never before.

    Raises `Taken` where something has that name, unless a file is to be replaced.
    """

    def __init__(self, target: Path, *, replace: bool) -> None:
        self.size = 0
        self._target = target
        self._replace = replace
        self._stopped = threading.Event()
        check_target(target, replace=replace)
        self._temporary = beside(target)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._file = os.open(self._temporary, flags, 0o600)
        except OSError as error:
            raise storage_failed(f"making {target}", error, hint=HINT) from error
        os.fchmod(self._file, 0o600)

    def write(self, data: bytes) -> int:
        """Write to the file."""
        look(self._stopped)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            raise storage_failed(f"writing {self._target}", error, hint=HINT) from error
        self.size += len(data)
        return len(data)

    def finish(self) -> None:
        """Bring it to disk, and give it its name."""
        try:
            os.fsync(self._file)
            if self._replace:
                check_target(self._target, replace=True)
                self._temporary.rename(self._target)
            else:
                publish(self._temporary, self._target)
                self._temporary.unlink(missing_ok=True)
            sync_folder(self._target.parent)
        except FileExistsError:
            raise taken(self._target) from None
        except OSError as error:
            raise storage_failed(f"writing {self._target}", error, hint=HINT) from error
        os.close(self._file)
        self._file = -1

    def stop(self) -> None:
        """Take no more."""
        self._stopped.set()

    def discard(self) -> None:
        """Remove the file, unless it is finished."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._temporary.unlink(missing_ok=True)


def look(stopped: threading.Event) -> None:
    """Raise `Cancelled` where it was asked for."""
    if stopped.is_set():
        raise Cancelled("The export was cancelled.")


def check_target(target: Path, *, replace: bool) -> None:
    """Pass where an export may be written to. Raises `Taken` and `StorageFailed`."""
    try:
        if os.path.lexists(target) and not (replace and stat.S_ISREG(target.lstat().st_mode)):
            raise taken(target)
        if not target.parent.is_dir():
            raise StorageFailed(f"There is no folder {target.parent}.", hint=HINT)
    except OSError as error:
        raise storage_failed(f"looking at {target}", error, hint=HINT) from error


def taken(target: Path) -> Taken:
    """The error for a name that something has already."""
    plain = target.is_file() and not target.is_symlink()
    other = ", or --force to have it replaced" if plain else "; only a file is ever replaced"
    return Taken(
        f"{target} is there already.", hint=f"Nothing was changed. Give another name{other}."
    )


def beside(target: Path) -> Path:
    """A name for what is not finished: no other's, in the same folder."""
    return target.with_name(f".partial-{os.urandom(8).hex()}")
