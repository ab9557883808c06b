"""A home made by hand for the app's tests, and ways to run the app on it.

The catalog, the locks and the engine are real; only the time is ours. Backups that are only listed
have a manifest file in name: what is in it is read by what opens one.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, Self

from textual.pilot import Pilot
from textual.screen import Screen
from textual.worker import WorkerCancelled

from engine.catalog import Catalog
from engine.catalog.columns import date_text
from engine.catalog.schedules import ScheduleRow
from engine.engine import Engine
from engine.home import Home
from engine.lock import WorkerLock
from engine.model import (
    Backup,
    BackupKind,
    BackupState,
    Encryption,
    Job,
    JobKind,
    JobState,
    Origin,
    Progress,
    ProjectState,
    Role,
)
from engine.repository.manifest import LIST_NAMES, DeviceEntry, Image, Layout, MainEntry, Manifest
from tui.app import Backstay

NOW = datetime(2026, 11, 23, 6, 4, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LISBON = "Europe/Lisbon"
SMALL, LARGE = (80, 24), (120, 40)
SIZES = [SMALL, LARGE]
Snap = Callable[..., bool]  # the fixture snap_compare
PRICES = """\
[prices]
currency = "EUR"
creation_fee = "49.00"
hourly = "0.034"
"""
PLANT, COPY, SOUTH, HARBOUR = (f"00000000000{number}" for number in range(1, 5))


def now() -> datetime:
    """The time in all tests of the app."""
    return NOW


class AppHome:
    """A home in a folder; ids, dates and sizes are given, so that screens look the same."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "home"
        self._count = 0

    async def make(self) -> Self:
        """Make the home, empty but for its prices."""
        self.path.mkdir(mode=0o700)
        settings = self.path / "backstay.toml"
        settings.write_text(PRICES)
        settings.chmod(0o600)
        async with Engine.open(self.path, user="ana", clock=now, create=True):
            pass
        return self

    @asynccontextmanager
    async def catalog(self) -> AsyncIterator[Catalog]:
        """The home's catalog."""
        async with await Catalog.open(self.path / "catalog.db", clock=now) as catalog:
            yield catalog

    async def add_project(
        self,
        project: str,
        name: str,
        *,
        owners: tuple[str, ...] = ("ana",),
        collaborators: tuple[str, ...] = (),
        state: ProjectState = ProjectState.ACTIVE,
        origin: Origin = Origin.ADOPTED,
        at: str | None = "03:00",
        zone: str = LISBON,
        keep: int = 7,
    ) -> None:
        """Add a project; `at` is its daily time in `zone` since a month, or None for none."""
        async with self.catalog() as catalog:
            await catalog.projects.add(project, name, self.path.parent / project, state, origin)
            for user in owners:
                await catalog.members.change(project, user, Role.OWNER)
            for user in collaborators:
                await catalog.members.change(project, user, Role.COLLABORATOR)
        who = owners[0]
        async with Engine.open(self.path, user=who, clock=lambda: NOW - 30 * DAY) as engine:
            await engine.set_schedule(project, at=at, zone=zone if at else None, keep=keep)

    async def add_backup(
        self,
        project: str,
        date: datetime,
        *,
        size: int = 68_200_000,
        kind: BackupKind = BackupKind.SCHEDULED,
        state: BackupState = BackupState.COMPLETE,
        verified: datetime | None = None,
        missing: int = 0,
        name: str = "Plant 7",
    ) -> str:
        """List a backup; gives its id."""
        self._count += 1
        backup = f"b{self._count:011x}"
        async with self.catalog() as catalog:
            await catalog.backups.add(
                Backup(
                    id=backup,
                    project=project,
                    date=date,
                    kind=kind,
                    state=state,
                    size=size,
                    added=size // 10,
                    data=920_000_000,
                    devices=200,
                    variables=2_904_452,
                    actions=14,
                    analyses=5,
                    accounts=3,
                    verified=verified,
                    missing=missing,
                ),
                name,
            )
        self._add_manifest(backup)
        return backup

    def _add_manifest(self, backup: str) -> None:
        manifest = self.path / "repository" / "manifests" / backup
        manifest.parent.mkdir(mode=0o700, exist_ok=True)
        manifest.write_bytes(b"listed only")

    async def add_week(self, project: str = PLANT) -> list[str]:
        """Seven daily backups at 03:00 in Lisbon and one by hand; gives their ids, newest first."""
        made = []
        newest = NOW.replace(hour=3, minute=0)
        for ago in range(6, -1, -1):
            made.append(
                await self.add_backup(
                    project,
                    newest - ago * DAY,
                    size=68_200_000 - ago * 300_000 if ago != 2 else 12_100_000,
                    verified=newest - ago * DAY + HOUR if ago != 1 else None,
                )
            )
        by_hand = newest - 2 * DAY + 11 * HOUR
        made.insert(5, await self.add_backup(project, by_hand, kind=BackupKind.MANUAL))
        return made[::-1]

    async def add_many(self, *, projects: int = 0, backups: int = 0) -> None:
        """Add many projects, each with a schedule, and many daily backups to the first project."""
        plan = ScheduleRow(time(3), LISBON, NOW - 30 * DAY, 7)
        async with self.catalog() as catalog, catalog.transaction():
            for number in range(projects):
                project = f"d{number:011x}"
                folder = self.path.parent / project
                name = f"Line {number:03}"
                await catalog.projects.add(
                    project, name, folder, ProjectState.ACTIVE, Origin.ADOPTED
                )
                await catalog.members.change(project, "ana", Role.OWNER)
                await catalog.schedules.set(project, plan)
            for ago in range(backups):
                await catalog.backups.add(
                    Backup(
                        id=f"c{ago:011x}",
                        project=PLANT,
                        date=NOW.replace(hour=3, minute=0) - ago * DAY,
                        kind=BackupKind.SCHEDULED,
                        state=BackupState.COMPLETE,
                        size=68_200_000 - ago * 10_000,
                        added=6_820_000,
                        data=920_000_000,
                        devices=200,
                        variables=2_904_452,
                        actions=14,
                        analyses=5,
                        accounts=3,
                    ),
                    "Plant 7",
                )
                self._add_manifest(f"c{ago:011x}")

    async def add_contents(
        self,
        backup: str,
        devices: Sequence[DeviceEntry],
        *,
        project: str = PLANT,
        name: str = "Plant 7",
        notes: tuple[str, ...] = (),
    ) -> None:
        """Let a backup that is listed be read, too: what it holds of these devices."""
        async with self.catalog() as catalog:
            found = await catalog.backups.find(backup)
        assert found is not None
        facts = found.backup
        (self.path / "repository" / "manifests" / backup).unlink()
        image = _image(1)
        manifest = Manifest(
            backup=backup,
            project=project,
            project_name=name,
            path="/srv/plant",
            owners=("ana",),
            port=8888,
            date=facts.date,
            kind=facts.kind,
            main=MainEntry(image, (), facts.actions, facts.analyses, facts.accounts, ()),
            devices=tuple(devices),
            plugins=(),
            settings=(),
            packs={},
            mark_prefix="mark",
            leave_out="primary-key",
            size=facts.size,
            added=facts.added,
            data=facts.data,
            longest_lock=0.012,
            notes=notes,
            layout=Layout("plugin", "data.db", "devices", "plugins"),
        )
        Home(self.path).open_repository(Encryption.AES_256_GCM).put_manifest(manifest)

    def add_job(self, job: Job, result: Mapping[str, object] | None = None) -> None:
        """List a job, as it stands; `result` is what it keeps of what it made.

        One that runs stays so only while a `WorkLock` of the home is held.
        """
        progress = job.progress
        columns: dict[str, object] = {
            "id": job.id,
            "kind": job.kind.value,
            "project": job.project,
            "project_name": job.project_name,
            "user": job.user,
            "state": job.state.value,
            "asked": date_text(job.asked),
            "started": None if job.started is None else date_text(job.started),
            "finished": None if job.finished is None else date_text(job.finished),
            "request": json.dumps({"name": job.new_project} if job.new_project else {}),
            "stage": progress.stage,
            "done": progress.done,
            "total": progress.total,
            "rate": progress.rate,
            "error": job.error,
            "reason": job.reason,
            "hint": job.hint,
            "result": json.dumps(result or {}),
            "slot": job.slot,
            "attempt": job.attempt,
        }
        names, places = ", ".join(columns), ", ".join("?" * len(columns))
        with closing(sqlite3.connect(self.path / "catalog.db")) as catalog, catalog:
            statement = f"INSERT OR REPLACE INTO job ({names}) VALUES ({places})"
            catalog.execute(statement, list(columns.values()))

    def worker_that_stays(self) -> WorkerLock:
        """Hold the lock of a worker that stays; whoever asks releases it."""
        lock = WorkerLock(self.path)
        lock.acquire()
        lock.say_that_it_stays()
        return lock


