"""What each index of a device's database costs to keep in backups, and to rebuild in a restore.

    python tests/bench/indexes.py                     about 1 GB in one big file and in 200 files
    python tests/bench/indexes.py --size-mb 100 --work FOLDER

For each index: the bytes that a first backup stores more if the index is kept and not left out, and
those that the next day adds more, in chunks and frames as the repository has them; the processor
seconds that building it takes more in a restore, as a restore builds it in one process; and those
that SQLite's REINDEX takes. The primary key cannot be kept as it is, for its ids are renewed: what
it would take is told all the same. Of many files, every tenth is measured and counts tenfold.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import zstandard
from blake3 import blake3
from prepared import work_folder
from project_files import MB, SHAPES, Shape, add_day, device_files, make_project
from run import copy_project, say

from engine.model import LeaveOut
from engine.pages.btree import PADDING, Bytes, Ints, walk
from engine.pages.canonical import apply, plan_image
from engine.pages.header import HEADER_SIZE, Header, parse_header
from engine.pages.ids import Runs, table_leaves, write_ids
from engine.pages.shape import Index, read_shape
from engine.rebuild import large
from engine.rebuild.complete import complete
from engine.rebuild.databases import Slice, spool_of
from engine.rebuild.gathering import STAYED
from engine.rebuild.pages import PagesInMemory
from engine.rebuild.results import Rebuild
from engine.rebuild.tasks import is_small
from engine.repository.manifest import Image
from engine.repository.packs import COMPRESSION, FRAME_SIZE
from engine.repository.repository import CHUNK_SIZE

P = ParamSpec("P")
T = TypeVar("T")

PREFIX = b"715fabcdef0123"
EVERY = 10  # files, of many
ALL = "all of them"


@dataclass(slots=True)
class Costs:
    """What an index costs: bytes and processor seconds."""

    stored: float = 0
    added: float = 0
    seconds: float = 0
    by_sqlite: float = 0


@dataclass(slots=True)
class Stored:
    """What a repository has of one file: the names of chunks, of which nothing is stored twice."""

    names: set[bytes] = field(default_factory=set)

    def add(self, image: Bytes) -> int:
        """Store an image; gives the bytes that this adds."""
        chunks = []
        for at in range(0, image.size, CHUNK_SIZE):
            chunk = image[at : at + CHUNK_SIZE]
            name = blake3(chunk.data).digest(16)
            if name not in self.names and chunk.any():
                self.names.add(name)
                chunks.append(chunk)
        new = np.concatenate(chunks) if chunks else np.empty(0, np.uint8)
        press = zstandard.ZstdCompressor(compression_params=COMPRESSION)
        return sum(
            len(press.compress(new[at : at + FRAME_SIZE].data))
            for at in range(0, new.size, FRAME_SIZE)
        )


class File:
    """A device's database as it is at one moment, and its image without indexes."""

    def __init__(self, path: Path) -> None:
        self.raw = np.fromfile(path, np.uint8)
        first = self.raw[:HEADER_SIZE].tobytes()
        self.header: Header = parse_header(first, self.raw.size)
        size = self.header.page_size
        self.pages = self.raw.reshape(-1, size)
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as own:
            self.shape = read_shape(own)
        self.indexes: tuple[Index, ...] = self.shape.left_out(LeaveOut.ALL)
        page = self.raw[:size].tobytes()
        plan = plan_image(self.read, self.header, self.shape, LeaveOut.ALL, page)
        self.flat = np.concatenate([self.raw, np.zeros(PADDING, np.uint8)])
        self.lookalikes = apply(plan, 1, self.flat).lookalikes

    def read(self, numbers: Ints) -> Bytes:
        """Pages of the database."""
        return self.pages[numbers - 1]

    def image(self, kept: Index | None = None) -> Bytes:
        """The image without indexes, but for one."""
        image = self.flat[: self.raw.size].copy()
        if kept is not None:
            tree = walk(self.read, kept.root, self.header.page_count, index=True)
            pages = np.concatenate([tree.interior, tree.leaves])
            image.reshape(self.pages.shape)[pages - 1] = self.read(pages)
        return image

    def renewed(self) -> tuple[Bytes, Runs]:
        """The image with new ids, and its rowids."""
        flat, size = self.flat.copy(), self.header.page_size
        count = self.header.page_count
        leaves = table_leaves(flat, size, count, 1, self.lookalikes)
        runs = write_ids(flat, size, leaves, self.shape.id_column, PREFIX)
        return flat[: self.raw.size], runs


