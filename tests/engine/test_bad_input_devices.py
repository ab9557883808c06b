"""Device files that are not what they should be: told by name, and nothing is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    adopted,
    all_rows,
    backed_up,
    change,
    ids,
    leftovers,
    make_world,
    plain_bytes,
    query,
    restored,
    rows_without_ids,
)

from engine.children import Children
from engine.errors import Busy, Damaged, SourceDamaged
from engine.project.instance import find
from engine.snapshot.live import LiveFile


def missing(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def cut_in_the_header(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:60])


def not_sqlite(file: Path) -> None:
    file.write_bytes(b"these are no readings\n" * 500)


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def dangling_link(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.parent / "nowhere")


def zeros_inside(file: Path) -> None:
    size = file.stat().st_size
    raw = bytearray(file.read_bytes())
    raw[4096:size] = bytes(size - 4096)
    file.write_bytes(raw)


def no_table(file: Path) -> None:
    file.unlink()
    change(file, "CREATE TABLE other (x)")


BROKEN = [
    missing, empty, truncated, cut_in_the_header, not_sqlite, fifo, folder, dangling_link,
    zeros_inside, no_table,
]  # fmt: skip


@pytest.mark.parametrize("break_it", BROKEN)
async def test_a_device_that_cannot_be_read_is_named_and_nothing_is_lost(
    tmp_path: Path, break_it: Callable[[Path], None]
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        wanted = all_rows(world.source)
        world.now.pass_by(days=1)
        broken = world.files[0]
        break_it(broken)
        with pytest.raises(SourceDamaged) as told:
            await backed_up(engine)
        assert told.value.exit_code == 6
        assert broken.stem in told.value.message
        assert "--without-damaged" in told.value.hint
        assert await engine.backups("Plant") == [first]
        assert leftovers(world.home) == []
        report = await restored(engine, "Copy", first.id)
        assert all_rows(report.project.path) == wanted
        without = await backed_up(engine, without_damaged=True)
        details = await engine.show(without.id)
        assert [each.id for each in details.devices if each.missing] == [broken.stem]
        assert without.missing == 1
        partial = await restored(engine, "Without it", without.id)
        assert any(broken.stem in note for note in partial.notes)
        kept = all_rows(partial.project.path)
        assert kept.pop(broken.stem) == []
        assert kept == {key: rows for key, rows in wanted.items() if key != broken.stem}


@pytest.mark.parametrize("page", [2, 5, 8, 11])
async def test_pages_that_make_no_sense_are_never_taken_for_good_ones(
    tmp_path: Path, page: int
) -> None:
    world = make_world(tmp_path)
    file = world.files[0]
    wanted = all_rows(world.source)
    raw = bytearray(file.read_bytes())
    raw[4096 * (page - 1) : 4096 * page] = random.Random(page).randbytes(4096)
    file.write_bytes(raw)
    async with world.opened() as engine:
        await adopted(engine, world)
        failed: list[Damaged] = []
        try:
            await backed_up(engine)
            report = await restored(engine, "Copy")
        except Damaged as error:
            failed.append(error)
        else:  # it was a page of an index that is not kept
            assert all_rows(report.project.path) == wanted
        assert [file.stem in error.message for error in failed] in ([], [True])
        assert leftovers(world.home) == []


async def test_a_damaged_index_is_told_as_long_as_the_backups_lack_it(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    file = world.files[0]
    wanted = all_rows(world.source)
    (root,) = query(file, "SELECT rootpage FROM sqlite_schema WHERE name = 'data_group_index'")[0]
    assert isinstance(root, int)
    raw = bytearray(file.read_bytes())
    raw[4096 * (root - 1) : 4096 * root] = b"\xff" * 4096
    file.write_bytes(raw)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        world.now.pass_by(days=1)
        change(world.files[1], "DELETE FROM data WHERE rowid = 1")
        wanted[world.files[1].stem] = all_rows(world.source)[world.files[1].stem]
        second = await backed_up(engine)
        details = await engine.show(second.id)
        (note,) = [note for note in details.notes if file.stem in note]
        assert "an index of its database is damaged" in note
        report = await restored(engine, "Copy")
    assert all_rows(report.project.path) == wanted
    copy = find(report.project.path).device_file(file.stem)
    assert query(copy, "PRAGMA integrity_check") == [("ok",)]


async def test_a_device_of_an_older_version_has_its_columns_in_another_order(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    file = world.files[0]
    columns = [str(c) for (c,) in query(file, "SELECT name FROM pragma_table_info('data')")]
    others = [c for c in reversed(columns) if c != "id"]
    order = ", ".join(f'"{c}"' for c in [*others[:3], "id", *others[3:]])
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        indexes = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'data'").fetchone()
        types = dict(connection.execute("SELECT name, type FROM pragma_table_info('data')"))
        body = ", ".join(f'"{c}" {types[c]}' for c in [*others[:3], "id", *others[3:]])
        connection.execute("ALTER TABLE data RENAME TO newer")
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall():
            connection.execute(f'DROP INDEX "{name}"')
        connection.execute(f"CREATE TABLE data ({body}, PRIMARY KEY (id))")
        connection.execute(f"INSERT INTO data ({order}) SELECT {order} FROM newer")
        connection.execute("DROP TABLE newer")
        for (index,) in indexes:
            connection.execute(index)
    assert "id" in sql
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        report = await restored(engine, "Copy")
    copy = find(report.project.path).device_file(file.stem)
    assert rows_without_ids(copy) == rows_without_ids(file)
    assert set(ids(copy)).isdisjoint(ids(file))
    assert query(copy, "PRAGMA integrity_check") == [("ok",)]


# Begins a transaction that is larger than its cache, so that pages reach the file and the journal
# reaches the disk; then says so, and waits to be killed.
KILLED_WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 2")
db.execute("PRAGMA cache_spill = 2")
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE data SET value = 'half-made', metadata = hex(zeroblob(900))")
print("spilled", flush=True)
sys.stdin.read()
"""


