"""One job in a process of its own, for tests that kill it: a backup, a restore, or an adoption.

python one_job.py HOME adopt FOLDER | backup | restore | delete
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from engine.engine import Engine

OWNER, PROJECT, COPY = "ana", "Plant", "Copy"
FEE = Decimal("49.00")


def clock() -> datetime:
    """The moment of the job."""
    return datetime(2026, 11, 24, 3, tzinfo=UTC)


async def main(home: Path, job: str, *arguments: str) -> None:
    """Open the home and do the job."""
    async with Engine.open(
        home, user=OWNER, clock=clock, create=job == "adopt", works=True
    ) as engine:
        if job == "adopt":
            await engine.adopt(Path(arguments[0]), PROJECT)
        elif job == "backup":
            await (await engine.backup(PROJECT)).result()
        elif job == "restore":
            handle = await engine.restore(f"{PROJECT}@latest", COPY, accept_cost=FEE)
            await handle.result()
        elif job == "delete":
            await engine.delete(COPY, confirm=COPY)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
