"""A large file is read in slices while others write to it; what comes out is one moment of it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import Busy
from engine.model import LeaveOut
from engine.snapshot.results import Read

if TYPE_CHECKING:
    from snapshot_support import Content, Filled, Workbench, Writer

pytest_plugins = ["tests.engine.snapshot_support"]

pytestmark = pytest.mark.usefixtures("small_slices")

EVERY_CHOICE = list(LeaveOut)
ROWS = 6000  # about 1.6 MB: six slices or more


@pytest.mark.parametrize("leave_out", EVERY_CHOICE)
@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_a_quiet_large_file_is_what_its_slices_are(
    bench: Workbench,
    filled: Filled,
    tmp_path: Path,
    small_slices: int,
    page_size: int,
    leave_out: LeaveOut,
) -> None:
    path = tmp_path / "device.db"
    source = filled(
        path,
        ROWS,
        page_size=page_size,
        long=500,
        after="DELETE FROM data WHERE rowid % 9 = 0;"
        "UPDATE data SET value = hex(zeroblob(200)) WHERE rowid % 7 = 0",
    )
    read = bench.read(path, leave_out)
    assert read.image.size > 4 * small_slices
    bench.check(source, read)


GROW = "{more}"
CHANGES = {
    "rows are added": (GROW,),
    "rows are added everywhere": (GROW, GROW, GROW),
    "rows are updated": ("UPDATE data SET value = 'updated' WHERE rowid % 3 = 0",),
    "rows grow": ("UPDATE data SET value = hex(zeroblob(400)) WHERE rowid % 5 = 0",),
    "ids change": ("UPDATE data SET id = '715f' || substr(id, 5)",),
    "rows are deleted": ("DELETE FROM data WHERE rowid BETWEEN 100 AND 2000",),
    "all is deleted": ("DELETE FROM data",),
    "the file shrinks": ("DELETE FROM data WHERE rowid > 1500; VACUUM",),
    "the file shrinks to less than a slice": ("DELETE FROM data WHERE rowid > 50; VACUUM",),
    "the file shrinks and grows": ("DELETE FROM data; VACUUM", GROW),
    "pages change their kind": (
        "DELETE FROM data WHERE rowid BETWEEN 1000 AND 3000",
        "UPDATE data SET metadata = hex(zeroblob(5000)) WHERE rowid < 60",
        GROW,
    ),
    "an index comes": ("CREATE INDEX later ON data (created_at)",),
    "an index goes": ("DROP INDEX data_group_index", GROW),
    "a column comes": ("ALTER TABLE data ADD COLUMN later TEXT", GROW),
    "a table comes": ("CREATE TABLE extra AS SELECT * FROM data LIMIT 100",),
    "a row with a negative rowid comes": (
        "INSERT INTO data (rowid, id) VALUES (-7, '715e00000000000000000000')",
    ),
    "an id of another width comes": ("INSERT INTO data (id) VALUES ('short')",),
    "an index on the id comes": ("CREATE INDEX of_id ON data (id)",),
}


class Script:
    """Statements that the writer runs between slices, from a given one on."""

    def __init__(self, writer: Writer, path: Path, first: int, statements: tuple[str, ...]) -> None:
        self._writer = writer
        self._path = path
        self._first = first
        self._statements = statements
        self.ran = 0

    def __call__(self, number: int) -> None:
        """Run the statement whose turn it is, each once, however often the file is read."""
        if number >= self._first and self.ran < len(self._statements):
            self._writer.run(self._path, self._statements[self.ran])
            self.ran += 1


@pytest.mark.parametrize("leave_out", EVERY_CHOICE)
@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize("change", CHANGES)
def test_what_is_settled_is_the_state_at_the_last_lock(
    bench: Workbench,
    filled: Filled,
    writer: Writer,
    tmp_path: Path,
    content_of: Callable[[Path], Content],
    change: str,
    first: int,
    leave_out: LeaveOut,
) -> None:
    path = tmp_path / "device.db"
    before = filled(path, ROWS)
    statements = tuple(
        statement.format(more=filled.more(10_000 * n, 10_000 * n + 300))
        for n, statement in enumerate(CHANGES[change], 1)
    )
    script = Script(writer, path, first, statements)
    read = bench.read(path, leave_out, script)
    assert script.ran == len(statements)
    after = content_of(path)
    assert after != before
    bench.check(after, read)


@pytest.mark.parametrize("leave_out", EVERY_CHOICE)
@pytest.mark.parametrize(
    ("before", "change"),
    [("", "CREATE TABLE extra (x)"), ("CREATE TABLE extra (x)", "DROP TABLE extra")],
)
def test_a_file_that_changes_its_shape_keeps_nothing_of_what_was_stored(
    bench: Workbench,
    filled: Filled,
    writer: Writer,
    tmp_path: Path,
    content_of: Callable[[Path], Content],
    leave_out: LeaveOut,
    before: str,
    change: str,
) -> None:
    """After VACUUM whole pieces hold leaves only: their bytes stay, stored ids must not."""
    path = tmp_path / "device.db"
    filled(path, ROWS, after=f"VACUUM; {before}")
    script = Script(writer, path, 3, (change,))
    read = bench.read(path, leave_out, script)
    assert script.ran == 1
    assert (read.image.id_column is None) is (leave_out is LeaveOut.NONE or not before)
    image = bench.image_bytes(read.image)
    ids = content_of(path).ids
    assert sum(own in image for own in ids[::50] if isinstance(own, bytes)) == (
        len(ids[::50]) if read.image.id_column is None else 0
    )
    bench.check(content_of(path), read)


def test_slices_with_the_same_counter_need_no_second_look(
    bench: Workbench, filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.snapshot import settle

    def never(*_: object, **__: object) -> Read:
        raise AssertionError("settled without need")

    monkeypatch.setattr(settle, "settle", never)
    path = tmp_path / "device.db"
    source = filled(path, ROWS)
    bench.check(source, bench.read(path))


def test_a_file_that_is_rebuilt_with_other_pages_is_busy(
    bench: Workbench, filled: Filled, writer: Writer, tmp_path: Path
) -> None:
    path = tmp_path / "device.db"
    filled(path, ROWS)
    script = Script(writer, path, 1, ("PRAGMA page_size = 8192; VACUUM",))
    with pytest.raises(Busy, match=r"device\.db was rebuilt"):
        bench.read(path, LeaveOut.PRIMARY_KEY, script)


def test_many_changed_pieces_go_through_a_temporary_file(
    bench: Workbench,
    filled: Filled,
    writer: Writer,
    tmp_path: Path,
    content_of: Callable[[Path], Content],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from engine.snapshot import settle

    monkeypatch.setattr(settle, "_HELD_IN_MEMORY", 64 << 10)
    path = tmp_path / "device.db"
    filled(path, ROWS)
    script = Script(writer, path, 4, ("UPDATE data SET value = 'y' || value",))
    read = bench.read(path, LeaveOut.PRIMARY_KEY, script)
    bench.check(content_of(path), read)
    assert [item.name for item in tmp_path.iterdir()] == ["device.db"]


def test_a_large_file_in_wal_mode_is_copied_at_one_moment(
    bench: Workbench,
    filled: Filled,
    writer: Writer,
    tmp_path: Path,
    content_of: Callable[[Path], Content],
) -> None:
    path = tmp_path / "device.db"
    filled(path, ROWS)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as held:
        held.execute("PRAGMA journal_mode = WAL")
        held.execute("PRAGMA wal_autocheckpoint = 0")
        held.execute("INSERT INTO data (id) VALUES ('715e00000000000000000000')")
        source = content_of(path)
        script = Script(writer, path, 1, ("DELETE FROM data WHERE rowid < 1000",))
        read = bench.read(path, LeaveOut.PRIMARY_KEY, script)
        assert script.ran == 1
        assert len(content_of(path).rows) < len(source.rows)
    bench.check(source, read)
    assert list(tmp_path.glob("tmp*")) == []


def test_each_lock_of_a_large_file_is_only_for_one_slice(
    bench: Workbench, filled: Filled, writer: Writer, tmp_path: Path
) -> None:
    """Between any two slices a writer can commit: nothing is held from one to the next."""
    path = tmp_path / "device.db"
    filled(path, ROWS)
    committed = []

    def commit(number: int) -> None:
        writer.run(path, f"UPDATE data SET unit = 'u{number}' WHERE rowid = 1")
        committed.append(number)

    read = bench.read(path, LeaveOut.PRIMARY_KEY, commit)
    assert len(committed) >= 5
    assert read.longest_lock > 0
