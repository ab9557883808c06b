"""A device's database of a backup, of which SQLite reads the pages that it asks for, and no others.

The newest rows of a database of a gigabyte stand on a few pages, so a few chunks are read for them
and nothing is written anywhere. Python's own sqlite3 cannot be told where to read; apsw can. It has
a SQLite of its own, which opens no file here: it never meets the locks of the other.
"""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Iterator

import apsw
import numpy as np

from engine.errors import RepositoryDamaged
from engine.rebuild.stored import Described, describe
from engine.repository.chunk_reader import ChunkLost, ChunkReader
from engine.repository.manifest import LIST_NAMES, NAME_LENGTH, Image

_HELD = 256  # chunks that are kept, for SQLite comes back to interior pages
_READ_ONLY = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI


@contextlib.contextmanager
def paged_device(
    reader: ChunkReader, image: Image, what: str
) -> Iterator[tuple[apsw.Connection, Described]]:
    """A device's database, open to be read. Blocks; raises `RepositoryDamaged`, naming it `what`.

    Ids are zeros, and indexes that were left out are empty: see `Described.source`. A text that is
    no UTF-8 cannot be fetched, but cast to a BLOB.
    """
    name = f"backup-{os.urandom(8).hex()}"
    files = _Files(name, _File(reader, image))
    try:
        with contextlib.closing(
            apsw.Connection("file:image?immutable=1", flags=_READ_ONLY, vfs=name)
        ) as connection:
            for setting in ("trusted_schema = OFF", "cell_size_check = ON", "query_only = ON"):
                connection.execute(f"PRAGMA {setting}")
            connection.execute("PRAGMA temp_store = MEMORY")
            yield connection, describe(connection, image, what)
    except (ChunkLost, apsw.Error, UnicodeDecodeError) as error:
        reason = str(error).rstrip(".")
        raise RepositoryDamaged(f"{what} cannot be read: {reason}.") from error
    finally:
        files.unregister()


class _Files(apsw.VFS):
    """A file system in which there is one file."""

    def __init__(self, name: str, file: _File) -> None:
        super().__init__(name, base="")
        self._file = file

    def xOpen(  # type: ignore[override]  # apsw asks for its methods, not for its kind  # noqa: N802
        self, name: object, flags: list[int]
    ) -> _File:
        """Open that file."""
        flags[1] = flags[0]
        return self._file

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        """There is nothing beside it: no journal, no WAL."""
        return False

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        """It is in no folder."""
        return name


class _File:
    """The bytes of an image, read chunk by chunk. apsw calls its methods."""

    def __init__(self, reader: ChunkReader, image: Image) -> None:
        self._reader = reader
        self._image = image
        self._chunk = reader.chunk_length(image.page_size)
        self._lists: dict[int, bytes] = {}
        self._held: OrderedDict[int, bytes] = OrderedDict()

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        """Bytes of the image; fewer at its end. Raises `ChunkLost`."""
        end = min(offset + amount, self._image.size)
        parts = []
        while offset < end:
            place, within = divmod(offset, self._chunk)
            part = self._read(place)[within : within + end - offset]
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read(self, place: int) -> bytes:
        held = self._held.get(place)
        if held is not None:
            self._held.move_to_end(place)
            return held
        number, at = divmod(place, LIST_NAMES)
        if number not in self._lists:
            self._lists[number] = self._reader.read_list(self._image, number)
        name = self._lists[number][at * NAME_LENGTH : (at + 1) * NAME_LENGTH]
        buffer = bytearray(min(self._chunk, self._image.size - place * self._chunk))
        names = np.frombuffer(name, np.uint8).reshape(1, NAME_LENGTH)
        self._reader.read_into(names, self._chunk, memoryview(buffer))
        self._held[place] = bytes(buffer)
        if len(self._held) > _HELD:
            self._held.popitem(last=False)
        return self._held[place]

    def xFileSize(self) -> int:  # noqa: N802
        """Bytes of the image."""
        return self._image.size

    def xClose(self) -> None:  # noqa: N802
        """Nothing is open."""

    def xLock(self, level: int) -> None:  # noqa: N802
        """A backup never changes: nothing has to be held."""

    def xUnlock(self, level: int) -> None:  # noqa: N802
        """See `xLock`."""

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        """Nobody writes."""
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:  # noqa: N802
        """Nothing is known here that SQLite may ask for."""
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        """The unit in which a disk would write."""
        return 4096

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        """It never changes while it is open."""
        return apsw.SQLITE_IOCAP_IMMUTABLE
