"""How long a proof takes beside a restore of the same backup.

    python tests/bench/verify.py --source FOLDER

It backs up the TagoCore instance in FOLDER into a home of its own, then restores and proves the
backup in turns; the medians count. Nothing in FOLDER is changed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from run import say

from engine import Engine


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--work", type=Path, help="where the home is made")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="backstay-bench-", dir=given.work) as work:
        asyncio.run(measured(given.source, Path(work) / "home", given.turns))


async def measured(source: Path, home: Path, turns: int) -> None:
    """Take one backup, and print the seconds of restores and proofs of it."""
    async with Engine.open(home, user="bench", create=True, works=True) as engine:
        await engine.adopt(source, "Plant")
        backup = await (await engine.backup("Plant")).result()
        restores, proofs = [], []
        for turn in range(turns):
            name = f"Copy {turn}"
            begin = time.perf_counter()
            price = await engine.quote(backup.id)
            await (await engine.restore(backup.id, name, accept_cost=price)).result()
            restores.append(time.perf_counter() - begin)
            await engine.delete(name, confirm=name)
            begin = time.perf_counter()
            report = await (await engine.verify(backup.id)).result()
            proofs.append(time.perf_counter() - begin)
            if not report.ok:
                raise SystemExit(f"The backup is damaged: {report.damaged}")
    restore, proof = statistics.median(restores), statistics.median(proofs)
    say(f"{backup.data / 1e6:.0f} MB: restore {restore:.2f} s, proof {proof:.2f} s")


if __name__ == "__main__":
    main()
