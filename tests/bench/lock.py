"""How long a backup holds a device file, and what a busy writer notices of it.

    python tests/bench/lock.py
    python tests/bench/lock.py --sizes-mb 100,1000 --backups 5

For each size it makes a project with one device file, has a process insert a row every 5 ms with
a busy timeout of 1000 ms, and takes backups of it: the first one whole, the next ones with what
was written meanwhile. It prints the longest lock that Backstay reports, the longest insert, and
the number of inserts that failed, which must be 0: the exit code is 1 if it is not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from measuring import measure
from prepared import home_of_copy, work_folder
from project_files import MB, SHAPES, device_files
from run import say
from tools import Ours

WRITE_EVERY = 5  # milliseconds


@dataclass(frozen=True, slots=True)
class LockFigures:
    """What one backup did to a busy file; times in seconds, size in bytes."""

    size: int
    backup: int
    seconds: float
    longest_lock: float
    inserted: int
    failed: int
    longest_insert: float


def main() -> None:
    """Run all sizes and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes-mb", default="100,324,1000")
    parser.add_argument("--backups", type=int, default=3, help="of each size (3)")
    parser.add_argument("--leave-out", default="all")
    parser.add_argument("--work", type=Path, help="keeps the projects for the next run")
    parser.add_argument("--json", metavar="FILE", help="write all raw figures; - to the screen")
    given = parser.parse_args()
    figures = []
    with work_folder(given.work) as work:
        say("   file MB  backup  seconds  longest lock ms  inserts  failed  longest insert ms")
        for size in given.sizes_mb.split(","):
            for each in of_size(work, int(size), given.backups, given.leave_out):
                figures.append(each)
                say(
                    f"{each.size / MB:>10.0f} {each.backup:>7} {each.seconds:>8.2f} "
                    f"{each.longest_lock * 1000:>16.1f} {each.inserted:>8} {each.failed:>7} "
                    f"{each.longest_insert * 1000:>18.1f}"
                )
    if given.json:
        text = json.dumps([asdict(each) for each in figures], indent=1) + "\n"
        if given.json == "-":
            sys.stdout.write(text)
        else:
            Path(given.json).write_text(text)
    sys.exit(1 if any(each.failed for each in figures) else 0)


def of_size(work: Path, size_mb: int, backups: int, leave_out: str) -> list[LockFigures]:
    """The figures of that many backups of one file of that size."""
    with home_of_copy(work, SHAPES["one"], size_mb, leave_out) as ours:
        return [one_backup(ours, number) for number in range(1, backups + 1)]


def one_backup(ours: Ours, number: int) -> LockFigures:
    """Take a backup while the writer writes: a second before it, all through it, a second after."""
    (file,) = device_files(ours.live)
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "writer.py"), str(file), str(WRITE_EVERY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        if writer.stdout is None or writer.stdout.readline() != "writing\n":
            raise SystemExit("the writer did not start")
        time.sleep(1)
        figures = measure(ours.backup(number))
        time.sleep(1)
        output, _ = writer.communicate()
    seen = json.loads(output)
    details = ours.json("show", "Bench@latest")
    if not isinstance(details, dict):
        raise SystemExit("backstay show printed something else than a backup")
    return LockFigures(
        size=file.stat().st_size,
        backup=number,
        seconds=figures.seconds,
        longest_lock=details["longest_lock_ms"] / 1000,
        inserted=seen["inserted"],
        failed=seen["failed"],
        longest_insert=seen["longest"],
    )


if __name__ == "__main__":
    main()
