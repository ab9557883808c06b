"""How much the app writes to a terminal of 120x40: an owner sits at the far end of a slow line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from app_support import PLANT, AppHome, restoring
from emulator import BACKSTAY, LARGE, Emulator

from engine.lock import WorkLock
from engine.model import Progress

MOVE, MENU = 1500, 15_000  # bytes
PROGRESS = 750  # bytes: a page follows its job twice a second, and may write 1.5 KB in it
MOVES = 80  # twice the height of the terminal
LOOKS = 10


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppHome]:
    """A home with 501 projects, one with 1,000 backups, and a worker that stays."""
    made = AppHome(tmp_path_factory.mktemp("bytes"))

    async def fill() -> None:
        await made.make()
        await made.add_project(PLANT, "Plant 7")
        await made.add_many(projects=500, backups=1000)

    asyncio.run(fill())
    lock = made.worker_that_stays()
    yield made
    lock.release()


def opened(home: AppHome, *arguments: str) -> Emulator:
    return Emulator(*BACKSTAY, "--home", str(home.path), "--as", "ana", *arguments, size=LARGE)


def test_a_move_and_the_menu_of_a_backup_write_little(home: AppHome) -> None:
    with opened(home, "open", "Plant 7") as terminal:
        terminal.until_seen("1,000 backups", "menu")
        terminal.until_quiet()
        costs = [terminal.cost("down") for _ in range(3)]
        assert 0 < max(costs) <= MOVE
        menu = terminal.cost(".")
        assert "New project from backup" in terminal.text
        assert 0 < menu <= MENU
        assert 0 < terminal.cost("down") <= MOVE
        assert 0 < terminal.cost("escape") <= MENU


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [(("open", "Plant 7"), "1,000 backups"), ((), "Line 000")],
    ids=["backups", "projects"],
)
def test_a_long_list_scrolls_without_being_drawn_anew_each_time(
    home: AppHome, arguments: tuple[str, ...], shown: str
) -> None:
    with opened(home, *arguments) as terminal:
        terminal.until_seen(shown, "quit")
        terminal.until_quiet()
        before = terminal.text
        written = 0
        for _ in range(MOVES):
            written += terminal.cost_of_change("down")
        assert terminal.text.splitlines()[10] != before.splitlines()[10], "it has scrolled"
        assert written <= MOVES * MOVE


def test_nothing_is_written_while_nothing_happens(home: AppHome) -> None:
    with opened(home, "open", "Plant 7") as terminal:
        terminal.until_seen("1,000 backups", "menu")
        terminal.until_quiet(1.0)
        assert terminal.until_quiet(5.0) == 0


def test_following_a_job_writes_little(home: AppHome) -> None:
    begun = datetime.now(UTC) - timedelta(seconds=41)
    job = restoring(begun, Progress("new ids and indexes", 101_000_000, 920_000_000, 210_000_000.0))
    lock = WorkLock(home.path)
    lock.acquire()
    try:
        home.add_job(job)
        with opened(home, "open", "Plant 7") as terminal:
            terminal.until_seen("Running: restore", "menu")
            terminal.press("J")
            terminal.until_seen("Took or left", "running 1")
            terminal.press("enter")
            terminal.until_seen("101.0 MB of 920.0 MB", "leave")
            before = len(terminal.written)
            for look in range(LOOKS):
                done = 101_000_000 + (look + 1) * 41_700_000
                rate = 210_000_000.0 - look * 7_300_000
                home.add_job(job._replace(progress=job.progress._replace(done=done, rate=rate)))
                terminal.until_seen(f"{done / 1e6:.1f} MB of 920.0 MB")
            assert len(terminal.written) - before <= LOOKS * PROGRESS
    finally:
        lock.release()
