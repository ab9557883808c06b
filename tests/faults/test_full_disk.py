"""A full disk: what was asked for fails clearly and soon, no backup is harmed, a clean-up helps.

The disk is a small tmpfs. Where mounting is not allowed these tests are skipped, unless
BACKSTAY_NEEDS_MOUNT=1 says that they must run.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest

sys.path.append(str(Path(__file__).parents[1] / "engine"))

from clean_up_support import check_clean, contents
from promises_support import (
    OWNER,
    World,
    adopted,
    all_rows,
    backed_up,
    change,
    hashes,
    leftovers,
    make_world,
    restored,
)

from engine.cleaning import clean_up
from engine.engine import Engine
from engine.errors import StorageFailed
from engine.home import Home
from engine.lock import WorkLock, has_worker
from engine.model import Backup, BackupState, ExportFormat, Job, JobKind, JobState
from engine.project.demo.instance import write_instance
from engine.project.instance import find

ROOT = Path(__file__).parents[2]
COMMAND = "from tui.__main__ import program; program()"
LIMIT = 180  # seconds until work that should end counts as work that does not
DETACHED = pytest.mark.parametrize("detached", [False, True], ids=["here", "detached"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with room for a restore, which keeps 64 MB free."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or platform.system() != "Linux" or not mount or not unmount:
        _not_mounted("only root may mount a small disk, and only on Linux")
    options = ["-t", "tmpfs", "-o", "size=96m,mode=700", "none", str(folder)]
    mounted = subprocess.run([mount, *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        _not_mounted(f"mounting is not allowed here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        (folder / "filler").unlink(missing_ok=True)  # a worker that waits for room can end now
        _unmount(unmount, folder)


def _unmount(unmount: str, disk: Path) -> None:
    """Unmount a disk once nobody uses it; end who goes on."""
    deadline = time.monotonic() + LIMIT
    while subprocess.run([unmount, str(disk)], capture_output=True, check=False).returncode:
        if time.monotonic() >= deadline:
            for stray in (strays := _users(disk)):
                os.kill(stray, signal.SIGKILL)
            subprocess.run([unmount, "--lazy", str(disk)], check=True)
            pytest.fail(f"processes went on with a home that nobody uses: {strays}")
        time.sleep(0.02)


def _not_mounted(reason: str) -> NoReturn:
    if os.environ.get("BACKSTAY_NEEDS_MOUNT") == "1":
        pytest.fail(f"BACKSTAY_NEEDS_MOUNT=1 is set, but {reason}")
    pytest.skip(reason)


def _users(disk: Path) -> set[int]:
    """The processes that have files of a disk open, but for this one."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it has just been closed
            if link.readlink().is_relative_to(disk):
                found.add(int(link.parts[2]))
    return found - {os.getpid()}


def fill(disk: Path, leave: int) -> Path:
    """Fill a disk but for some bytes."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        status = os.statvfs(disk)
        file.write(bytes(max(0, status.f_bavail * status.f_frsize - leave)))
    return filler


def make_full_world(folder: Path, disk: Path, rows: int = 9000) -> World:
    """A home on the small disk, for a project that is elsewhere."""
    until = datetime.now(UTC)
    write_instance(folder / "source", seed=5, devices=4, rows=rows, until=until, port=18901)
    (disk / "source").symlink_to(folder / "source")
    return World(disk)


@asynccontextmanager
async def opened(world: World, *, detached: bool) -> AsyncIterator[Engine]:
    """The home, open by who is its worker, or by who has one started in a process of its own."""
    async with (
        asyncio.timeout(3 * LIMIT),  # leaving waits for jobs, too
        Engine.open(world.home, user=OWNER, create=True, works=not detached) as engine,
    ):
        yield engine


async def no_worker(world: World) -> None:
    """Wait until the home's worker has ended."""

    def wait() -> None:
        deadline = time.monotonic() + LIMIT
        while has_worker(world.home):
            assert time.monotonic() < deadline, "it never ended"
            time.sleep(0.02)

    await asyncio.to_thread(wait)


async def back_up(engine: Engine) -> Backup:
    """Take a backup, in bounded time."""
    return await asyncio.wait_for(backed_up(engine), LIMIT)


async def ended_backups(engine: Engine) -> list[Job]:
    """The project's backup jobs that have ended, newest first; no job may be under way."""
    jobs = await engine.jobs("Plant")
    assert [job for job in jobs if not job.state.ended] == []
    return [job for job in jobs if job.kind is JobKind.BACKUP]


