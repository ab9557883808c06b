"""Devices' databases made by SQLite, read and rebuilt in this process as a backup and restore do.

Test modules get the fixtures below by naming this module in `pytest_plugins`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import pytest

from engine.model import Encryption, LeaveOut
from engine.pages.accounting import IndexDamaged
from engine.pages.header import NotCanonical
from engine.pages.slices import slices
from engine.rebuild import child as rebuild_child
from engine.rebuild import databases as rebuilding
from engine.rebuild import large
from engine.rebuild import tasks as rebuild_tasks
from engine.rebuild.results import Rebuild
from engine.repository.chunk_reader import ChunkReader
from engine.repository.index import load_index
from engine.repository.manifest import LIST_NAMES, Image
from engine.repository.repository import (
    Repository,
    create_repository,
    open_repository,
)
from engine.repository.storage import AlreadyStored, Buffer, NotStored, Storage
from engine.snapshot import child, databases, results
from engine.snapshot import settle as settling
from engine.spool import Spooled

P = ParamSpec("P")
T = TypeVar("T")

KEY = bytes(range(32))
PREFIX = b"715fabcdef0123"
COLUMNS = (
    "`id` varchar(24)",
    "`variable` varchar(100)",
    "`type` varchar(15)",
    "`value` text",
    "`unit` varchar(100)",
    "`group` varchar(24)",
    "`location` json",
    "`metadata` json",
    "`time` datetime",
    "`created_at` datetime",
    "`serie` varchar(100)",
)
INDEXES = (
    ("data_variable_value_time_index", ("variable", "value", "time")),
    ("data_variable_time_index", ("variable", "time")),
    ("data_time_index", ("time",)),
    ("data_group_index", ("group",)),
)
_ID = re.compile(rb"[0-9a-f]{24}")


class MemoryStorage:
    """A store in memory that keeps the contract of `Storage`, but for power cuts."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        """Join the parts."""
        with self._lock:
            if name in self.objects:
                raise AlreadyStored(name)
            self.objects[name] = b"".join(parts)

    def replace(self, name: str, parts: Sequence[Buffer]) -> None:
        """Join the parts."""
        with self._lock:
            self._object(name)
            self.objects[name] = b"".join(parts)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Cut out of the object."""
        whole = self._object(name)
        data = whole[offset:] if length is None else whole[offset : offset + length]
        if length is not None and len(data) < length:
            raise NotStored(name)
        return data

    def size(self, name: str) -> int:
        """Length of the object."""
        return len(self._object(name))

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Objects whose names begin with the folder."""
        yield from [
            (name, len(data))
            for name, data in self.objects.items()
            if name.startswith(f"{prefix}/")
        ]

    def delete(self, name: str) -> None:
        """Forget the object."""
        self.objects.pop(name, None)

    def clean(self) -> None:
        """Nothing is ever half-written."""

    def _object(self, name: str) -> bytes:
        if name not in self.objects:
            raise NotStored(name)
        return self.objects[name]


def make_repository(storage: Storage, encryption: Encryption) -> Repository:
    """A new repository in a store."""
    create_repository(storage, encryption, KEY)
    return open_repository(storage, KEY)


@dataclass(frozen=True, slots=True)
class Content:
    """What SQL sees of a device's database: its schema, its rows without ids, and its ids."""

    schema: list[tuple[object, ...]]
    rows: list[tuple[object, ...]]
    ids: list[object]


