"""The peak memory of a backup and of a restore, for projects of growing size.

    python tests/bench/memory.py
    python tests/bench/memory.py --sizes-mb 100,1000,4000 --shape one

It must not grow with the project. Memory is the highest sum over all living processes of the
command; pages that they share count once for each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from measuring import measure
from prepared import asked_for, home_of_copy, work_folder
from project_files import MB, SHAPES, Shape, size_of
from run import say


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
    with work_folder(given.work) as work:
        say("shape  project MB  backup s  backup MB  restore s  restore MB")
        for shape, size in asked_for(given.shape, given.sizes_mb):
            one_size(work, shape, size, given.leave_out)


def one_size(work: Path, shape: Shape, size_mb: int, leave_out: str) -> None:
    """Back up and restore one project and print its line."""
    with home_of_copy(work, shape, size_mb, leave_out) as ours:
        backup = measure(ours.backup(1))
        restore = measure(ours.restore(1))
        say(
            f"{shape.name:<5} {size_of(ours.live) / MB:>11.0f} {backup.seconds:>9.2f} "
            f"{backup.memory / MB:>10.1f} {restore.seconds:>10.2f} {restore.memory / MB:>11.1f}"
        )


if __name__ == "__main__":
    main()
