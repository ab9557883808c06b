"""Where a repository's objects are kept: one small interface, and the local disk.

The docstrings of `Storage` are the contract that every implementation is tested against.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from engine.errors import FULL_HINT, StorageFailed
from engine.syncing import sync_folder

Buffer = bytes | bytearray | memoryview
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*")
_TEMPORARY = ".new-"
_BUFFERS_AT_ONCE = 512  # below the kernel's limit of 1,024 for one writev


class NotStored(Exception):
    """There is no object of that name, or it is shorter than what was asked for."""


class AlreadyStored(Exception):
    """There is an object of that name; it was left as it is."""


class Storage(Protocol):
    """Objects by name. Names are lower-case letters, digits, dashes and slashes.

    Methods block: call them in a thread or a child process. Every failure of the medium (full,
    read-only, out of reach) raises `StorageFailed`.
    """

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        """Store a new object, the parts one behind the other.

        When this returns the object is whole and survives a power cut. Until then nobody sees any
        of it. Of several writers of one name exactly one succeeds. Raises `AlreadyStored`.
        """

    def replace(self, name: str, parts: Sequence[Buffer]) -> None:
        """Put a new object in the place of one that is there; only manifests are ever replaced.

        Whoever reads meanwhile reads the old one or the new one, each of them whole, and so does
        whoever reads after a power cut; when this returns, the new one. One writer at a time.
        Raises `NotStored`.
        """

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read `length` bytes from `offset` on, or all of them. Raises `NotStored`."""

    def size(self, name: str) -> int:
        """An object's size in bytes. Raises `NotStored`."""

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Names and sizes of all whole objects below `prefix`, in no particular order."""

    def delete(self, name: str) -> None:
        """Remove an object for good. Removing what is not there is no error."""

    def clean(self) -> None:
        """Remove what writers that died left half-written. Nobody else may be writing."""


class LocalStorage:
    """Objects as files in a folder: folders 0700, files 0600, whatever the umask.

    Where nothing is to outlive the process, it is not `durable`: then nothing is synced.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder = folder
        self._durable = durable

    @property
    def folder(self) -> Path:
        """Where the objects are."""
        return self._folder

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        """Write a temporary file beside the target, sync it, link it in place, sync the folder."""
        target = self._path(name)
        with _explained(f"writing {name}"):
            self._make_folder(target.parent)
            with _written(target, parts, durable=self._durable) as temporary:
                try:
                    publish(temporary, target)
                except FileExistsError:
                    raise AlreadyStored(name) from None
            self._sync(target.parent)

    def replace(self, name: str, parts: Sequence[Buffer]) -> None:
        """Write a temporary file beside the target, sync it, rename it, sync the folder."""
        target = self._path(name)
        with _explained(f"replacing {name}"):
            if not target.is_file():
                raise NotStored(name)
            with _written(target, parts, durable=self._durable) as temporary:
                temporary.rename(target)
            self._sync(target.parent)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read from the file."""
        with self._opened(name) as file:
            wanted = os.fstat(file).st_size - offset if length is None else length
            data = os.pread(file, wanted, offset) if wanted > 0 else b""
            while len(data) < wanted:
                more = os.pread(file, wanted - len(data), offset + len(data))
                if not more:
                    raise NotStored(name)
                data += more
            return data

    def size(self, name: str) -> int:
        """Ask the file system."""
        with self._opened(name) as file:
            return os.fstat(file).st_size

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Walk the folder; files that no object may be named are passed over."""
        with _explained(f"listing {prefix}"):
            top = len(os.fspath(self._folder)) + 1
            for base, _, files in os.walk(self._folder / prefix, onerror=_raise_unless_gone):
                for file in files:
                    path = f"{base}/{file}"
                    if _NAME.fullmatch(path, top):
                        with contextlib.suppress(FileNotFoundError):  # removed while listing
                            yield path[top:], Path(path).stat().st_size

    def delete(self, name: str) -> None:
        """Unlink the file and sync its folder."""
        target = self._path(name)
        gone = contextlib.suppress(FileNotFoundError, NotADirectoryError)
        with _explained(f"removing {name}"), gone:
            target.unlink()
            self._sync(target.parent)

    def clean(self) -> None:
        """Remove temporary files."""
        with _explained("cleaning up"):
            for base, _, files in os.walk(self._folder):
                for file in files:
                    if file.startswith(_TEMPORARY):
                        Path(base, file).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a name of an object: {name!r}")
        return self._folder / name

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != self._folder:
            self._make_folder(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        folder.chmod(0o700)
        self._sync(folder.parent)

    def _sync(self, folder: Path) -> None:
        if self._durable:
            sync_folder(folder)

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        path = self._path(name)
        with _explained(f"reading {name}"):
            try:
                # Without O_NONBLOCK, a pipe in the file's place would make us wait for ever.
                flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
                file = os.open(path, flags)
            except (FileNotFoundError, NotADirectoryError):
                raise NotStored(name) from None
            try:
                yield file
            finally:
                os.close(file)


@contextlib.contextmanager
def _written(target: Path, parts: Sequence[Buffer], *, durable: bool) -> Iterator[Path]:
    """A new private file beside `target`, whole and on disk; what is left of it is removed.

    Where it need not be `durable`, it may not be on disk yet.
    """
    temporary = target.with_name(f"{_TEMPORARY}{os.urandom(8).hex()}")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.fchmod(file, 0o600)
            _write_all(file, parts)
            if durable:
                os.fsync(file)
        finally:
            os.close(file)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def publish(temporary: Path, target: Path) -> None:
    """Give a file its final name, never replacing another. Raises FileExistsError."""
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        if target.exists():  # a file system without links: names are random, so nobody races
            raise FileExistsError(target) from None
        temporary.rename(target)


def _write_all(file: int, parts: Sequence[Buffer]) -> None:
    pending = [memoryview(part) for part in parts if len(part)]
    while pending:
        written = os.writev(file, pending[:_BUFFERS_AT_ONCE])
        while pending and written >= len(pending[0]):
            written -= len(pending.pop(0))
        if written:
            pending[0] = pending[0][written:]


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "access is denied",
    errno.EPERM: "the operation is not permitted",
    errno.EIO: "the disk reports an error",
}


@contextlib.contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Turn what the operating system says into `StorageFailed`."""
    try:
        yield
    except OSError as error:
        raise storage_failed(doing, error) from error


def storage_failed(doing: str, error: OSError, *, hint: str = "") -> StorageFailed:
    """The error for an owner, of what the operating system said while `doing` something.

    Without a `hint` it is one for the home's own disk.
    """
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
    full = FULL_HINT if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return StorageFailed(f"Storage failed while {doing}: {reason}.", hint=hint or full)
