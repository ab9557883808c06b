"""A home to look around in: made-up projects, a week of real backups, and a restored project.

Everything but the data is real: the projects lie in ``demo-source`` of the home as TagoCore would
have written them, and every backup and the restore went through the engine, at moments of the last
week that were given to it by a clock of our own.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from engine.access import check_user_name
from engine.clock import Clock, system_clock
from engine.engine import Engine
from engine.errors import StorageFailed, Taken
from engine.handle import Handle
from engine.home import SETTINGS_FILE, Home
from engine.model import BackupKind, Progress, Role
from engine.project.demo import Flavour, grow, write_instance
from engine.project.demo.instance import write_private

PLANT = "Plant 7"
HARBOUR = "Harbour"
RESTORED = "Plant 7 restored"
SOURCE_FOLDER = "demo-source"

DEVICES = 24
ROWS = 45_000
DAILY_BACKUPS = 7

_MADE_BY_DEMO = "made-by-backstay-demo"
_DAILY_HOUR = 3  # UTC
_KEPT = 10  # backups: a week of daily ones, and some taken by hand
_RESTORED_AFTER = timedelta(hours=6, minutes=20)
_MANUAL_AFTER = timedelta(hours=11, minutes=12)
_BUSY_DAY = 5  # the one with the restore and the manual backup: the last but one
_HARBOUR_DAYS = (0, 3, 6)
_PLANT_PORT = 8888
_HARBOUR_PORT = 8889
_HARBOUR_PEOPLE = ("rui", "marta", "joao")
_PRICES = '[prices]\ncurrency = "EUR"\ncreation_fee = "49.00"\nhourly = "0.034"\n'

Report = Callable[[Progress], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Week:
    """What all steps of the demo need to know. `now` is moved on from step to step."""

    home: Path
    user: str
    harbour_owners: tuple[str, str]
    seed: int
    report: Report
    now: list[datetime]

    def clock(self) -> datetime:
        """The demo's own time: what the engine is given as its clock."""
        return self.now[0]

    @property
    def plant(self) -> Path:
        """Where the plant's project lies."""
        return self.home / SOURCE_FOLDER / "plant-7"

    @property
    def harbour(self) -> Path:
        """Where the harbour's project lies."""
        return self.home / SOURCE_FOLDER / "harbour"


def _silent(_: Progress) -> None:
    """Report to nobody."""


async def make_demo(
    home: Path,
    *,
    user: str,
    seed: int = 7,
    devices: int | None = None,
    rows: int | None = None,
    report: Report = _silent,
    clock: Clock = system_clock,
) -> None:
    """Make a demo in a home that is new or empty but for backstay.toml; it takes seconds.

    `user` becomes the owner of the project Plant 7 and a collaborator of Harbour. Plant 7 gets a
    backup at 03:00 UTC on each of the last seven days before `clock`, its data changing in
    between, and a manual one; and it is restored once, as a project that is still quiet. `devices`
    is how many Plant 7 starts with; `rows` how many variables both projects have together before
    the week. The same seed makes the same data.

    A home that holds a finished demo is left as it is, and `report` hears of it. Raises Taken when
    there is anything else in the home. If it fails or is cancelled, what it had made is removed.
    """
    check_user_name(user)
    place = Home(home.absolute())  # noqa: ASYNC240 — asks for the current folder, no more
    before = _contents(place.path)
    if _is_demo(place.path):
        report(Progress("the demo is there already", 0, 0))
        return
    if before is not None and before - {SETTINGS_FILE}:
        raise Taken(
            f"{place.path} is not empty, and what is in it was not made by a finished demo.",
            hint="Nothing was changed. Name a folder that is new or empty: --home DIR.",
        )
    owners = [name for name in _HARBOUR_PEOPLE if name != user]
    week = _Week(place.path, user, (owners[0], owners[1]), seed, report, [clock()])
    place.prepare(create=True)
    try:
        await _lay_out(week)
        days = last_mornings(clock())
        await _live_through(week, days, devices or DEVICES, ROWS if rows is None else rows)
        await _schedule(week, clock())
        write_private(place.path / SOURCE_FOLDER / _MADE_BY_DEMO, f"seed {seed}\n")
    except BaseException:
        # Also when cancelled: a home half-made would be refused the next time.
        _take_back(place.path, before)
        raise


def _is_demo(home: Path) -> bool:
    return (home / SOURCE_FOLDER / _MADE_BY_DEMO).is_file()


def _contents(home: Path) -> set[str] | None:
    """The names in a home; None where there is no such folder."""
    try:
        return {path.name for path in home.iterdir()} if home.exists() else None
    except NotADirectoryError:
        raise StorageFailed(
            f"{home} is not a folder.",
            hint="Nothing was changed. Name a folder that is new or empty: --home DIR.",
        ) from None