class Here:
    """Runs the tasks of children in this process."""

    async def run(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a task at once."""
        return task(*args, **kwargs)


def main() -> None:
    """Measure both shapes and print their tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size-mb", type=int, default=1000, help="of device files (1000)")
    parser.add_argument("--day-rows", type=float, default=0.002, help="new rows, of all (0.002)")
    parser.add_argument("--shape", choices=[*SHAPES, "both"], default="both")
    parser.add_argument("--work", type=Path, help="keeps the projects for the next run")
    given = parser.parse_args()
    with work_folder(given.work) as work:
        for shape in SHAPES.values() if given.shape == "both" else (SHAPES[given.shape],):
            measure(work, shape, given.size_mb, given.day_rows)


def measure(work: Path, shape: Shape, size_mb: int, day_rows: float) -> None:
    """Measure a project of one shape and print its table."""
    project = make_project(work, shape, size_mb)
    folder = Path(tempfile.mkdtemp(prefix="indexes-", dir=work))
    costs: dict[str, Costs] = {}
    try:
        live = folder / "live"
        copy_project(project, live)
        chosen = device_files(live)[:: EVERY if shape.files > 1 else 1]
        times = shape.files / len(chosen)
        before = {path: store(path, costs, times) for path in chosen}
        for path in chosen:
            rebuild(path, folder / "made.db", costs, times)
        # The day comes to every device, so that those that are measured have their share of it.
        add_day(live, shape, 1, rows_share=day_rows, devices=1.0)
        for path in chosen:
            add(path, before[path], costs, times)
    finally:
        shutil.rmtree(folder)
    say(f"\n{shape.name}: {shape.files} files of {size_mb} MB, a day is {day_rows:.1%} new rows")
    say(f"{'':<34}{'stored, MB':>11}{'a day, MB':>11}{'rebuild, s':>12}{'REINDEX, s':>12}")
    for name, cost in costs.items():
        say(
            f"{name:<34}{cost.stored / MB:>11.2f}{cost.added / MB:>11.2f}"
            f"{cost.seconds:>12.3f}{cost.by_sqlite:>12.3f}"
        )


def store(path: Path, costs: dict[str, Costs], times: float) -> dict[str, Stored]:
    """Store a file without indexes, and with each; what there is of each then."""
    file = File(path)
    found = {"": Stored()}
    bare = found[""].add(file.image())
    for index in file.indexes:
        found[index.name] = Stored()
        more = found[index.name].add(file.image(index)) - bare
        costs.setdefault(index.name, Costs()).stored += more * times
    return found


def add(path: Path, before: dict[str, Stored], costs: dict[str, Costs], times: float) -> None:
    """Store the next day of a file in the same ways."""
    file = File(path)
    bare = before[""].add(file.image())
    for index in file.indexes:
        more = before[index.name].add(file.image(index)) - bare
        costs[index.name].added += more * times


def rebuild(path: Path, made: Path, costs: dict[str, Costs], times: float) -> None:
    """Build indexes as a restore does: the primary key's, and then that and each of the others."""
    file = File(path)
    primary, *others = (index.name for index in file.indexes)
    alone = build(file, made, (primary,))
    costs[primary].seconds += alone * times
    for name in others:
        costs[name].seconds += (build(file, made, (primary, name)) - alone) * times
    together = costs.setdefault(ALL, Costs())
    together.seconds += build(file, made, (primary, *others)) * times
    shutil.copyfile(path, made)
    with closing(sqlite3.connect(made, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        for name in (primary, *others):
            begin = time.process_time()
            connection.execute(f'REINDEX "{name}"')
            spent = (time.process_time() - begin) * times
            costs[name].by_sqlite += spent
            together.by_sqlite += spent
    made.unlink()


def build(file: File, made: Path, left_out: tuple[str, ...]) -> float:
    """Build these indexes of an image; gives the processor seconds that this took."""
    size = file.header.page_size
    data, runs = file.renewed()
    image = Image(size, file.header.page_count, (), file.shape.id_column, left_out, (), 0)
    if is_small(image):
        pages = PagesInMemory(data, size)
        begin = time.process_time()
        complete(pages, [runs], PREFIX, left_out)
        return time.process_time() - begin
    made.unlink(missing_ok=True)
    data.tofile(made)
    job = Rebuild(image, str(made), PREFIX, runs.rows, "The device")
    begin = time.process_time()
    written = spool_of(job).put(Slice(runs, STAYED))
    asyncio.run(large.build_indexes(Here(), job, [written]))
    spent = time.process_time() - begin
    large.remove_scratch(made)
    return spent


if __name__ == "__main__":
    main()
