"""The demo's home: a week of backups that were really taken, and nothing that was there before."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from engine.demo import last_mornings, make_demo
from engine.engine import Engine
from engine.errors import Invalid, NotAllowed, Taken
from engine.model import Backup, BackupKind, BackupState, CostLine, Progress, Project, Role

NOW = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)
TODAY = datetime(2026, 11, 23, 3, tzinfo=UTC)


def clock() -> datetime:
    return NOW


async def small_demo(home: Path, *, user: str = "ana", seed: int = 7) -> None:
    await make_demo(home, user=user, seed=seed, devices=4, rows=1200, clock=clock)


@dataclass(frozen=True)
class Seen:
    """What a user sees of a demo."""

    projects: dict[str, Project]
    backups: list[Backup]
    costs: list[CostLine]


async def look(home: Path, user: str, project: str) -> Seen:
    async with Engine.open(home, user=user, clock=clock, works=True) as engine:
        return Seen(
            {each.name: each for each in await engine.projects()},
            await engine.backups(project),
            await engine.costs(),
        )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("demo") / "home"
    before = os.umask(0)
    try:
        asyncio.run(small_demo(home))
    finally:
        os.umask(before)
    return home


def names(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*")}


async def test_the_user_owns_the_plant_and_collaborates_on_the_harbour(demo: Path) -> None:
    seen = await look(demo, "ana", "Plant 7")
    assert set(seen.projects) == {"Plant 7", "Plant 7 restored", "Harbour"}
    assert seen.projects["Plant 7"].owners == ("ana",)
    assert seen.projects["Harbour"].role is Role.COLLABORATOR
    assert set(seen.projects["Harbour"].owners) == {"rui", "marta"}


async def test_there_is_a_backup_of_each_of_seven_days_and_one_by_hand(demo: Path) -> None:
    seen = await look(demo, "ana", "Plant 7")
    assert all(backup.state is BackupState.COMPLETE for backup in seen.backups)
    daily = [b.date for b in seen.backups if b.kind is BackupKind.SCHEDULED]
    manual = [b.date for b in seen.backups if b.kind is BackupKind.MANUAL]
    assert daily == [TODAY - timedelta(days=ago) for ago in range(7)]
    assert manual == [datetime(2026, 11, 22, 14, 12, tzinfo=UTC)]


async def test_the_data_changes_from_day_to_day(demo: Path) -> None:
    seen = await look(demo, "ana", "Plant 7")
    by_day = [b for b in reversed(seen.backups) if b.kind is BackupKind.SCHEDULED]
    assert [backup.devices for backup in by_day] == [4, 4, 4, 5, 5, 4, 4]
    variables = [backup.variables for backup in by_day]
    assert len(set(variables)) == 7
    assert variables[:5] == sorted(variables[:5])
    assert all(backup.added > 0 for backup in by_day)


async def test_every_backup_holds_what_was_there_on_its_day(demo: Path) -> None:
    async with Engine.open(demo, user="ana", clock=clock, works=True) as engine:
        for backup in await engine.backups("Plant 7"):
            details = await engine.show(backup.id)
            last = max(device.last for device in details.devices if device.last)
            evening = backup.date.replace(hour=3, minute=0)
            assert evening - timedelta(hours=5) < last < evening
            assert details.notes == ()


async def test_the_restored_project_is_quiet_and_was_paid_for(demo: Path) -> None:
    seen = await look(demo, "ana", "Plant 7")
    restored = seen.projects["Plant 7 restored"]
    assert restored.quiet
    assert not seen.projects["Plant 7"].quiet
    assert restored.created == datetime(2026, 11, 22, 9, 20, tzinfo=UTC)
    assert (restored.path / "tagocore.yml").is_file()
    (line,) = seen.costs
    hours = Decimal((NOW - restored.created) / timedelta(hours=1))
    assert line.creation_fee.amount == Decimal("49.00")
    assert line.running.amount == round(hours * Decimal("0.034"), 2)
    assert line.creation_fee.currency == "EUR"


async def test_the_harbour_has_backups_that_only_its_owners_see(demo: Path) -> None:
    seen = await look(demo, "marta", "Harbour")
    assert [backup.date for backup in seen.backups] == [
        TODAY - timedelta(days=ago) for ago in (0, 3, 6)
    ]
    async with Engine.open(demo, user="ana", clock=clock, works=True) as engine:
        with pytest.raises(NotAllowed, match="rui"):
            await engine.backups("Harbour")


async def test_a_later_backup_of_the_demo_works_as_any_other(demo: Path) -> None:
    async with Engine.open(demo, user="rui", clock=clock, works=True) as engine:
        backup = await (await engine.backup("Harbour")).result()
        assert backup.date == NOW
        assert (await engine.backups("Harbour"))[0].id == backup.id


def test_nobody_else_can_read_the_home_whatever_the_umask(demo: Path) -> None:
    for path in [demo, *demo.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def dates(home: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in home.rglob("*")}


async def test_a_demo_that_is_there_is_left_as_it_is(demo: Path) -> None:
    heard: list[Progress] = []
    before = dates(demo)
    await make_demo(demo, user="ana", report=heard.append, clock=clock)
    assert dates(demo) == before
    assert [progress.stage for progress in heard] == ["the demo is there already"]


async def test_prices_and_names_that_are_there_are_minded_and_the_seed_makes_the_data(
    demo: Path, tmp_path: Path
) -> None:
    def facts(seen: Seen) -> list[tuple[datetime, BackupKind, int, int]]:
        return [(b.date, b.kind, b.devices, b.variables) for b in seen.backups]

    settings = tmp_path / "backstay.toml"
    settings.write_text('[prices]\ncurrency = "CHF"\ncreation_fee = "7.50"\n')
    settings.chmod(0o600)
    await small_demo(tmp_path, user="rui")
    seen = await look(tmp_path, "rui", "Plant 7")
    assert facts(seen) == facts(await look(demo, "ana", "Plant 7"))
    assert "7.50" in settings.read_text()
    (line,) = seen.costs
    assert str(line.creation_fee) == "7.50 CHF"
    # The harbour's owners are others than the user, whatever the user is called.
    assert seen.projects["Harbour"].role is Role.COLLABORATOR
    assert set(seen.projects["Harbour"].owners) == {"marta", "joao"}


async def test_a_home_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Taken, match="is not empty"):
        await small_demo(tmp_path)
    assert names(tmp_path) == {"mine.txt"}


async def test_a_demo_that_was_killed_is_not_taken_for_a_finished_one(tmp_path: Path) -> None:
    (tmp_path / "demo-source").mkdir()
    with pytest.raises(Taken, match="finished demo"):
        await small_demo(tmp_path)


@pytest.mark.parametrize(("now", "latest"), [("03:00", 23), ("02:59", 22)])
def test_the_last_morning_is_never_in_the_future(now: str, latest: int) -> None:
    hour, minute = now.split(":")
    mornings = last_mornings(datetime(2026, 11, 23, int(hour), int(minute), tzinfo=UTC))
    assert mornings == [
        datetime(2026, 11, latest - ago, 3, tzinfo=UTC) for ago in (6, 5, 4, 3, 2, 1, 0)
    ]


async def test_a_name_that_no_user_can_have_is_refused_first(tmp_path: Path) -> None:
    heard: list[Progress] = []
    with pytest.raises(Invalid):
        await make_demo(tmp_path / "home", user="-rm", report=heard.append, clock=clock)
    assert names(tmp_path) == set()
    assert heard == []


@pytest.mark.parametrize(
    ("stage", "was_there"),
    [("day 1: backup of Harbour", True), ("restoring Plant 7 restored", False)],
)
async def test_a_demo_that_is_cancelled_leaves_nothing(
    tmp_path: Path, stage: str, was_there: bool
) -> None:
    home = tmp_path / "home"
    if was_there:
        home.mkdir(mode=0o700)
        (home / "backstay.toml").touch(mode=0o600)
    task: asyncio.Task[None]

    def stop(progress: Progress) -> None:
        if progress.stage == stage:
            task.cancel()

    task = asyncio.create_task(
        make_demo(home, user="ana", devices=2, rows=300, report=stop, clock=clock)
    )
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names(tmp_path) == ({"home", "home/backstay.toml"} if was_there else set())
