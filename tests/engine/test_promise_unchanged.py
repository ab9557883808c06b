"""Nothing changed, nothing read; and when in doubt, it is read."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    World,
    adopted,
    all_rows,
    backed_up,
    change,
    hashes,
    make_world,
    restored,
)

from engine import stamps
from engine.children import Children
from engine.engine import Engine
from engine.errors import BackstayError
from engine.model import LeaveOut
from engine.project.instance import find
from engine.repository.manifest import Manifest


def wait_for_the_clock(world: World) -> None:
    """Let the files' times be surely in the past, as they are when a day goes by."""
    newest = max(path.stat().st_ctime_ns for path in world.source.rglob("*"))
    while time.time_ns() - newest <= stamps.GRANULARITY:
        os.sched_yield()


def no_children(patched: pytest.MonkeyPatch) -> None:
    """Make every use of a child process fail."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a child process was started: something was read")

    patched.setattr(Children, "__init__", refuse)


async def prepared(world: World, engine: Engine) -> None:
    await adopted(engine, world)
    wait_for_the_clock(world)
    await backed_up(engine)
    world.now.pass_by(days=1)


async def test_nothing_changed_reads_nothing_and_adds_only_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await prepared(world, engine)
        before = hashes(world.home / "repository")
        with monkeypatch.context() as patched:
            no_children(patched)
            backup = await backed_up(engine)
        made = hashes(world.home / "repository").items() - before.items()
        assert {name for name, _ in made} == {f"manifests/{backup.id}"}
        manifest = world.home / "repository" / "manifests" / backup.id
        assert backup.added == manifest.stat().st_size
        report = await restored(engine, "Copy", backup.id)
        assert all_rows(report.project.path) == all_rows(world.source)


@pytest.mark.parametrize("leave_out", [LeaveOut.PRIMARY_KEY, LeaveOut.NONE])
async def test_a_home_goes_on_where_the_indexes_to_leave_out_change(
    tmp_path: Path, leave_out: LeaveOut
) -> None:
    """As a home does that was made when another choice was the one without a setting."""
    world = make_world(tmp_path)
    world.set_prices(f'[snapshot]\nleave_out = "{leave_out.value}"\n')
    async with world.opened() as engine:
        await prepared(world, engine)
        before = (await engine.backups("Plant"))[0]
        world.set_prices("")
        after = await backed_up(engine)
        again = await backed_up(engine)
        assert again.added < after.added  # what is left out now is used again
        for number, backup in enumerate((before, after, again)):
            report = await restored(engine, f"Copy {number}", backup.id)
            assert all_rows(report.project.path) == all_rows(world.source)


async def test_no_backup_adds_more_than_it_occupies(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    before = 0
    async with world.opened() as engine:
        await adopted(engine, world)
        for _ in range(3):
            backup = await backed_up(engine)
            there = sum(
                path.stat().st_size
                for folder in ("packs", "manifests")
                for path in (world.home / "repository" / folder).rglob("*")
                if path.is_file()
            )
            assert backup.added == there - before, "what was added is what the disk lost"
            assert backup.added <= backup.size
            before = there
            world.now.pass_by(days=1)
            change(world.files[0], "UPDATE data SET value = random()")


def insert(file: Path) -> None:
    change(
        file,
        "INSERT INTO data (id, variable, type, value, time, created_at)"
        " SELECT '7ffffffffffffffffffffff' || rowid, 'x', 'number', 1, time, created_at FROM data"
        " WHERE rowid = 1",
    )


async def test_one_row_is_found_and_only_its_device_is_read(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await prepared(world, engine)
        first = await engine.show("Plant@latest")
        insert(world.files[0])
        backup = await backed_up(engine)
        assert backup.variables == first.backup.variables + 1
        assert backup.added < first.backup.added / 2
        report = await restored(engine, "Copy")
        assert all_rows(report.project.path) == all_rows(world.source)


def keeps_its_time(file: Path) -> None:
    """A change after which somebody sets the old time: a restored or synchronised file."""
    status = file.stat()
    change(file, "UPDATE data SET value = 99 WHERE rowid = 1")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def in_place(file: Path) -> None:
    """Another file of the same size and times under the same name."""
    status = file.stat()
    copy = file.with_suffix(".copy")
    copy.write_bytes(file.read_bytes())
    change(copy, "UPDATE data SET value = 99 WHERE rowid = 1")
    copy.rename(file)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def only_in_the_wal(file: Path) -> None:
    """A change that is in the write-ahead log alone, as the file is in the racy window."""
    change(file, "PRAGMA journal_mode = WAL", "UPDATE data SET value = 99 WHERE rowid = 1")


@pytest.mark.parametrize("act", [keeps_its_time, in_place, only_in_the_wal])
async def test_a_change_in_disguise_is_found(tmp_path: Path, act: Callable[[Path], None]) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await prepared(world, engine)
        act(world.files[0])
        await backed_up(engine)
        report = await restored(engine, "Copy")
        assert all_rows(report.project.path) == all_rows(world.source)


async def test_a_file_that_was_changed_just_before_the_last_look_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await prepared(world, engine)
        insert(world.files[0])
        second = await backed_up(engine)
        (age,) = _ages(world.repository().manifest(second.id), world.files[0].stem)
        usual = stamps.GRANULARITY
        with monkeypatch.context() as patched:
            no_children(patched)
            # So close to the look that a later change could bear the same time.
            patched.setattr(stamps, "GRANULARITY", age + 1)
            with pytest.raises(BackstayError, match="AssertionError"):
                await backed_up(engine)
            patched.setattr(stamps, "GRANULARITY", min(age, usual))
            world.now.pass_by(days=1)
            await backed_up(engine)


def _ages(manifest: Manifest, device: str) -> list[int]:
    """How old a device's file was when it was looked at, in nanoseconds."""
    return [
        each.stamp.looked - max(each.stamp.modified, each.stamp.changed)
        for each in manifest.devices
        if each.stamp is not None and each.id == device
    ]


@pytest.mark.parametrize("name", ["data.db", "settings.yml", "tagocore.yml"])
async def test_the_main_database_and_settings_are_looked_at_too(tmp_path: Path, name: str) -> None:
    world = make_world(tmp_path)
    instance = find(world.source)
    async with world.opened() as engine:
        await prepared(world, engine)
        if name == "data.db":
            change(instance.database, "UPDATE device SET name = 'Renamed'")
        elif name == "settings.yml":
            file = instance.plugin_folder / name
            file.write_text(file.read_text() + "renamed: Renamed\n")
        else:
            file = world.source / name
            file.write_text(file.read_text() + "renamed: Renamed\n")
        await backed_up(engine)
        report = await restored(engine, "Copy")
        copy = find(report.project.path)
        texts = copy.database.read_bytes() + b"".join(
            (report.project.path / each).read_bytes() for each in copy.settings
        )
        assert b"Renamed" in texts
