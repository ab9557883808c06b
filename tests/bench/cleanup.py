"""How long a clean-up takes, and how much memory, of packs of which a tenth is live.

    python tests/bench/cleanup.py
    python tests/bench/cleanup.py --size-mb 300 --turns 1

It stores chunks that compress four to one until the packs have that size, and two backups: one of
all chunks, which is removed, and one of every tenth. Where these are scattered, every pack has to
be rewritten; where they lie together, a tenth of the packs stays and the others go whole. The
smaller backup is read back and compared afterwards. Memory is the highest sum over all living
processes of the clean-up; pages that they share count once for each.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from measuring import Command, measure
from project_files import MB, size_of
from run import say

ALL, TENTH = "0" * 11 + "1", "0" * 11 + "2"  # ids of the two backups
KEY = bytes(range(32))
SLICE = 128  # chunks made at once
RATIO = 4  # bytes for each byte stored
RUN = 8192  # chunks, about two packs: how far apart those are that lie together


def main() -> None:
    """Measure both kinds and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size-mb", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=3, help="of each kind; the median counts (3)")
    parser.add_argument("--work", type=Path, help="where the repositories are made")
    parser.add_argument("--clean", type=Path, help=argparse.SUPPRESS)  # what is measured
    given = parser.parse_args()
    if given.clean is not None:
        asyncio.run(clean(given.clean))
        return
    work = Path(tempfile.mkdtemp(prefix="backstay-bench-", dir=given.work))
    try:
        say("live chunks  before MB  after MB  seconds  memory MB")
        for kind in ("scattered", "together"):
            prepared = work / kind
            make(prepared, given.size_mb * MB, together=kind == "together")
            one_kind(work, prepared, kind, given.turns)
            shutil.rmtree(prepared)
    finally:
        shutil.rmtree(work)


def one_kind(work: Path, prepared: Path, kind: str, turns: int) -> None:
    """Clean copies of a repository up, and print the median."""
    seconds, memory, before, after = [], [], size_of(prepared), 0
    for _ in range(turns):
        copy = work / "copy"
        shutil.copytree(prepared, copy)
        command = Command((sys.executable, str(Path(__file__)), "--clean", str(copy)))
        figures = measure([command])
        seconds.append(figures.seconds)
        memory.append(figures.memory)
        after = size_of(copy)
        check(copy, together=kind == "together")
        shutil.rmtree(copy)
    say(
        f"{kind:<11} {before / MB:>10.0f} {after / MB:>9.0f} "
        f"{statistics.median(seconds):>8.2f} {max(memory) / MB:>10.1f}"
    )


async def clean(folder: Path) -> None:
    """Remove the larger backup."""
    from engine.cleaning import clean_up
    from engine.repository.repository import open_repository
    from engine.repository.storage import LocalStorage

    repository = open_repository(LocalStorage(folder), KEY)
    await clean_up(repository, [ALL], lambda _: None)


def chunks(seed: int) -> bytes:
    """A slice of chunks, each of which compresses four to one and is like no other."""
    import numpy as np

    from engine.repository.repository import CHUNK_SIZE

    drawn = np.random.default_rng(seed).integers(0, 256, (SLICE, CHUNK_SIZE // RATIO), np.uint8)
    return np.tile(drawn, (1, RATIO)).tobytes()


def live(count: int, *, together: bool) -> list[bool]:
    """Which chunks the smaller backup has."""
    return [(number // RUN if together else number) % 10 == 0 for number in range(count)]


def make(folder: Path, size: int, *, together: bool) -> None:
    """Make a repository with packs of about `size` bytes and its two backups."""
    import numpy as np

    from engine.model import BackupKind, Encryption
    from engine.repository.manifest import Image, Layout, MainEntry, Manifest
    from engine.repository.repository import CHUNK_SIZE, create_repository, open_repository
    from engine.repository.storage import LocalStorage
    from engine.snapshot.store import ChunkStore

    storage = LocalStorage(folder)
    create_repository(storage, Encryption.AES_256_GCM, KEY)
    repository = open_repository(storage, KEY)
    store = ChunkStore(repository)
    slices = max(1, size * RATIO // (SLICE * CHUNK_SIZE))
    parts = [store.add(np.frombuffer(chunks(seed), np.uint8), CHUNK_SIZE) for seed in range(slices)]
    names = np.concatenate(parts)
    some = np.where(np.array(live(len(names), together=together))[:, None], names, np.uint8(0))
    lists = {ALL: store.add_list(names), TENTH: store.add_list(some)}
    packs = store.finish()
    for backup, listed in lists.items():
        image = Image(CHUNK_SIZE, len(names), listed, None, (), (), 0)
        repository.put_manifest(
            Manifest(
                backup=backup,
                project="0" * 12,
                project_name="Bench",
                path="/srv/bench",
                owners=(),
                port=8888,
                date=datetime(2026, 11, 23, tzinfo=UTC),
                kind=BackupKind.MANUAL,
                main=MainEntry(image, (), 0, 0, 0, ()),
                devices=(),
                plugins=(),
                settings=(),
                packs=packs,
                mark_prefix="",
                leave_out="primary-key",
                size=0,
                added=0,
                data=0,
                longest_lock=0.0,
                notes=(),
                layout=Layout("", "", "", ""),
            )
        )


def check(folder: Path, *, together: bool) -> None:
    """Read what is left. Raises SystemExit where it is not what it was."""
    from engine.repository.chunk_reader import ChunkReader
    from engine.repository.index import load_index
    from engine.repository.repository import CHUNK_SIZE, open_repository
    from engine.repository.storage import LocalStorage

    repository = open_repository(LocalStorage(folder), KEY)
    if set(repository.manifests()) != {TENTH}:
        raise SystemExit("the clean-up did not remove the larger backup, or removed the other")
    image = repository.manifest(TENTH).main.image
    reader = ChunkReader(repository, load_index(repository.storage, repository.keys))
    joined = b"".join(reader.read_list(image, number) for number in range(len(image.lists)))
    stays, made = live(image.page_count, together=together), b""
    for number in range(image.page_count):
        name = joined[number * 16 : (number + 1) * 16]
        if any(name) != stays[number]:
            raise SystemExit("the lists of the backup are not what they were")
        if number % SLICE == 0:
            made = chunks(number // SLICE)
        at = number % SLICE * CHUNK_SIZE
        if any(name) and reader.read(name) != made[at : at + CHUNK_SIZE]:
            raise SystemExit(f"chunk {number} is not what it was")


if __name__ == "__main__":
    main()
