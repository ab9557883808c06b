"""Processes that end with their parent, work that is cancelled in the middle, and a full disk."""

from __future__ import annotations

import asyncio
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "engine"))

from clean_up_support import check_clean, contents
from promises_support import (
    World,
    adopted,
    all_rows,
    backed_up,
    leftovers,
    make_world,
    query,
    restored,
)

from engine.children import Children
from engine.cleaning import clean_up
from engine.errors import Cancelled, Failed, StorageFailed
from engine.lock import WorkLock
from engine.project.demo.instance import write_instance
from engine.project.instance import find
from engine.snapshot.tasks import begin

ROOT = Path(__file__).parents[2]
LIMIT = 30  # seconds until a process that should end counts as one that does not


# A parent whose children are in the middle of a task that takes very long; prints who they are.
PARENT = """
import asyncio, os, time
from engine.children import Children

async def main():
    async with Children(os.getpid) as children:
        await children.each(os.getpid)
        tasks = [asyncio.create_task(children.run(time.sleep, 100_000)) for _ in range(2)]
        await asyncio.sleep(0)
        print(*(child.pid for child in children._all), flush=True)
        await asyncio.gather(*tasks)

asyncio.run(main())
"""


def test_children_end_when_their_parent_is_killed_in_the_middle_of_a_task() -> None:
    if platform.system() != "Linux":
        pytest.skip("pidfd_open is Linux's")
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    handles = [os.pidfd_open(pid) for pid in pids]
    try:
        parent.send_signal(signal.SIGKILL)
        parent.communicate()
        for handle in handles:
            assert select.select([handle], [], [], LIMIT)[0], "a child goes on without its parent"
    finally:
        for handle in handles:
            if not select.select([handle], [], [], 0)[0]:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)


async def test_a_child_that_dies_makes_the_work_fail_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        world.now.pass_by(days=1)
        os.utime(world.files[0])
        with monkeypatch.context() as patched:
            _killed_at(patched, begin)
            handle = await engine.backup("Plant")
            with pytest.raises(Failed) as told:
                await handle.result()
        assert told.value.hint
        assert await engine.backups("Plant") == [first]
        assert leftovers(world.home) == []
        await backed_up(engine)


