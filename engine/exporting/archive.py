"""What an export is written into: a stream of tar, compressed or not, or a folder.

Every file that is added is named in the list of checksums, which comes last: where that is there,
and is right, all of it is. These classes block; call them in a thread, one call at a time.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

from engine.exporting.output import HINT, Output, beside, check_target, look
from engine.repository.storage import storage_failed
from engine.syncing import sync_folder

if TYPE_CHECKING:
    import zstandard

CHECKSUMS = "SHA256SUMS"  # in the form that `sha256sum --check` reads
LEVEL = 3  # zstandard's own choice
_THREADS = 2
_AT_ONCE = 1 << 20  # bytes


class Member(NamedTuple):
    """A file of an export: its path in it, with slashes."""

    path: str
    size: int
    sha256: str


class Archive(Protocol):
    """Takes files one after the other, from a single writer.

    `members` are those that came, in their order; `taken` is the bytes of files taken so far.
    """

    members: list[Member]
    taken: int

    @property
    def size(self) -> int:
        """Bytes written so far."""

    def add(self, path: str, source: BinaryIO) -> None:
        """Take a file. Raises `StorageFailed`, and `Cancelled` after `stop`."""

    def finish(self) -> None:
        """Write the list of checksums, and see that all is on disk under its name."""

    def stop(self) -> None:
        """Let a call that is under way end soon. May be called from any thread."""

    def discard(self) -> None:
        """Remove all that is not finished."""


class TarArchive:
    """A tar, all below one folder; compressed as one zstandard frame, or not at all."""

    def __init__(self, output: Output, folder: str, when: int, *, compressed: bool) -> None:
        """`when` is the time of every file in it, in seconds since 1970."""
        self.members: list[Member] = []
        self.taken = 0
        self._output = output
        self._folder = folder
        self._when = when
        self._folders: set[str] = set()
        self._frame: zstandard.ZstdCompressionWriter | None = None
        if compressed:
            import zstandard

            packer = zstandard.ZstdCompressor(level=LEVEL, threads=_THREADS, write_checksum=True)
            self._frame = packer.stream_writer(output, closefd=False)  # type: ignore[arg-type]  # it is written to, and nothing else
        self._written = 0  # bytes of the tar

    @property
    def size(self) -> int:
        """Bytes written so far, compressed."""
        return self._output.size

    def add(self, path: str, source: BinaryIO) -> None:
        """Write a header and the bytes."""
        whole = f"{self._folder}/{path}"
        self._add_folders(whole)
        size = source.seek(0, os.SEEK_END)
        source.seek(0)
        self._header(whole, 0o600, size)
        digest, left = hashlib.sha256(), size
        while left:
            data = source.read(min(left, _AT_ONCE))
            if not data:
                raise OSError("a file became shorter while it was read")
            digest.update(data)
            self._write(data)
            self.taken += len(data)
            left -= len(data)
        self._pad(tarfile.BLOCKSIZE)
        self.members.append(Member(path, size, digest.hexdigest()))

    def _add_folders(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            folder = "/".join(parts[:count])
            if folder not in self._folders:
                self._folders.add(folder)
                self._header(folder, 0o700, 0, kind=tarfile.DIRTYPE)

    def _header(self, path: str, mode: int, size: int, kind: bytes = tarfile.REGTYPE) -> None:
        entry = tarfile.TarInfo(path)
        entry.mode, entry.size, entry.type, entry.mtime = mode, size, kind, self._when
        self._write(entry.tobuf(tarfile.PAX_FORMAT))

    def _pad(self, block: int) -> None:
        self._write(bytes(-self._written % block))

    def _write(self, data: bytes) -> None:
        self._written += len(data)
        if self._frame is not None:
            self._frame.write(data)
        else:
            self._output.write(data)

    def finish(self) -> None:
        """Write the checksums and the ends of tar and frame."""
        _add_checksums(self)
        self._write(bytes(2 * tarfile.BLOCKSIZE))
        self._pad(tarfile.RECORDSIZE)
        if self._frame is not None:
            import zstandard

            self._frame.flush(zstandard.FLUSH_FRAME)
        self._output.finish()

    def stop(self) -> None:
        """Stop what is being written."""
        self._output.stop()

    def discard(self) -> None:
        """Remove what was written of it."""
        self._output.discard()


class FolderArchive:
    """A private folder that gets its name when it is whole. It never takes another's place."""

    def __init__(self, target: Path) -> None:
        self.members: list[Member] = []
        self.taken = 0
        self._target = target
        self._stopped = threading.Event()
        check_target(target, replace=False)
        self._partial = beside(target)
        try:
            _make_folder(self._partial)
        except OSError as error:
            raise storage_failed(f"making {target}", error, hint=HINT) from error

    @property
    def size(self) -> int:
        """Bytes written so far: just what was taken."""
        return self.taken

    def add(self, path: str, source: BinaryIO) -> None:
        """Write a file, and bring it to disk."""
        target, digest, size = self._partial / path, hashlib.sha256(), 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            if not target.parent.is_dir():
                _make_folder(target.parent)
            with os.fdopen(os.open(target, flags, 0o600), "wb", buffering=0) as file:
                os.fchmod(file.fileno(), 0o600)
                while data := source.read(_AT_ONCE):
                    look(self._stopped)
                    digest.update(data)
                    size += len(data)
                    self.taken += len(data)
                    rest = memoryview(data)
                    while rest:
                        rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
        except OSError as error:
            raise storage_failed(f"writing {self._target}", error, hint=HINT) from error
        self.members.append(Member(path, size, digest.hexdigest()))

    def finish(self) -> None:
        """Write the checksums, and give the folder its name."""
        _add_checksums(self)
        try:
            for base, _, _ in os.walk(self._partial, topdown=False):
                sync_folder(Path(base))
            check_target(self._target, replace=False)
            self._partial.rename(self._target)  # in a race, only an empty folder could be there
            sync_folder(self._target.parent)
        except OSError as error:
            raise storage_failed(f"writing {self._target}", error, hint=HINT) from error

    def stop(self) -> None:
        """Stop what is being written."""
        self._stopped.set()

    def discard(self) -> None:
        """Remove the folder, unless it is finished."""
        shutil.rmtree(self._partial, ignore_errors=True)


def _add_checksums(archive: Archive) -> None:
    lines = (f"{member.sha256}  {member.path}\n" for member in archive.members)
    archive.add(CHECKSUMS, io.BytesIO("".join(lines).encode()))


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    folder.chmod(0o700)
