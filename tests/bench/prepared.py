"""What benchmarks begin with: a folder to work in, and a home beside a fresh copy of a project."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from project_files import SHAPES, Shape, make_project
from run import copy_project
from tools import Ours


@contextmanager
def work_folder(given: Path | None) -> Iterator[Path]:
    """The folder that is given, which keeps its projects for the next run; else one for now."""
    work = given or Path(tempfile.mkdtemp(prefix="backstay-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        yield work.resolve()
    finally:
        if given is None:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def home_of_copy(work: Path, shape: Shape, size_mb: int, leave_out: str) -> Iterator[Ours]:
    """A home of its own that has adopted a copy of a project; both are removed at the end."""
    project = make_project(work, shape, size_mb)
    folder = Path(tempfile.mkdtemp(prefix="home-", dir=work))
    try:
        live = folder / "live"
        copy_project(project, live)
        ours = Ours(folder, live, leave_out)
        ours.prepare()
        yield ours
    finally:
        shutil.rmtree(folder)


def asked_for(shape: str, sizes_mb: str) -> Sequence[tuple[Shape, int]]:
    """Each shape with each size, as ``--shape`` and ``--sizes-mb`` have them."""
    shapes = list(SHAPES.values()) if shape == "both" else [SHAPES[shape]]
    return [(each, int(size)) for each in shapes for size in sizes_mb.split(",")]
