"""The home that the pictures show: the demo, at a time, in a zone and with ids that are given.

All of it is real: backups are taken and proved, a project is restored. Only what would be another
one each time is ours: the time, how long things take, and random ids and tokens.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch
from uuid import UUID

sys.path.append(str(Path(__file__).parents[1] / "tui"))

from app_support import LISBON, NOW, AppHome, now

from engine import BackupKind, Engine, JobKind, JobState, Progress, make_demo
from engine.lock import WorkLock
from engine.model import Job

PLANT = "Plant 7"
_SEED = 5
_TAKES = 2.4  # seconds that everything takes that the engine takes the time of
_SECOND = timedelta(seconds=1)
_UNDER_WAY = "4f2a81c09b3d"


@contextmanager
def as_always() -> Iterator[None]:
    """Ids, tokens, durations and sizes that are the same each time.

    What is stored together is compressed together: one process stores one file after the other.
    """
    seeded = random.Random(_SEED)
    ids = SimpleNamespace(urandom=seeded.randbytes)
    moments = itertools.count(0, _TAKES)
    ticking = SimpleNamespace(monotonic=lambda: next(moments))

    def token() -> UUID:
        return UUID(bytes=seeded.randbytes(16), version=4)

    with (
        patch("engine.names.os", ids),
        patch("engine.project.identity.uuid4", token),
        patch("engine.performing.time", ticking),
        patch("engine.reading._AT_ONCE", 1),
        patch("engine.starting.COUNT", 1),
    ):
        yield


async def make_home(folder: Path) -> AppHome:
    """Make the demo in a folder that stands for ana's own."""
    home = AppHome(folder)
    home.path = folder / "backstay"
    await make_demo(home.path, user="ana", seed=_SEED, clock=now)
    async with Engine.open(home.path, user="ana", clock=now, works=True) as engine:
        await engine.set_schedule(PLANT, at="03:00", zone=LISBON, keep=7)
        for backup in await engine.backups(PLANT):
            if backup.kind is BackupKind.SCHEDULED:
                await (await engine.verify(backup.id)).result()
    return home


@asynccontextmanager
async def restore_under_way(home: AppHome, name: str) -> AsyncIterator[None]:
    """A restore that stands in its middle; `name` is what the new project is to be called."""
    async with Engine.open(home.path, user="ana", clock=now) as engine:
        (plant,) = [project for project in await engine.projects() if project.name == PLANT]
    job = Job(
        id=_UNDER_WAY,
        kind=JobKind.RESTORE,
        project=plant.id,
        project_name=PLANT,
        user="ana",
        state=JobState.RUNNING,
        asked=NOW - 2 * _SECOND,
        started=NOW - _SECOND,
        finished=None,
        progress=Progress("new ids and indexes", 9_200_000, 13_900_000, 4_700_000.0),
        error="",
        reason="",
        hint="",
        slot=None,
        attempt=1,
        new_project=name,
    )
    lock = WorkLock(home.path)
    lock.acquire()
    home.add_job(job)
    try:
        yield
    finally:
        home.add_job(job._replace(state=JobState.CANCELLED, finished=NOW))
        lock.release()
