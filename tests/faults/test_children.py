"""Processes that end with their parent, and work that is cancelled in the middle."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "engine"))

from promises_support import OWNER, adopted, backed_up, leftovers, make_world, query, restored

from engine import snapshot
from engine.children import Children
from engine.early import ready_for
from engine.engine import Engine
from engine.errors import Cancelled, Failed
from engine.lock import WorkerLock
from engine.snapshot.tasks import begin

ROOT = Path(__file__).parents[2]
LIMIT = 180  # seconds until a process that should end counts as one that does not


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


def test_a_child_that_comes_up_when_its_parent_is_gone_says_nothing() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    code = "import sys; from engine.serving import start; start(sys.argv[1])"
    with theirs:
        child = subprocess.run(
            [sys.executable, "-c", code, str(theirs.fileno())],
            cwd=ROOT,
            pass_fds=(theirs.fileno(),),
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
    assert child.stdout + child.stderr == b""


async def test_children_that_just_start_leave_ctrl_c_to_their_parent() -> None:
    async with Children(gc.enable) as children:
        for pid in _children():  # they read Python's own modules yet
            os.kill(pid, signal.SIGINT)
        assert len(await children.each(os.getpid)) == 2


async def test_children_that_were_started_early_are_taken_by_the_first_that_needs_them(
    two_cores: None,
) -> None:
    with ready_for("backup"):
        (early,) = _children()
        async with Children(gc.enable, preload=("json",)) as others:
            assert early not in await others.each(os.getpid)
        async with Children(gc.enable, preload=snapshot.NEEDED) as first:
            assert early in await first.each(os.getpid)
            async with Children(gc.enable, preload=snapshot.NEEDED) as second:
                assert early not in await second.each(os.getpid)
        assert _children() == []


async def test_children_that_were_started_early_and_died_are_not_taken(two_cores: None) -> None:
    with ready_for("backup"):
        (early,) = _children()
        os.kill(early, signal.SIGKILL)
        await asyncio.to_thread(os.waitid, os.P_PID, early, os.WEXITED | os.WNOWAIT)
        async with Children(gc.enable, preload=snapshot.NEEDED) as children:
            assert early not in await children.each(os.getpid)


def test_children_that_were_started_early_for_nothing_are_ended(two_cores: None) -> None:
    with ready_for("restore"):
        assert len(_children()) == 1
    assert _children() == []


def test_no_children_are_started_early_where_they_would_only_be_in_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with ready_for("restore"):
        assert _children() == []


async def test_who_only_asks_for_a_job_keeps_no_children(two_cores: None, tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
    with WorkerLock(world.home), ready_for("backup"):
        assert len(_children()) == 1
        async with Engine.open(world.home, user=OWNER) as engine:
            await engine.backup("Plant")
            assert _children() == []


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where two processes can get ready at once."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


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
