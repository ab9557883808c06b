"""How fast it is to look into a backup, and to compare two days.

    python tests/bench/inside.py                                   10,000 devices, and about 1 GB
    python tests/bench/inside.py --devices 100 --size-mb 20 --turns 1    a quick look

The newest rows of one device of a backup of many devices, and what differs between two days of a
project of 200 device files: the next day brings 1 % new rows in a fifth of them. Each is measured
as a call of the engine in a home that is open, and as a whole command; the medians count. Then the
two days once more with the last one as the project is now. The caches are warm. Processor time is
told, too, where it is all in one process: it is the same on a machine that does other things.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from project_files import SHAPES, add_day, make_project
from run import copy_project, say

from engine import Engine
from engine.project.demo import write_instance

_WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)
_ROWS_PER_DEVICE = 30
_DAY_ROWS, _DAY_DEVICES = 0.002, 0.2  # of all rows, and of all devices
_USER = "bench"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--size-mb", type=int, default=1_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--work", type=Path, help="a folder for the projects; kept for next time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="backstay-bench-", dir=given.work) as temporary:
        work, homes = given.work or Path(temporary), Path(temporary)
        many = _many_devices(work, given.devices)
        asyncio.run(look_inside(many, homes / "inside", given.turns))
        project = homes / "project"
        copy_project(make_project(work, SHAPES["many"], given.size_mb), project)
        asyncio.run(compare(project, homes / "compare", given.turns))


def _many_devices(work: Path, devices: int) -> Path:
    project = work / f"project-devices-{devices}"
    if not project.exists():
        made = project.with_name(f"{project.name}.new")
        shutil.rmtree(made, ignore_errors=True)
        rows = devices * _ROWS_PER_DEVICE
        write_instance(made, seed=1, devices=devices, rows=rows, until=_WRITTEN, port=18901)
        _rename_within(made, project)
        made.rename(project)
    return project


def _rename_within(folder: Path, name: Path) -> None:
    """Let a project's settings name the folder that it is about to have."""
    for file in folder.rglob("*.yml"):
        file.write_text(file.read_text().replace(str(folder.absolute()), str(name.absolute())))


async def look_inside(source: Path, home: Path, turns: int) -> None:
    """Read the newest rows of devices, each another one."""
    async with Engine.open(home, user=_USER, create=True, works=True) as engine:
        await engine.adopt(source, "Many")
        backup = await (await engine.backup("Many")).result()
        devices = [device.id for device in (await engine.contents(backup.id)).devices]
        chosen = random.Random(7).sample(devices, turns + 1)
        pages = iter(chosen)
        call = await _median(turns, lambda: engine.rows(backup.id, next(pages)))
        listing = await _median(turns, lambda: engine.contents(backup.id))
    asked = [("contents", backup.id, "--device", device) for device in chosen]
    whole = _middle([_command(home, *each) for each in asked[1:]])
    say(
        f"newest rows of a device of {backup.devices:,}: engine {call}, command {whole}; "
        f"list of its devices: engine {listing}"
    )


async def compare(source: Path, home: Path, turns: int) -> None:
    """Compare a day with the next, as two backups and as a backup with the project as it is."""
    async with Engine.open(home, user=_USER, create=True, works=True) as engine:
        await engine.adopt(source, "Plant")
        first = await (await engine.backup("Plant")).result()
        new = add_day(source, SHAPES["many"], 1, rows_share=_DAY_ROWS, devices=_DAY_DEVICES)
        now = await _median(turns, lambda: engine.compare(first.id))
        second = await (await engine.backup("Plant")).result()
        found = await engine.compare(first.id, second.id)
        if found.rows != (new, 0, 0):
            raise SystemExit(f"{new} rows are new, and it found {found.rows}")
        call = await _median(turns, lambda: engine.compare(first.id, second.id))
    _command(home, "diff", first.id, second.id)
    whole = _middle([_command(home, "diff", first.id, second.id) for _ in range(turns)])
    say(
        f"two days of {second.data / 1e6:,.0f} MB, {new:,} new rows: "
        f"engine {call.seconds:.2f} s, command {whole.seconds:.2f} s; "
        f"with the project as it is now: engine {now.seconds:.2f} s"
    )


class Taken(NamedTuple):
    """Seconds on the clock, and of the processor."""

    seconds: float
    processor: float

    def __str__(self) -> str:
        return f"{self.seconds * 1000:.0f} ms (processor {self.processor * 1000:.0f} ms)"


def _middle(taken: Sequence[Taken]) -> Taken:
    """The medians."""
    return Taken(
        statistics.median(each.seconds for each in taken),
        statistics.median(each.processor for each in taken),
    )


async def _median(turns: int, call: Callable[[], Awaitable[object]]) -> Taken:
    """What a call takes, after one that warms things up."""
    await call()
    taken = []
    for _ in range(turns):
        began, used = time.perf_counter(), time.process_time()
        await call()
        taken.append(Taken(time.perf_counter() - began, time.process_time() - used))
    return _middle(taken)


def _command(home: Path, *arguments: str) -> Taken:
    """What a whole command takes; what it prints is JSON."""
    program = str(Path(sys.executable).parent / "backstay")
    line = [program, "--home", str(home), "--as", _USER, *arguments, "--json"]
    began, used = time.perf_counter(), _of_children()
    done = subprocess.run(line, capture_output=True, check=True)
    taken = Taken(time.perf_counter() - began, _of_children() - used)
    json.loads(done.stdout)
    return taken


def _of_children() -> float:
    """Seconds of the processor that children took which are waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
