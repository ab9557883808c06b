"""One job in a process of its own, for tests that kill it: a backup, a restore, or an adoption.

python one_job.py HOME adopt FOLDER | backup | restore | delete | transfer | cleanup
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from engine.cleaning import clean_up
from engine.engine import Engine
from engine.home import Home
from engine.lock import WorkLock
from engine.repository.repository import open_repository

OWNER, PROJECT, COPY = "ana", "Plant", "Copy"
FEE = Decimal("49.00")


def clock() -> datetime:
    """The moment of the job."""
    return datetime(2026, 11, 24, 3, tzinfo=UTC)


async def clean_up_all_but_two(home: Path) -> None:
    """Remove all backups but the two most recent, and what only they needed."""
    repository = open_repository(Home(home).storage, Home(home).read_key())
    by_age = sorted(repository.manifests(), key=lambda backup: repository.manifest(backup).date)
    with WorkLock(home):
        await clean_up(repository, by_age[:-2], lambda _: None)


async def main(home: Path, job: str, *arguments: str) -> None:
    """Open the home and do the job."""
    if job == "cleanup":
        await clean_up_all_but_two(home)
        return
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
        elif job == "transfer":
            await (await engine.transfer(PROJECT, COPY, create_missing=True)).result()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
