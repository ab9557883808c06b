"""A snapshot is consistent and harms nobody: a real process writes while backups are taken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    adopted,
    backed_up,
    change,
    device_names,
    leftovers,
    make_world,
    query,
    restored,
)

from engine.children import Children
from engine.engine import Engine
from engine.model import Backup
from engine.project.instance import find

ROUNDS = 5

# Inserts a row every few milliseconds in a transaction of its own, with the patience of TagoCore,
# until its input closes; a line for the first, then how many were made and how many refused.
WRITER = """
import select, sqlite3, sys, time
path = sys.argv[1]
db = sqlite3.connect(path, timeout=1.0, isolation_level=None)
db.execute("PRAGMA synchronous = FULL")
made = failed = 0
while not select.select([sys.stdin], [], [], 0.003)[0]:
    now = time.time_ns() // 1_000_000
    try:
        db.execute(
            "INSERT INTO data (id, variable, type, value, time, created_at)"
            " VALUES (?, 'counted', 'number', ?, ?, ?)", (f"7fff{made:020x}", made, now, now))
        made += 1
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        failed += 1
    if made + failed == 1:
        print("writing", flush=True)
db.close()
print(made, failed)
"""


@contextmanager
def writing(database: Path) -> Iterator[list[int]]:
    """A writer at work on a database; at the end the list holds rows made and rows refused."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    counts: list[int] = []
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield counts
    finally:
        said, _ = process.communicate("", timeout=180)
        counts += [int(count) for count in said.split()]


COUNTED = "SELECT CAST(value AS INTEGER) FROM data WHERE variable = 'counted' ORDER BY rowid"


async def test_no_reading_is_lost_and_each_backup_is_a_moment_of_it(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first, second = world.files[:2]
    change(second, "PRAGMA journal_mode = WAL")
    backups: list[Backup] = []
    async with world.opened() as engine:
        await adopted(engine, world)
        with writing(first) as counts, writing(second) as other:
            for _ in range(ROUNDS):
                backups.append(await backed_up(engine))
                world.now.pass_by(minutes=1)
        made, failed = counts
        assert failed == 0
        assert made >= ROUNDS
        assert other[1] == 0
        for file, total in ((first, made), (second, other[0])):
            assert query(file, COUNTED) == [(number,) for number in range(total)]
        for number, backup in enumerate(backups):
            report = await restored(engine, f"Copy {number}", backup.id)
            for name, total in ((first.name, made), (second.name, other[0])):
                database = find(report.project.path).devices / name
                values = query(database, COUNTED)
                assert values == [(value,) for value in range(len(values))]
                assert len(values) <= total
                assert query(database, "PRAGMA integrity_check") == [("ok",)]
        assert backups[-1].variables > backups[0].variables
        assert leftovers(world.home) == []


# Tells each row once it is committed, and never ends by itself.
TELLER = """
import itertools, sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60.0, isolation_level=None)
for number in itertools.count():
    db.execute("INSERT INTO data (id, variable, value) VALUES (?, 'counted', ?)",
               (f"7fff{number:020x}", number))
    print(number, flush=True)
"""


@contextmanager
def telling(database: Path, said: Path) -> Iterator[None]:
    """A writer at work, which is killed at the end; the file `said` has what it committed."""
    with said.open("w") as told:
        process = subprocess.Popen(
            [sys.executable, "-c", TELLER, str(database)], stdin=subprocess.DEVNULL, stdout=told
        )
    try:
        while not said.read_text():
            assert process.poll() is None
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
async def test_no_committed_row_is_lost_with_a_writer_that_is_killed(
    tmp_path: Path, mode: str
) -> None:
    """To close any handle on a file drops SQLite's locks in the process: not in the writer's."""
    world = make_world(tmp_path)
    world.set_prices("[snapshot]\npatience = 900\n")  # the writer hardly rests
    file = world.files[0]
    change(file, f"PRAGMA journal_mode = {mode}")
    said = tmp_path / "said"
    async with world.opened() as engine:
        await adopted(engine, world)
        with telling(file, said):
            for _ in range(ROUNDS):
                await backed_up(engine)
                world.now.pass_by(minutes=1)
        committed = [int(line) for line in said.read_text().splitlines()]
        assert committed
        await backed_up(engine)  # of what a dead writer left
        report = await restored(engine, "Copy")
        for database in (file, find(report.project.path).devices / file.name):
            values = [value for (value,) in query(database, COUNTED)]
            assert values[: len(committed)] == committed
            assert len(values) <= len(committed) + 1, "one may be committed and not told yet"
            assert query(database, "PRAGMA integrity_check") == [("ok",)]


async def test_a_device_that_is_created_meanwhile_is_in_the_next_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    instance = find(world.source)
    new = "715fffffffffffffffffffff"
    async with world.opened() as engine:
        await adopted(engine, world)

        def create() -> None:
            change(
                instance.database,
                f"INSERT INTO device (id, name, active, type, tags) VALUES ('{new}', 'New', 1,"
                " 'mutable', '[]')",
            )
            instance.device_file(new).write_bytes(world.files[0].read_bytes())

        backup = await _while_reading(engine, monkeypatch, create)
        details = await engine.show(backup.id)
        listed = {device.id for device in details.devices}
        assert listed == set(device_names(instance)) - {new}
        world.now.pass_by(minutes=1)
        later = await backed_up(engine)
        assert later.devices == len(device_names(instance))
        for number, each in enumerate((backup, later)):
            report = await restored(engine, f"Copy {number}", each.id)
            assert report.devices == each.devices


async def test_a_device_that_is_deleted_meanwhile_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    instance = find(world.source)
    gone = world.files[0]
    async with world.opened() as engine:
        await adopted(engine, world)

        def delete() -> None:
            """What TagoCore does when a device is deleted."""
            change(instance.database, f"DELETE FROM device WHERE id = '{gone.stem}'")
            gone.unlink()

        backup = await _while_reading(engine, monkeypatch, delete)
        details = await engine.show(backup.id)
        (device,) = [each for each in details.devices if each.id == gone.stem]
        assert "deleted while the backup was made" in device.missing
        assert [each.id for each in details.devices if each.missing] == [gone.stem]
        report = await restored(engine, "Copy")
        assert any(gone.stem in note for note in report.notes)
        database = find(report.project.path).device_file(gone.stem)
        assert query(database, "SELECT count(*) FROM data") == [(0,)]


async def _while_reading(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]
) -> Backup:
    """Do something at the moment when a backup has read data.db, and no device yet."""
    plain = Children.run

    async def run(self: Children, task: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = await plain(self, task, *args, **kwargs)
        if task.__name__ == "read_main":
            act()
            acted.append(True)
        return result

    acted: list[bool] = []
    with monkeypatch.context() as patched:
        patched.setattr(Children, "run", run)
        backup = await backed_up(engine)
    assert acted == [True]
    return backup
