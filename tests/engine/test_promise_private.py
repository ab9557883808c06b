"""Private by default, whatever the umask: nothing of a home is within other people's reach."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import adopted, backed_up, change, make_world, restored

from engine.handle import Handle

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
HEAVY = {"textual", "numpy", "cryptography", "rich", "yaml", "zstandard", "humanize", "tui"}


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def seen_by_others(home: Path) -> dict[str, str]:
    return {
        str(path): oct(path.lstat().st_mode)
        for path in [home, *home.rglob("*")]
        if path.lstat().st_mode & 0o077
    }


@pytest.mark.usefixtures("open_umask")
async def test_nobody_else_reaches_anything_of_a_home(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        assert seen_by_others(world.home) == {}
        await adopted(engine, world)
        await _looked_at(await engine.backup("Plant"), world.home)
        world.now.pass_by(days=1)
        change(world.files[0], "UPDATE data SET value = 4")
        await backed_up(engine)
        await restored(engine, "Copy")
        price = (await engine.quote("Plant@latest")).creation_fee.amount
        handle = await engine.restore("Plant@latest", "Other", accept_cost=price)
        await _looked_at(handle, world.home)
        await engine.wake("Copy")
    assert seen_by_others(world.home) == {}
    assert len(list(world.home.rglob("*.db"))) > 10


async def _looked_at(handle: Handle[T], home: Path) -> None:
    """Wait for work, and look at the modes whenever there is news of it."""
    async for _ in handle.progress():
        assert _seen_now(home) == {}
    await handle.result()


def _seen_now(home: Path) -> dict[str, str]:
    found = {}
    for base, folders, files in os.walk(home):
        for name in (*folders, *files):
            try:
                mode = Path(base, name).lstat().st_mode
            except FileNotFoundError:
                continue  # a temporary file that is gone by now
            if mode & 0o077:
                found[str(Path(base, name))] = oct(mode)
    return found


def test_the_engine_is_imported_without_what_is_heavy() -> None:
    code = "import sys, engine, engine.engine; print(*sorted(m.split('.')[0] for m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "engine" in loaded
    assert loaded & HEAVY == set()


async def test_no_secret_is_in_the_arguments_or_environment_of_children(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        key = (await engine.recovery_key()).encode()
        handle = await engine.backup("Plant")
        looked = 0
        async for _ in handle.progress():
            for process in _children():
                try:
                    told = process.joinpath("cmdline").read_bytes()
                    told += process.joinpath("environ").read_bytes()
                except (FileNotFoundError, ProcessLookupError):
                    continue  # it has ended meanwhile
                assert key not in told
                looked += len(told) > 0
        await handle.result()
    assert looked


def _children(of: Path = Path("/proc/self")) -> list[Path]:
    """The processes that a process started, and those that these started."""
    if not of.joinpath("task").exists():
        pytest.skip("this system has no /proc to look into")
    # A process is listed with the thread that started it.
    listed = " ".join(each.read_text() for each in of.glob("task/*/children"))
    found = [Path("/proc", child) for child in listed.split()]
    return found + [other for each in found if each.exists() for other in _children(each)]
