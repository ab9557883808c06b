"""How long an export takes, how large it is, and the memory that it needs, beside a restore.

    python tests/bench/export.py
    python tests/bench/export.py --sizes-mb 100,1000 --shape one --turns 3

Both forms are written to a new file or folder and synced; medians count. Memory is the highest sum
over all living processes of the command; pages that they share count once for each.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from measuring import measure
from prepared import asked_for, home_of_copy, work_folder
from project_files import MB, SHAPES, Shape, size_of
from run import say

FORMS = ("tar", "parquet")


def main() -> None:
    """Run all sizes and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes-mb", default="1000")
    parser.add_argument("--shape", choices=[*SHAPES, "both"], default="both")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--work", type=Path, help="keeps the projects for the next run")
    given = parser.parse_args()
    with work_folder(given.work) as work:
        say("shape  project MB  restore s  form     export s  export MB  memory MB")
        for shape, size in asked_for(given.shape, given.sizes_mb):
            one_size(work, shape, size, given.turns)


def one_size(work: Path, shape: Shape, size_mb: int, turns: int) -> None:
    """Back up one project, then restore and export it, and print its lines."""
    with (
        home_of_copy(work, shape, size_mb, "primary-key") as ours,
        tempfile.TemporaryDirectory(prefix="exports-", dir=work) as folder,
    ):
        measure(ours.backup(1))
        restores: list[float] = []
        exports: dict[str, list[float]] = {form: [] for form in FORMS}
        sizes: dict[str, int] = {}
        memory: dict[str, int] = {}
        for turn in range(turns):
            restores.append(measure(ours.restore(turn)).seconds)
            ours.discard()
            for form in FORMS:
                target = Path(folder) / form
                command = ours.command("export", "Bench@latest", str(target), "--format", form)
                done = measure([command])
                exports[form].append(done.seconds)
                memory[form] = max(memory.get(form, 0), done.memory)
                if target.is_dir():
                    sizes[form] = size_of(target)
                    shutil.rmtree(target)
                else:
                    sizes[form] = target.stat().st_size
                    target.unlink()
        whole = size_of(ours.live)
        for form in FORMS:
            say(
                f"{shape.name:<5} {whole / MB:>11.0f} {statistics.median(restores):>10.2f}"
                f"  {form:<7} {statistics.median(exports[form]):>9.2f} {sizes[form] / MB:>10.1f}"
                f" {memory[form] / MB:>10.1f}"
            )


if __name__ == "__main__":
    main()
