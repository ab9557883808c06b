"""A transfer that is killed, again and again, and run again: the target is as after a clean run.

Here a sample of its write steps; for every one of them: ``pytest tests/faults/every_step.py``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "engine"))

from promises_support import make_world, query
from transfer_stage import kill_transfer

from engine.engine import Engine
from engine.project.instance import find

ROOT = Path(__file__).parents[2]
DEVICE = "715fbfa93ecad370ed4fa7d3"
MOST = 8  # steps
_COLUMNS = "SELECT variable, type, value, `group`, time, metadata, created_at FROM data"
_MOVE = f"""
import asyncio, sys
from pathlib import Path
from engine import Engine
async def main() -> None:
    async with Engine.open(Path(sys.argv[1]), works=True) as engine:
        handle = await engine.transfer("Old", "Plant", devices=["{DEVICE}"])
        report = await handle.result()
        print(report.copied)
asyncio.run(main())
"""


async def test_killed_at_a_write_step_and_run_again_it_is_as_after_one_run(tmp_path: Path) -> None:
    def some(kinds: str) -> list[int]:
        turns = [at for at, kind in enumerate(kinds, 1) if kind != kinds[at - 2 : at - 1]]
        return turns[:: max(1, len(turns) // MOST)]

    await kill_transfer(tmp_path, some)


def rows_in(database: Path) -> int:
    """How many rows there are; what a killed process left half-done is undone by looking."""
    with closing(sqlite3.connect(database, timeout=180)) as reader:
        return int(reader.execute("SELECT count(*) FROM data").fetchone()[0])


def wait_for(rows: int, database: Path, moving: subprocess.Popen[bytes]) -> None:
    """Wait until there are so many rows, or the transfer is done."""
    while rows_in(database) < rows and moving.poll() is None:
        time.sleep(0.002)


async def test_killed_again_and_again_nothing_is_missing_and_nothing_comes_twice(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    target = tmp_path / "target"
    shutil.copytree(world.source, target)
    old, new = (find(root).device_file(DEVICE) for root in (world.source, target))
    with closing(sqlite3.connect(new)) as writer, writer:
        writer.execute("DELETE FROM data")
    with closing(sqlite3.connect(old)) as writer, writer:
        writer.executemany(
            "INSERT INTO data (id, variable, value, time, created_at) VALUES (?, ?, ?, ?, 1)",
            [(f"{n:024x}", f"v{n % 3}", str(n % 70), n % 900) for n in range(30_000)],
        )
    async with Engine.open(world.home, create=True, works=True) as engine:
        await engine.adopt(world.source, "Old")
        await engine.adopt(target, "Plant")
    kills = 0
    for wanted in (1, 2_000, 9_000, 20_000):
        moving = start(world.home)
        await asyncio.to_thread(wait_for, wanted, new, moving)
        if moving.poll() is None:
            os.killpg(moving.pid, signal.SIGKILL)
            kills += 1
        moving.wait()
        assert rows_in(new) <= 30_100
        assert query(new, "PRAGMA integrity_check") == [("ok",)]
    assert kills >= 2
    assert start(world.home).wait() == 0
    assert query(new, f"{_COLUMNS} ORDER BY rowid") == query(old, f"{_COLUMNS} ORDER BY rowid")


def start(home: Path) -> subprocess.Popen[bytes]:
    """A transfer in a group of processes of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", _MOVE, str(home)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