def _killed_at(patched: pytest.MonkeyPatch, at: object) -> None:
    """Kill all children when the first task `at` is about to be given to one."""
    plain = Children.run

    async def run(self: Children, task: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if task is at:
            for pid in await self.each(os.getpid):
                os.kill(pid, signal.SIGKILL)
        return await plain(self, task, *args, **kwargs)

    patched.setattr(Children, "run", run)


def _children() -> list[int]:
    threads = Path(f"/proc/{os.getpid()}/task")
    if not threads.exists():
        pytest.skip("this system has no /proc to look into")
    # A process is listed with the thread that started it.
    listed = " ".join(each.read_text() for each in threads.glob("*/children"))
    return [int(pid) for pid in listed.split()]


async def test_cancelling_in_the_middle_ends_every_process_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        world.now.pass_by(days=1)
        os.utime(world.files[0])
        with monkeypatch.context() as patched:
            asked = _never_done(patched)
            price = (await engine.quote("Plant@latest")).creation_fee.amount
            for job in ("backup", "restore"):
                handle = (
                    await engine.backup("Plant")
                    if job == "backup"
                    else await engine.restore("Plant@latest", "Copy", accept_cost=price)
                )
                await asyncio.wait_for(asked.wait(), LIMIT)
                asked.clear()
                assert _children() != []
                begun = time.monotonic()
                handle.cancel()
                with pytest.raises(Cancelled):
                    await asyncio.wait_for(handle.result(), LIMIT)
                assert _children() == []
                assert leftovers(world.home) == []
                assert time.monotonic() - begun < LIMIT
        assert len(await engine.backups("Plant")) == 1
        assert [each.name for each in await engine.projects()] == ["Plant"]
        assert query(world.home / "catalog.db", "SELECT count(*) FROM charge") == [(0,)]
        await restored(engine, "Copy")


def _never_done(patched: pytest.MonkeyPatch) -> asyncio.Event:
    """Let every task of a child take very long: only its process's end can end it.

    The event is set when one has been asked for.
    """
    plain = Children.run
    asked = asyncio.Event()

    async def run(self: Children, *_: object, **__: object) -> None:
        asked.set()
        await plain(self, time.sleep, 100_000)

    patched.setattr(Children, "run", run)
    return asked


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of a few MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or platform.system() != "Linux" or not mount or not unmount:
        pytest.skip("only root may mount a small disk, and only on Linux")
    options = ["-t", "tmpfs", "-o", "size=12m,mode=700", "none", str(folder)]
    mounted = subprocess.run([mount, *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run([unmount, str(folder)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Fill a disk but for some bytes."""
    status = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - leave)))
    return filler


@pytest.mark.parametrize("leave", [0, 40_000, 200_000])
async def test_a_full_disk_makes_a_backup_fail_and_harms_no_other(
    tmp_path: Path, small_disk: Path, leave: int
) -> None:
    world = World(tmp_path)
    until = world.now.moment
    write_instance(world.source, seed=5, devices=4, rows=9000, until=until, port=18901)
    disk = World(small_disk)
    (small_disk / "source").symlink_to(world.source)
    async with disk.opened() as engine:
        await adopted(engine, disk)
        first = await backed_up(engine)
        wanted = all_rows(world.source)
        disk.now.pass_by(days=1)
        _rewrite(world)
        filler = fill(small_disk, leave)
        with pytest.raises(StorageFailed) as told:
            await backed_up(engine)
        assert told.value.exit_code == 7
        assert told.value.hint
        assert leftovers(disk.home) == []
        filler.unlink()
        assert await engine.backups("Plant") == [first]
    shutil.copytree(disk.home, tmp_path / "home")  # where there is room
    (tmp_path / "home").chmod(0o700)
    async with world.opened() as engine:
        report = await restored(engine, "Copy", first.id)
        assert all_rows(report.project.path) == wanted
        await backed_up(engine)


def _rewrite(world: World) -> None:
    """Change every page of every device, in a way that does not compress."""
    for file in find(world.source).devices.glob("*.db"):
        query(file, "SELECT 1")
        subprocess.run([sys.executable, "-c", _REWRITE, str(file)], check=True, capture_output=True)


_REWRITE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE data SET metadata = hex(randomblob(60))")
db.commit()
"""


@pytest.mark.parametrize("leave", [0, 40_000])
async def test_on_a_full_disk_a_clean_up_makes_room(small_disk: Path, leave: int) -> None:
    world = World(small_disk)
    until = world.now.moment
    write_instance(world.source, seed=5, devices=4, rows=2500, until=until, port=18901)
    made = []
    async with world.opened() as engine:
        await adopted(engine, world)
        for _ in range(3):
            made.append((await backed_up(engine)).id)
            world.now.pass_by(days=1)
            _rewrite(world)
    repository = world.repository()
    before = contents(repository)
    filler = fill(small_disk, leave)
    with WorkLock(world.home):
        done = await clean_up(repository, made[:2], small_disk, lambda _: None)
    assert done.deleted > 0
    assert done.freed > 0
    assert contents(repository) == {made[2]: before[made[2]]}
    assert leftovers(world.home) == []
    filler.unlink()
    with WorkLock(world.home):
        await clean_up(repository, made[:2], small_disk, lambda _: None)
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
        await backed_up(engine)
        with pytest.raises(StorageFailed, match="are free") as told:
            await restored(engine, "Copy")
        assert told.value.exit_code == 7
        assert leftovers(disk.home) == []
        assert [each.name for each in await engine.projects()] == ["Plant"]