def _image(pages: int) -> Image:
    """An image of so many pages, whose chunks are nowhere."""
    lists = -(-pages // (4 * LIST_NAMES))  # a chunk is four pages
    return Image(4096, pages, (bytes(16),) * lists, None, (), (), 0)


def device(number: int, name: str, *, rows: int, missing: str = "") -> DeviceEntry:
    """A device for `add_contents`; with `missing` its data is not in the backup."""
    last = round(NOW.timestamp() * 1000) - number * 61_000
    image = None if missing else _image(25 + rows // 10)
    first = last - 90 * 86_400_000 if rows else None
    return DeviceEntry(
        f"{number:024x}", name, rows, first, last if rows else None, image, missing, None
    )


def restoring(begun: datetime, progress: Progress) -> Job:
    """A restore of Plant 7 that is under way."""
    return Job(
        id="4f2a81c09b3d",
        kind=JobKind.RESTORE,
        project=PLANT,
        project_name="Plant 7",
        user="ana",
        state=JobState.RUNNING,
        asked=begun,
        started=begun,
        finished=None,
        progress=progress,
        error="",
        reason="",
        hint="",
        slot=None,
        attempt=1,
        new_project="Plant 7 restored",
    )


class OpenedApp(Backstay):
    """The app, opening its home by itself: for whoever runs it in a loop of its own."""

    def __init__(
        self,
        home: Path,
        *,
        user: str = "ana",
        clock: Callable[[], datetime] = now,
        works: bool = False,
    ) -> None:
        super().__init__(None, clock, machine="plant-host")  # type: ignore[arg-type]  # see below
        self._home, self._user, self._works = home, user, works

    async def run_async(self, *args: Any, **options: Any) -> int | None:
        """Open the home, then run."""
        async with Engine.open(
            self._home, user=self._user, clock=self.clock, works=self._works
        ) as engine:
            self.engine = engine
            return await super().run_async(*args, **options)


@asynccontextmanager
async def running(
    home: Path,
    size: tuple[int, int] = SMALL,
    *,
    user: str = "ana",
    clock: Callable[[], datetime] = now,
    works: bool = False,
) -> AsyncIterator[Pilot[int]]:
    """The app on a home, run in this loop, its first screen read."""
    async with Engine.open(home, user=user, clock=clock, works=works) as engine:
        app = Backstay(engine, clock, machine="plant-host")
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            yield pilot


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until everything that was asked for is read and shown."""
    await pilot.pause()
    while under_way := [worker for worker in pilot.app.workers if not worker.is_finished]:
        for worker in under_way:
            with suppress(WorkerCancelled, asyncio.CancelledError):
                await worker.wait()
        await pilot.pause()


async def pressed(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys, one after the other, waiting after each until all is shown."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def pressing(*keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """What `snap_compare` is to do before it looks: wait, press keys, wait."""

    async def press(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await pressed(pilot, *keys)

    return press


def seen(pilot: Pilot[Any]) -> str:
    """The screen as text, line by line, without spaces at the lines' ends."""
    app = pilot.app
    lines = app.screen._compositor.render_strips(app.size)
    return "\n".join(line.text.rstrip() for line in lines)


def shows(pilot: Pilot[Any], *kinds: type[Screen[Any]]) -> bool:
    """Whether the screen in front is of one of these kinds."""
    return isinstance(pilot.app.screen, kinds)
