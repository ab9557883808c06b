"""What a worker costs that stays and has nothing to do.

    python tests/bench/worker.py
    python tests/bench/worker.py --projects 100 --seconds 60

It adopts copies of a small instance, gives each a schedule whose next slot is far away, starts a
worker in a process of its own, lets it settle, and watches it through /proc while nothing is due:
the share of one core that all its threads had, what it handed to write calls, what of that the
kernel was to bring to disk, and how often its threads slept and were woken. It ends with an error
where the share is not under 0.5 % or anything was written.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from run import say

from engine.engine import Engine
from engine.lock import worker_stays
from engine.project.demo.instance import write_instance

MOST = 0.5  # percent of one core
SETTLE = 3.0  # seconds after which a worker that was just started has nothing left to do
WORKER = (
    "import asyncio, sys; from pathlib import Path; from engine.worker import run_worker;"
    " asyncio.run(run_worker(Path(sys.argv[1]), stay=True))"
)


class Spent(NamedTuple):
    """What a process has had until now."""

    moment: float  # seconds, monotonic
    cpu: float  # seconds, all threads, user and system
    written: int  # bytes, handed to write calls
    to_disk: int  # bytes, that the kernel is to bring to disk
    reads: int  # read calls
    wakes: int  # times that a thread had slept, and was woken


def main() -> None:
    """Watch an idle worker and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--projects", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--work", type=Path, help="where the home is made")
    given = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="backstay-bench-", dir=given.work))
    try:
        home = work / "home"
        asyncio.run(prepare(work, home, given.projects))
        before, after = watch(home, given.seconds)
    finally:
        shutil.rmtree(work)
    seconds = after.moment - before.moment
    share = (after.cpu - before.cpu) / seconds * 100
    written, to_disk = after.written - before.written, after.to_disk - before.to_disk
    say("projects  seconds  % of a core  written B  to disk B  reads/s  wakes/s")
    say(
        f"{given.projects:>8} {seconds:>8.1f} {share:>12.2f} {written:>10} {to_disk:>10} "
        f"{(after.reads - before.reads) / seconds:>8.1f} "
        f"{(after.wakes - before.wakes) / seconds:>8.1f}"
    )
    if share >= MOST or written or to_disk:
        raise SystemExit(f"it is to be less than {MOST} % of a core, and nothing written")


async def prepare(work: Path, home: Path, projects: int) -> None:
    """Make a home with that many projects, none of which is due within the next hours."""
    now = datetime.now(UTC)
    write_instance(work / "source", seed=1, devices=1, rows=50, until=now, port=18900)
    far = f"{(now + timedelta(hours=12)).hour:02}:00"
    async with Engine.open(home, create=True) as engine:
        for number in range(projects):
            copy = work / f"source {number}"
            shutil.copytree(work / "source", copy)
            await engine.adopt(copy, f"Plant {number}")
            await engine.set_schedule(f"Plant {number}", at=far, zone="UTC")


def watch(home: Path, seconds: float) -> tuple[Spent, Spent]:
    """What a worker that stays had spent once it had settled, and that many seconds later."""
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(home)])
    try:
        wait_until(lambda: worker_stays(home))
        time.sleep(SETTLE)
        before = spent(worker.pid)
        time.sleep(seconds)
        after = spent(worker.pid)
    finally:
        worker.terminate()
        worker.wait()
    return before, after


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something is so. Raises SystemExit where it does not come to be."""
    deadline = time.monotonic() + 30
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit("the worker did not start")
        time.sleep(0.05)


def spent(process: int) -> Spent:
    """Read what /proc tells of a process and its threads."""
    folder = Path(f"/proc/{process}")
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])  # utime and stime; see proc(5)
    io = numbers(folder / "io")
    wakes = sum(numbers(each)["voluntary_ctxt_switches"] for each in folder.glob("task/*/status"))
    return Spent(
        moment=time.monotonic(),
        cpu=ticks / os.sysconf("SC_CLK_TCK"),
        written=io["wchar"],
        to_disk=io["write_bytes"],
        reads=io["syscr"],
        wakes=wakes,
    )


def numbers(file: Path) -> dict[str, int]:
    """The lines of a file that are a name, a colon and a number."""
    pairs = (line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
    return {name: int(value) for name, value in pairs if value.strip().isdigit()}


if __name__ == "__main__":
    main()
