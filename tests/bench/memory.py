"""The peak memory of a backup and of a restore, for projects of growing size.

    python tests/bench/memory.py
    python tests/bench/memory.py --sizes-mb 100,1000,4000 --shape one

It must not grow with the project. Memory is the highest sum over all living processes of the
command; pages that they share count once for each.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from measuring import measure
from project_files import MB, SHAPES, Shape, make_project, size_of
from run import copy_project, say
from tools import Ours


def main() -> None:
    """Run all sizes and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes-mb", default="1000,4000")
    parser.add_argument("--shape", choices=[*SHAPES, "both"], default="both")
    parser.add_argument("--leave-out", default="all")
    parser.add_argument("--work", type=Path, help="keeps the projects for the next run")
    given = parser.parse_args()
    work: Path = given.work or Path(tempfile.mkdtemp(prefix="backstay-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    work = work.resolve()
    try:
        say("shape  project MB  backup s  backup MB  restore s  restore MB")
        for shape in SHAPES.values() if given.shape == "both" else (SHAPES[given.shape],):
            for size in given.sizes_mb.split(","):
                one_size(work, shape, int(size), given.leave_out)
    finally:
        if given.work is None:
            shutil.rmtree(work, ignore_errors=True)


def one_size(work: Path, shape: Shape, size_mb: int, leave_out: str) -> None:
    """Back up and restore one project and print its line."""
    project = make_project(work, shape, size_mb)
    folder = Path(tempfile.mkdtemp(prefix="memory-", dir=work))
    try:
        live = folder / "live"
        copy_project(project, live)
        ours = Ours(folder, live, leave_out)
        ours.prepare()
        backup = measure(ours.backup(1))
        restore = measure(ours.restore(1))
        say(
            f"{shape.name:<5} {size_of(live) / MB:>11.0f} {backup.seconds:>9.2f} "
            f"{backup.memory / MB:>10.1f} {restore.seconds:>10.2f} {restore.memory / MB:>11.1f}"
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
