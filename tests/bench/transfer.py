"""How fast rows move into a project in use, and what a busy writer notices of it.

    python tests/bench/transfer.py
    python tests/bench/transfer.py --rows 1000000 --work /tmp/kept

For one device and for 200 it moves that many rows into a project with the same devices, which have
rows of other times (a tenth as many) and a writer that inserts one every 5 ms into the first of
them with a busy timeout of 1000 ms. It prints rows a second, the longest transaction that Backstay
reports, the longest insert, and how many inserts failed, which must be 0: the exit code is 1 if it
is not. Then it moves the same again: nothing comes twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from prepared import work_folder
from project_files import BYTES_PER_ROW, MB, SHAPES, Shape, device_files, make_project
from run import copy_project, say

from engine import Engine, TransferReport

WRITE_EVERY = 5  # milliseconds
_KEPT = 10  # one row of so many is in the target before


def main() -> None:
    """Run both shapes and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shapes", default="one,many")
    parser.add_argument("--work", type=Path, help="keeps the projects for the next run")
    given = parser.parse_args()
    failed = 0
    with work_folder(given.work) as work:
        say("devices     rows  seconds   rows/s  longest lock ms  inserts  failed  longest insert")
        for name in given.shapes.split(","):
            failed += one(work, SHAPES[name], given.rows)
    sys.exit(1 if failed else 0)


def one(work: Path, shape: Shape, rows: int) -> int:
    """Move rows between two projects of a shape, twice; gives how many inserts failed."""
    project = make_project(work, shape, -(-rows * BYTES_PER_ROW // MB))
    folder = Path(tempfile.mkdtemp(prefix="transfer-", dir=work))
    try:
        target = folder / "live"
        copy_project(project, target)
        for file in device_files(target):
            with closing(sqlite3.connect(file, isolation_level=None)) as database:
                database.execute("PRAGMA synchronous = OFF")
                database.execute(f"DELETE FROM data WHERE rowid % {_KEPT}")
                database.execute("UPDATE data SET time = time + 100000000000")  # other times
                database.execute("VACUUM")
        failed = 0
        for _ in range(2):
            failed += measured(folder, project, target, shape)
        return failed
    finally:
        shutil.rmtree(folder)


def measured(folder: Path, project: Path, target: Path, shape: Shape) -> int:
    """Move all rows while the writer writes, and print what it cost."""
    file = device_files(target)[0]
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "writer.py"), str(file), str(WRITE_EVERY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        if writer.stdout is None or writer.stdout.readline() != "writing\n":
            raise SystemExit("the writer did not start")
        began = time.monotonic()
        report = asyncio.run(moved(folder / "home", project, target))
        seconds = time.monotonic() - began
        output, _ = writer.communicate()
    seen = json.loads(output)
    looked = report.copied + report.already_there
    say(
        f"{shape.files:>7} {report.copied:>8} {seconds:>8.2f} {looked / seconds:>8.0f} "
        f"{report.longest_lock * 1000:>16.1f} {seen['inserted']:>8} {seen['failed']:>7} "
        f"{seen['longest'] * 1000:>18.1f}"
    )
    return int(seen["failed"])


async def moved(home: Path, project: Path, target: Path) -> TransferReport:
    """Move everything, as the command does."""
    async with Engine.open(home, create=True, works=True) as engine:
        if not await engine.projects():
            await engine.adopt(project, "Old")
            await engine.adopt(target, "Live")
        return await (await engine.transfer("Old", "Live")).result()


if __name__ == "__main__":
    main()