@DETACHED
@pytest.mark.parametrize("leave", [0, 40_000, 200_000])
async def test_a_full_disk_makes_a_backup_fail_and_harms_no_other(
    tmp_path: Path, small_disk: Path, leave: int, detached: bool
) -> None:
    disk = make_full_world(tmp_path, small_disk)
    async with opened(disk, detached=detached) as engine:
        await adopted(engine, disk)
        first = await back_up(engine)
        wanted = all_rows(disk.source)
        await no_worker(disk)
        rewrite(disk)
        filler = fill(small_disk, leave)
        with pytest.raises(StorageFailed) as told:
            await back_up(engine)
        assert told.value.exit_code == 7
        assert told.value.hint
        await no_worker(disk)
        assert leftovers(disk.home) == []
        filler.unlink()
    async with opened(disk, detached=detached) as engine:
        assert await engine.backups("Plant") == [first]
        report = await asyncio.wait_for(restored(engine, "Copy", first.id), LIMIT)
        assert all_rows(report.project.path) == wanted
        await engine.delete("Copy", confirm="Copy")
        second = await back_up(engine)
        assert await engine.backups("Plant") == [second, first]
        made, *failed, earlier = await ended_backups(engine)
        assert made.state is earlier.state is JobState.SUCCEEDED
        # Where nothing at all could be written, not even that it was asked for could.
        assert len(failed) == 1 or (failed == [] and leave < 200_000)
        for job in failed:
            assert job.state in (JobState.FAILED, JobState.LOST)
            assert job.reason
        if leave == 200_000:
            (job,) = failed
            assert (job.state, job.error) == (JobState.FAILED, "StorageFailed")
            assert job.hint
    await no_worker(disk)
    assert leftovers(disk.home) == []