class Workbench:
    """Reads databases into a repository and makes databases of what it read.

    Drives the tasks of child processes in the order in which `engine.backup` and `engine.restore`
    do. `folder` is for the files that are made.
    """

    def __init__(
        self,
        folder: Path,
        storage: Storage | None = None,
        encryption: Encryption = Encryption.AES_256_GCM,
    ) -> None:
        self.folder = folder
        self.storage = storage if storage is not None else MemoryStorage()
        self.repository = make_repository(self.storage, encryption)
        self._made = 0

    def read(
        self,
        path: Path,
        leave_out: LeaveOut = LeaveOut.PRIMARY_KEY,
        between: Callable[[int], None] = lambda _: None,
    ) -> results.Read:
        """Read and store a database, wholly.

        `between` is called with 0, 1, ... before every slice of a large file but the first, and
        once more when all are read.
        """
        child.configure(self.repository, leave_out, str(self.folder))
        try:
            read = self._read(path, between, results.Way.USUAL)
            child.finish()
        finally:
            child.setup.store._writer.close()
        return read

    def _read(self, path: Path, between: Callable[[int], None], way: results.Way) -> results.Read:
        begun = databases.begin(str(path), way=way)
        if isinstance(begun, results.Read):
            return begun
        try:
            return self._slices(begun, between)
        except IndexDamaged:
            return self._read(path, between, results.Way.TABLE_ONLY)
        except NotCanonical:
            return self._read(path, between, results.Way.AS_IS)
        finally:
            if begun.path != str(path):
                Path(begun.path).unlink()

    def _slices(self, begun: results.Opening, between: Callable[[int], None]) -> results.Read:
        plan = begun.plan
        pages = child.SLICE // plan.page_size
        parts = []
        for number, (first, count) in enumerate(slices(plan.page_count, pages)):
            cut = plan.cut(first, count)
            parts.append(databases.read_slice(begun.path, cut, first, count))
            between(number)
        if any(part.counter != begun.counter for part in parts):
            return settling.settle(begun.path, begun, parts, way=begun.way)
        if any(part.names is None for part in parts):
            raise NotCanonical("its pages are not those of an image")
        return databases.seal(begun, parts)

    def image_bytes(self, image: Image) -> bytes:
        """The bytes of an image as the repository has them."""
        reader = self.reader()
        chunk = self.repository.chunk_length(image.page_size)
        count = -(-image.size // chunk)
        lists = [reader.read_list(image, n) for n in range(-(-count // LIST_NAMES))]
        names = np.frombuffer(b"".join(lists), np.uint8).reshape(-1, 16)
        buffer = bytearray(image.size)
        reader.read_into(names, chunk, memoryview(buffer))
        return bytes(buffer)

    def reader(self) -> ChunkReader:
        """Reads what the repository holds by now."""
        index = load_index(self.repository.storage, self.repository.keys)
        return ChunkReader(self.repository, index)

    def rebuild(self, read: results.Read, prefix: bytes = PREFIX) -> Path:
        """Make a database of what was read; its path."""
        rebuild_child.configure(self.repository, str(self.folder))
        rebuild_child.setup._reader = None
        self._made += 1
        path = self.folder / f"restored-{self._made}.db"
        job = Rebuild(read.image, str(path), prefix, read.rows, "Device 'pump'")
        if rebuild_tasks.is_small(read.image):
            rebuilding.rebuild(job)
            rebuild_child.flush()
        else:

            async def write(first: int, count: int) -> Spooled[rebuilding.Slice]:
                return rebuilding.write_slice(job, first, count)

            asyncio.run(large.make(Here(), job, write))
            large.remove_scratch(path)
            rebuilding.check_trees_of(job)
            rebuilding.check_rows_of(job)
        return path

    def check(self, source: Content, read: results.Read) -> Path:
        """Rebuild, and check that the result is the source but for its ids; its path."""
        path = self.rebuild(read)
        assert path.stat().st_mode & 0o777 == 0o600
        restored = content(path)
        assert restored.schema == source.schema
        assert restored.rows == source.rows
        assert read.rows == len(source.rows)
        for found in restored.ids:
            assert isinstance(found, bytes)
            assert _ID.fullmatch(found)
            assert found.startswith(PREFIX)
        assert restored.ids == sorted(set(map(_as_bytes, restored.ids)))
        assert not set(restored.ids) & set(source.ids)
        check_indexes(path)
        path.unlink()
        return path


class Here:
    """Runs the tasks of children in this process."""

    async def run(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a task at once."""
        return task(*args, **kwargs)


def _as_bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value


def content(path: Path) -> Content:
    """Everything SQL sees, as bytes and with the types of values; rows by rowid, or by id."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        schema = connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
        ).fetchall()
        names = [
            name.decode()
            for (name,) in connection.execute("SELECT name FROM pragma_table_info('data')")
        ]
        (without_rowid,) = connection.execute(
            "SELECT wr FROM pragma_table_list('data') WHERE schema = 'main'"
        ).fetchone()
        key = "id" if without_rowid else "rowid"
        others = [f'"{name}"' for name in names if name != "id"]
        wanted = [*others, *(f"typeof({name})" for name in others)]
        if not without_rowid:
            wanted.append("rowid")
        rows = connection.execute(
            f"SELECT {', '.join(wanted)} FROM data NOT INDEXED ORDER BY {key}"
        ).fetchall()
        ids = []
        if "id" in names:
            ids = connection.execute(f"SELECT id FROM data NOT INDEXED ORDER BY {key}").fetchall()
    return Content(schema, rows, [found for (found,) in ids])


def check_indexes(path: Path) -> None:
    """Check a database wholly, and that every index leads to every row."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (rows,) = connection.execute("SELECT count(*) FROM data NOT INDEXED").fetchone()
        (without_rowid,) = connection.execute(
            "SELECT wr FROM pragma_table_list('data') WHERE schema = 'main'"
        ).fetchone()
        for name, partial in connection.execute(
            "SELECT name, partial FROM pragma_index_list('data')"
        ).fetchall():
            if not partial and not without_rowid:
                found = connection.execute(f'SELECT rowid FROM data INDEXED BY "{name}"').fetchall()
                assert len(set(found)) == len(found) == rows


class Writer:
    """Another process that writes to databases, one transaction at a time."""

    _PROGRAM = (
        "import sqlite3, sys\n"
        "for line in sys.stdin:\n"
        "    path, _, sql = line.rstrip('\\n').partition('\\t')\n"
        "    own = sqlite3.connect(path, isolation_level=None)\n"
        "    own.executescript(sql)\n"
        "    own.close()\n"
        "    print('done', flush=True)\n"
    )

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, path: Path, sql: str) -> None:
        """Run statements; when this returns they are committed and the file is closed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\t{' '.join(sql.split())}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """A workbench with a repository in memory."""
    return Workbench(tmp_path)


@pytest.fixture(scope="module")
def make_bench() -> Callable[[Path], Workbench]:
    """Makes workbenches with repositories in memory, one per folder."""
    return Workbench


@pytest.fixture
def memory_storage() -> MemoryStorage:
    """An empty store in memory."""
    return MemoryStorage()


@pytest.fixture
def writer() -> Iterator[Writer]:
    """Another process that writes."""
    process = Writer()
    yield process
    process.close()


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> int:
    """Slices of 256 KiB, so that small files count as large; gives their size."""
    size = 256 << 10
    for module in (child, databases, rebuild_child, rebuild_tasks):
        monkeypatch.setattr(module, "SLICE", size)
    return size


def create_table(
    connection: sqlite3.Connection,
    columns: Sequence[str] = COLUMNS,
    *,
    tail: str = "",
) -> None:
    """Make a device's table with these columns, and its indexes as far as it has their columns."""
    connection.execute(f"CREATE TABLE `data` ({', '.join(columns)}, primary key (`id`)){tail}")
    names = {column.split("`")[1] for column in columns}
    for index, over in INDEXES:
        if names.issuperset(over):
            listed = ", ".join(f"`{name}`" for name in over)
            connection.execute(f"CREATE INDEX `{index}` ON `data` ({listed})")


@pytest.fixture(scope="module")
def table() -> Callable[..., None]:
    """`create_table`, for tests that make databases of their own."""
    return create_table


FILL = """
    WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
    INSERT INTO data (rowid, id, variable, type, value, `group`, metadata, time, created_at)
    SELECT i, printf('715e%020x', i * 7919), 'v' || i % 7, 'number', i * 1.5,
           printf('715d%020x', i / 3), CASE WHEN i % 10 = 0 THEN hex(zeroblob({long})) END,
           1700000000000 + i * 60000, 1700000000000 + i * 60001 FROM n
"""


@dataclass(frozen=True, slots=True)
class Filled:
    """Makes device databases of plain rows."""

    def __call__(
        self,
        path: Path,
        rows: int,
        *,
        page_size: int = 4096,
        long: int = 4,
        before: str = "",
        after: str = "",
        first: int = 1,
    ) -> Content:
        """Make a database of `rows` rows; every tenth has a text of 2 * `long` characters.

        `before` runs before the table is made, `after` when it is filled.
        """
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(f"PRAGMA page_size = {page_size}; {before}")
            connection.execute("PRAGMA synchronous = OFF")
            create_table(connection)
            if rows:
                connection.execute(self.more(first, first + rows - 1, long))
            connection.executescript(after)
        return content(path)

    @staticmethod
    def more(first: int, last: int, long: int = 4) -> str:
        """A statement that adds rows with the rowids from `first` up to and with `last`."""
        return FILL.format(first=first, last=last, long=long)


@pytest.fixture(scope="module")
def filled() -> Filled:
    """Makes device databases of plain rows."""
    return Filled()


@pytest.fixture(scope="module")
def content_of() -> Callable[[Path], Content]:
    """`content`: everything SQL sees of a database."""
    return content