async def _lay_out(week: _Week) -> None:
    """Make the home itself: it would not be made where the projects' folder is already."""
    settings = week.home / SETTINGS_FILE
    if not settings.exists():
        write_private(settings, _PRICES)
    async with Engine.open(week.home, user=week.user, clock=week.clock, create=True):
        (week.home / SOURCE_FOLDER).mkdir(mode=0o700)


def _take_back(home: Path, before: set[str] | None) -> None:
    """Remove all that was not in the home before, and the home if it was not there."""
    for name in (_contents(home) or set()) - (before or set()):
        path = home / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if before is None:
        home.rmdir()


def last_mornings(now: datetime) -> list[datetime]:
    """The last seven moments of the daily backup that are not after `now`, oldest first."""
    latest = now.replace(hour=_DAILY_HOUR, minute=0, second=0, microsecond=0)
    if latest > now:
        latest -= timedelta(days=1)
    return [latest - timedelta(days=ago) for ago in reversed(range(DAILY_BACKUPS))]


async def _live_through(week: _Week, mornings: Sequence[datetime], devices: int, rows: int) -> None:
    """Make the projects, then let day after day pass, each with what happens on it."""
    await _make_projects(week, mornings[0], devices, rows)
    for day, morning in enumerate(mornings):
        if day:
            week.report(Progress(f"day {day + 1}: new data", 0, 0))
            for folder in (week.plant, week.harbour):
                await asyncio.to_thread(grow, folder, seed=week.seed, day=day, now=morning)
        week.now[0] = morning
        await _back_up(week, week.user, PLANT, BackupKind.SCHEDULED, f"day {day + 1}")
        if day in _HARBOUR_DAYS:
            owner = week.harbour_owners[0]
            await _back_up(week, owner, HARBOUR, BackupKind.SCHEDULED, f"day {day + 1}")
        if day == _BUSY_DAY:
            week.now[0] = morning + _RESTORED_AFTER
            await _restore(week)
            week.now[0] = morning + _MANUAL_AFTER
            await _back_up(week, week.user, PLANT, BackupKind.MANUAL, "by hand")


async def _schedule(week: _Week, now: datetime) -> None:
    """Let both projects be backed up every day from now on."""
    week.now[0] = now
    for user, project in ((week.user, PLANT), (week.harbour_owners[0], HARBOUR)):
        async with Engine.open(week.home, user=user, clock=week.clock, works=True) as engine:
            await engine.set_schedule(project, at=f"{_DAILY_HOUR:02}:00", zone="UTC")


async def _make_projects(week: _Week, until: datetime, devices: int, rows: int) -> None:
    """Write both projects' folders, and make them known to the home."""
    week.report(Progress(f"making {PLANT} and {HARBOUR}", 0, 0))
    few = max(1, devices * 3 // 8)
    share = rows * devices // (devices + few)
    for folder, flavour, port, count, size in (
        (week.plant, Flavour.PLANT, _PLANT_PORT, devices, share),
        (week.harbour, Flavour.HARBOUR, _HARBOUR_PORT, few, rows - share),
    ):
        await asyncio.to_thread(
            write_instance,
            folder,
            seed=week.seed,
            devices=count,
            rows=size,
            until=until,
            port=port,
            flavour=flavour,
        )
    week.now[0] = until - timedelta(hours=9)
    async with Engine.open(week.home, user=week.user, clock=week.clock, works=True) as engine:
        await engine.adopt(week.plant, PLANT)
        await engine.set_schedule(PLANT, keep=_KEPT)
    owner, other = week.harbour_owners
    async with Engine.open(week.home, user=owner, clock=week.clock, works=True) as engine:
        await engine.adopt(week.harbour, HARBOUR, owners=[other])
        await engine.add_member(HARBOUR, week.user, Role.COLLABORATOR)


async def _back_up(week: _Week, user: str, project: str, kind: BackupKind, when: str) -> None:
    async with Engine.open(week.home, user=user, clock=week.clock, works=True) as engine:
        handle = await engine.backup(project, kind=kind)
        await _follow(handle, week.report, f"{when}: backup of {project}")


async def _restore(week: _Week) -> None:
    latest = f"{PLANT}@latest"
    async with Engine.open(week.home, user=week.user, clock=week.clock, works=True) as engine:
        quote = await engine.quote(latest)
        handle = await engine.restore(latest, RESTORED, accept_cost=quote.creation_fee.amount)
        await _follow(handle, week.report, f"restoring {RESTORED}")


async def _follow(handle: Handle[T], report: Report, stage: str) -> T:
    """Pass a handle's progress on under a name that says what it is of, and give its result."""

    async def pass_on() -> None:
        async for progress in handle.progress():
            report(progress._replace(stage=stage))

    passing = asyncio.create_task(pass_on())
    try:
        return await handle.result()
    except asyncio.CancelledError:
        handle.cancel()
        await handle.ended()
        raise
    finally:
        passing.cancel()
        await asyncio.gather(passing, return_exceptions=True)
