"""How long an index of many chunks takes to make and to search, and how much memory.

    python tests/bench/chunks.py
    python tests/bench/chunks.py --chunks 100000,4000000

A chunk is at most 64 KiB of a database: 4 million are 256 GB. Each index is made in a process of
its own, of packs with 2,000 chunks each whose names are drawn by chance: in memory, as it is where
nobody gives it a folder, and in a file, as jobs have it. Printed is the memory that is the
process's own (RssAnon) when the index is made, less what it had before; the highest of all that was
resident while it was made (VmHWM), of which what is mapped can be taken back at any time; and how
long it takes to find the chunks of a pack.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measuring import memory
from run import say

from engine.repository.index import IndexBuilder
from engine.repository.packs import Trailer

PER_PACK = 2000
PER_FRAME = 4
LOOKED_FOR = 50  # every so many packs
WAYS = ("memory", "file")


def main() -> None:
    """Measure every size in both ways, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chunks", default="100000,4000000", help="comma-separated")
    parser.add_argument("--way", choices=WAYS, help="in this process, and only one size")
    given = parser.parse_args()
    sizes = [int(each) for each in given.chunks.split(",")]
    if given.way is not None:
        with tempfile.TemporaryDirectory() as folder:
            say(measured(sizes[0], Path(folder) if given.way == "file" else None))
        return
    say("   chunks  index in  make s  find ms  own MB  peak MB")
    for size in sizes:
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, "--chunks", str(size)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            say(f"{size:>9}  {way:>8}  {done.stdout.rstrip()}")


def measured(chunks: int, folder: Path | None) -> str:
    """Make an index and look for some of its chunks; the figures."""
    random = np.random.default_rng(1)
    builder = IndexBuilder(folder=folder)
    lengths = np.full(PER_PACK // PER_FRAME, 1000, np.uint32)
    own, making, kept = memory(os.getpid(), "RssAnon"), 0.0, []
    for number in range(-(-chunks // PER_PACK)):
        names = random.integers(0, 256, (PER_PACK, 16), np.uint8)
        trailer = Trailer(
            lengths,
            np.full(lengths.size, PER_FRAME, np.uint32),
            np.full(PER_PACK, 60_000, np.uint32),
            names,
        )
        if number % LOOKED_FOR == 0:
            kept.append(names)
        begin = time.perf_counter()
        builder.add(f"{number:032x}", trailer)
        making += time.perf_counter() - begin
    begin = time.perf_counter()
    index = builder.done()
    making += time.perf_counter() - begin
    own, peak = memory(os.getpid(), "RssAnon") - own, memory(os.getpid())
    begin = time.perf_counter()
    for names in kept:
        if (index.find(names) < 0).any():
            raise SystemExit("the index does not find what is in it")
    finding = (time.perf_counter() - begin) / len(kept) * 1000
    return f"{making:>6.2f}  {finding:>7.2f}  {own / 1e6:>6.1f}  {peak / 1e6:>7.1f}"


if __name__ == "__main__":
    main()