@pytest.mark.parametrize("form", ExportFormat)
async def test_a_full_disk_makes_an_export_fail_and_nothing_of_it_is_left(
    tmp_path: Path, small_disk: Path, form: ExportFormat
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        backup = await back_up(engine)
        fill(small_disk, 12_000)
        with pytest.raises(StorageFailed) as told:
            await (await engine.export(backup.id, small_disk / "plant", form=form)).result()
        assert told.value.exit_code == 7
        assert "the disk is full" in told.value.message
        assert "another place" in told.value.hint
        assert hashes(small_disk).keys() == {"filler"}
        assert await engine.backups("Plant") == [backup]


def rewrite(world: World) -> None:
    """Change every page of every device, in a way that does not compress."""
    for file in find(world.source).devices.glob("*.db"):
        change(file, "UPDATE data SET metadata = hex(randomblob(60))")


@pytest.mark.parametrize("leave", [0, 40_000])
async def test_commands_on_a_full_disk_end_with_a_clear_error(
    tmp_path: Path, small_disk: Path, leave: int
) -> None:
    disk = make_full_world(tmp_path, small_disk)
    async with opened(disk, detached=False) as engine:
        await adopted(engine, disk)
        first = await back_up(engine)
    rewrite(disk)
    filler = fill(small_disk, leave)
    for words in (["backup", "Plant"], ["restore", first.id, "--name", "B", "--accept-cost", "0"]):
        done = run(disk, *words)
        assert done.returncode == 7, done
        error = json.loads(done.stderr)["error"]
        assert (error["code"], error["name"]) == (7, "StorageFailed")
        assert error["hint"]
    for word in ("projects", "jobs", "status", "costs"):
        done = run(disk, word)
        if done.returncode not in (0, 1):  # 1 where `status` tells of a backup that failed
            assert done.returncode == 7, done
            assert json.loads(done.stderr)["error"]["hint"]
    await no_worker(disk)
    assert leftovers(disk.home) == []
    filler.unlink()
    async with opened(disk, detached=False) as engine:
        assert [each.name for each in await engine.projects()] == ["Plant"]
        assert await engine.backups("Plant") == [first]
        assert await engine.costs() == []


def run(world: World, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command, in bounded time. It may fail, but never tells of Python's own trouble."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "--home", str(world.home), "--as", OWNER, *words, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


@DETACHED
@pytest.mark.parametrize("leave", [0, 40_000, 100_000])
async def test_on_a_full_disk_a_clean_up_that_is_asked_for_makes_room_for_backups(
    tmp_path: Path, small_disk: Path, leave: int, detached: bool
) -> None:
    disk = make_full_world(tmp_path, small_disk, rows=2500)
    made = []
    async with opened(disk, detached=detached) as engine:
        await adopted(engine, disk)
        for _ in range(5):
            rewrite(disk)
            made.append(await back_up(engine))
        await engine.set_schedule("Plant", keep=1)
        await no_worker(disk)
    before = contents(disk.repository())
    rewrite(disk)
    filler = fill(small_disk, leave)
    async with opened(disk, detached=detached) as engine:
        handle = await engine.clean_up("Plant")
        done = await asyncio.wait_for(handle.result(), LIMIT)
        assert set(done.removed) == {backup.id for backup in made[:-1]}
        assert done.freed > 0
        assert await engine.backups("Plant") == made[-1:]
        assert contents(disk.repository()) == {made[-1].id: before[made[-1].id]}
        last = await back_up(engine)
        assert last.state is BackupState.COMPLETE
        assert filler.exists()
    await no_worker(disk)
    assert leftovers(disk.home) == []


@pytest.mark.parametrize("leave", [0, 40_000])
async def test_on_a_full_disk_an_owner_can_still_come_in_and_make_room(
    tmp_path: Path, small_disk: Path, leave: int
) -> None:
    disk = make_full_world(tmp_path, small_disk, rows=2500)
    async with opened(disk, detached=False) as engine:
        await adopted(engine, disk)
        for _ in range(3):
            rewrite(disk)
            await back_up(engine)
    rewrite(disk)
    filler = fill(small_disk, leave)
    sent = [
        "projects",
        "projects; x",
        "schedule Plant --keep 1 --yes",
        "cleanup Plant",
        "backup Plant",
    ]
    assert [come_in(disk, each) for each in sent] == [0, 3, 0, 0, 0]
    filler.unlink()
    async with opened(disk, detached=False) as engine:
        told = [line.action for line in await engine.audit()]
    noted = ("begin session", "end session", "run command")
    assert [told.count(each) for each in noted] == [4, 4, 1]
    await no_worker(disk)
    assert leftovers(disk.home) == []


def come_in(world: World, sent: str) -> int:
    """Run a command as a session over SSH does; gives its exit code."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "--home", str(world.home), "session", "--as", OWNER],
        cwd=ROOT,
        env={
            **os.environ,
            "SSH_ORIGINAL_COMMAND": sent,
            "SSH_CONNECTION": "192.0.2.1 5 192.0.2.2 22",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    assert "audit trail:" not in done.stderr
    return done.returncode


@pytest.mark.parametrize("leave", [0, 40_000])
async def test_on_a_full_disk_a_clean_up_makes_room(small_disk: Path, leave: int) -> None:
    world = World(small_disk)
    until = world.now.moment
    write_instance(world.source, seed=5, devices=4, rows=2500, until=until, port=18901)
    made = []
    async with world.opened() as engine:
        await adopted(engine, world)
        for _ in range(3):
            made.append((await back_up(engine)).id)
            world.now.pass_by(days=1)
            rewrite(world)
    repository = world.repository()
    before = contents(repository)
    filler = fill(small_disk, leave)
    with WorkLock(world.home):
        done = await clean_up(repository, made[:2], lambda _: None)
    assert done.deleted > 0
    assert done.freed > 0
    assert contents(repository) == {made[2]: before[made[2]]}
    assert leftovers(world.home) == []
    filler.unlink()
    with WorkLock(world.home):
        await clean_up(repository, made[:2], lambda _: None)
    assert contents(repository) == {made[2]: before[made[2]]}
    check_clean(repository)


async def test_a_restore_without_room_is_refused_before_it_begins(
    tmp_path: Path, small_disk: Path
) -> None:
    world = make_world(tmp_path)
    disk = World(small_disk)
    (small_disk / "source").symlink_to(world.source)
    async with disk.opened() as engine:
        await adopted(engine, disk)
        await back_up(engine)
        fill(small_disk, 1 << 20)
        with pytest.raises(StorageFailed, match="are free") as told:
            await asyncio.wait_for(restored(engine, "Copy"), LIMIT)
        assert told.value.exit_code == 7
        assert leftovers(disk.home) == []
        assert [each.name for each in await engine.projects()] == ["Plant"]


@pytest.mark.parametrize("leave", [40_000, 1 << 20])
async def test_a_disk_that_fills_during_a_restore_leaves_nothing_and_costs_nothing(
    tmp_path: Path, small_disk: Path, leave: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = make_full_world(tmp_path, small_disk)
    disk.set_prices()
    async with opened(disk, detached=False) as engine:
        await adopted(engine, disk)
        first = await back_up(engine)
        filler = fill(small_disk, leave)
        with monkeypatch.context() as patched:  # somebody fills it right after the look
            patched.setattr(Home, "free_space", lambda _: 1 << 40)
            with pytest.raises(StorageFailed) as told:
                await asyncio.wait_for(restored(engine, "Copy"), LIMIT)
        assert told.value.hint
        assert leftovers(disk.home) == []
        filler.unlink()
        assert [each.name for each in await engine.projects()] == ["Plant"]
        assert await engine.costs() == []
        report = await asyncio.wait_for(restored(engine, "Copy", first.id), LIMIT)
        assert all_rows(report.project.path) == all_rows(disk.source)
        assert len(await engine.costs()) == 1
