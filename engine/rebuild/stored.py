"""A database of a backup, opened by SQLite to be read just as it is stored.

Of a canonical image SQLite sees every row, but ids are zeros and indexes that were left out are
empty: a query must say which index it uses. `Described.source` names one that is whole.

A small database is read in memory, a larger one from a scratch file (0600) that has no name any
more as soon as SQLite has it open: however this process ends, nothing of it stays.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from engine.errors import RepositoryDamaged
from engine.project.tables import open_unchanging, quote, read_text
from engine.rebuild.tasks import slices
from engine.repository.chunk_reader import ChunkLost, ChunkReader
from engine.repository.manifest import Image
from engine.syncing import write_all

IN_MEMORY = 16 << 20  # bytes of a database that is read in memory
ID = "id"


class Queried(Protocol):
    """A connection, as far as the description of a database needs one."""

    def execute(self, statement: str, bindings: tuple[str, ...] = ..., /) -> Iterable[Any]:
        """Rows."""


class Described(NamedTuple):
    """What a device's database is like.

    `columns` are those of the table ``data`` but the id, as they are called there. `indexes` are
    those that are whole, each with its columns (None for an expression). `key` is what a row is
    named by that no backup changes: its rowid, or its id in a table WITHOUT ROWID.
    """

    columns: tuple[str, ...]
    indexes: Mapping[str, tuple[str | None, ...]]
    key: str

    def source(self, *leading: str) -> str:
        """What to select from: the table by a whole index that begins with these columns.

        Where there is none, or no column is given, the table itself.
        """
        for name, columns in self.indexes.items():
            if leading and columns[: len(leading)] == leading:
                return f"data INDEXED BY {quote(name)}"
        return "data NOT INDEXED"


class Stored(NamedTuple):
    """A device's database, open: see `Described`. Texts that are no UTF-8 are `BrokenText`."""

    connection: sqlite3.Connection
    columns: tuple[str, ...]
    indexes: Mapping[str, tuple[str | None, ...]]
    key: str

    def source(self, *leading: str) -> str:
        """See `Described.source`."""
        return Described(self.columns, self.indexes, self.key).source(*leading)


@contextlib.contextmanager
def opened_device(reader: ChunkReader, image: Image, scratch: Path, what: str) -> Iterator[Stored]:
    """A device's database. Blocks; raises `RepositoryDamaged`, naming it `what`, and OSError.

    `scratch` is a private folder.
    """
    with opened(reader, image, scratch, what) as connection:
        yield Stored(connection, *describe(connection, image, what))


def describe(connection: Queried, image: Image, what: str) -> Described:
    """What an open image is like. Raises `RepositoryDamaged` where it is no device's."""
    kinds = "SELECT type, wr FROM pragma_table_list('data') WHERE schema = 'main'"
    ((kind, without_rowid),) = list(connection.execute(kinds)) or [(None, 0)]
    if kind != "table":
        raise RepositoryDamaged(f"{what} cannot be read: it has no table of variables.")
    names = [
        str(name)
        for name, hidden in connection.execute(
            "SELECT name, hidden FROM pragma_table_xinfo('data')"
        )
        if hidden != 1
    ]
    key = ID if without_rowid else _row_number(names, what)
    columns = tuple(name for name in names if name.lower() != ID)
    return Described(columns, _whole_indexes(connection, image), key)


def _row_number(columns: list[str], what: str) -> str:
    taken = {name.lower() for name in columns}
    for name in ("rowid", "_rowid_", "oid"):
        if name not in taken:
            return name
    raise RepositoryDamaged(f"{what} cannot be read: its columns hide the numbers of its rows.")


def _whole_indexes(connection: Queried, image: Image) -> dict[str, tuple[str | None, ...]]:
    """The indexes of the table that no row is missing from."""
    listed = "SELECT name FROM pragma_index_list('data') WHERE NOT partial"
    over = "SELECT name FROM pragma_index_info(?) ORDER BY seqno"
    return {
        name: tuple(column for (column,) in connection.execute(over, (name,)))
        for (name,) in list(connection.execute(listed))
        if isinstance(name, str) and name not in image.left_out
    }


@contextlib.contextmanager
def opened(
    reader: ChunkReader, image: Image, scratch: Path, what: str
) -> Iterator[sqlite3.Connection]:
    """Any database of a backup: a device's, a plugin's storage, or the main database.

    See `opened_device`; what SQLite says against it inside this context is told as damage, too.
    """
    try:
        with contextlib.closing(_connection(reader, image, scratch)) as connection:
            connection.text_factory = read_text
            for setting in ("trusted_schema = OFF", "cell_size_check = ON", "query_only = ON"):
                connection.execute(f"PRAGMA {setting}")
            connection.execute("PRAGMA temp_store = MEMORY")
            yield connection
    except (ChunkLost, sqlite3.DatabaseError) as error:
        reason = str(error).rstrip(".")
        raise RepositoryDamaged(f"{what} cannot be read: {reason}.") from error


def _connection(reader: ChunkReader, image: Image, scratch: Path) -> sqlite3.Connection:
    if image.size > IN_MEMORY:
        return _from_file(reader, image, scratch)
    data = bytearray(image.size)
    reader.read_pages(image, 1, image.page_count, memoryview(data))
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(data)
    return connection


def _from_file(reader: ChunkReader, image: Image, scratch: Path) -> sqlite3.Connection:
    file, name = tempfile.mkstemp(dir=scratch, suffix=".db")  # 0600, whatever the umask
    try:
        try:
            write_image(reader, image, file)
        finally:
            os.close(file)
        return open_unchanging(Path(name))
    finally:
        Path(name).unlink()


def write_image(reader: ChunkReader, image: Image, file: int) -> None:
    """Write an image just as it is stored into an open, empty file. Raises `ChunkLost`, OSError."""
    os.ftruncate(file, image.size)
    for first, count in slices(image):
        data = bytearray(count * image.page_size)
        reader.read_pages(image, first, count, memoryview(data))
        write_all(file, memoryview(data), (first - 1) * image.page_size)