def kill_a_writer(file: Path) -> None:
    """Leave what a writer leaves that is killed in the middle of a large transaction."""
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED_WRITER, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"spilled\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert file.with_name(f"{file.name}-journal").stat().st_size > 512
    assert b"half-made" in file.read_bytes()  # without the journal, these rows would be found


async def test_a_hot_journal_is_rolled_back_and_the_rows_are_those_before(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    file = world.files[0]
    before = rows_without_ids(file)
    kill_a_writer(file)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        report = await restored(engine, "Copy")
    copy = find(report.project.path).device_file(file.stem)
    assert rows_without_ids(copy) == before
    assert rows_without_ids(file) == before


# Holds a file under an exclusive lock until its input closes.
HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Child processes that wait a tenth of a second for a writer."""
    plain = Children.__init__

    def init(
        self: Children, setup: Callable[..., None], *arguments: object, **options: Any
    ) -> None:
        plain(self, _impatiently, setup, *arguments, **options)

    monkeypatch.setattr(Children, "__init__", init)


def _impatiently(setup: Callable[..., None], *arguments: object) -> None:
    setup(*arguments)
    LiveFile.patience = 0.1


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    processes: list[subprocess.Popen[bytes]] = []

    def hold(file: Path) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"

    yield hold
    for process in processes:
        process.communicate()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("which", ["device", "main"])
async def test_a_file_that_is_held_for_too_long_is_busy(
    tmp_path: Path, which: str, holder: Callable[[Path], None]
) -> None:
    world = make_world(tmp_path)
    held = world.files[0] if which == "device" else find(world.source).database
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        change(held, "CREATE TABLE touched (x)", "DROP TABLE touched")
        content = held.read_bytes()
        holder(held)
        with pytest.raises(Busy, match=held.name) as told:
            await backed_up(engine)
        assert "more than 0 seconds" in told.value.message
        assert told.value.exit_code == 5
        assert told.value.hint
        assert held.read_bytes() == content
        assert await engine.backups("Plant") == [first]
        assert leftovers(world.home) == []
        await restored(engine, "Copy")


async def test_a_device_file_that_is_a_link_to_another_file_is_read(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    file = world.files[0]
    elsewhere = tmp_path / "elsewhere.db"
    shutil.move(file, elsewhere)
    file.symlink_to(elsewhere)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        report = await restored(engine, "Copy")
    copy = find(report.project.path).device_file(file.stem)
    assert not copy.is_symlink()
    assert rows_without_ids(copy) == rows_without_ids(elsewhere)


async def test_devices_whose_ids_name_no_file_are_named_and_can_be_left_out(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    files = world.files
    twin = files[0].stem.upper()
    token = "7d5f0c1e-0000-4000-8000-00000000c0de"
    change(
        world.data / "data.db",
        *(f"INSERT INTO device (id, name) VALUES ('{each}', 'Odd')" for each in ("../../x", twin)),
        f"INSERT INTO device_token (token, device_id) VALUES ('{token}', '../../x')",
    )
    async with world.opened() as engine:
        await adopted(engine, world)
        with pytest.raises(SourceDamaged) as told:
            await backed_up(engine)
        for each in ('"../../x"', f'"{twin}"'):
            assert each in told.value.message
        assert await engine.backups("Plant") == []
        for _ in range(2):  # also where only a device has changed since
            without = await backed_up(engine, without_damaged=True)
            notes = (await engine.show(without.id)).notes
            assert sum("names no file" in note for note in notes) == 2
            assert without.devices == len(files)
            world.now.pass_by(days=1)
            change(files[0], "UPDATE data SET value = 'x' WHERE rowid = 1")
            with pytest.raises(SourceDamaged):
                await backed_up(engine)
        report = await restored(engine, "Copy", without.id)
        devices = query(find(report.project.path).database, "SELECT id FROM device")
        assert {str(key) for (key,) in devices} == {each.stem for each in files}
        assert all(new.device != "../../x" for new in report.tokens)
    assert not any(token.encode() in plain for _, plain in plain_bytes(world.repository()))


async def test_what_is_told_of_the_main_database_stays_while_only_devices_change(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    change(world.data / "data.db", "CREATE TABLE extra (x)", "CREATE VIEW seen AS SELECT 1")
    async with world.opened() as engine:
        await adopted(engine, world)
        told = (await engine.show((await backed_up(engine)).id)).notes
        assert len(told) == 2
        world.now.pass_by(days=1)
        change(world.files[0], "UPDATE data SET value = 'x' WHERE rowid = 1")
        assert (await engine.show((await backed_up(engine)).id)).notes == told
