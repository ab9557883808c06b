"""Exporting a backup in the app: where to, in which form, and what comes of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "engine"))

from app_support import (
    PLANT,
    SIZES,
    AppHome,
    OpenedApp,
    Snap,
    now,
    pressed,
    pressing,
    running,
    seen,
    settled,
    shows,
)
from promises_support import World, adopted, backed_up, make_world
from textual.pilot import Pilot
from textual.widgets import Input

from engine.lock import WorkerLock
from tui.dialogs.export import ExportBackup
from tui.screens.backups import BackupsPage
from tui.widgets.menu import Menu


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What ~ is."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Iterator[AppHome]:
    """A home with one project, a week of backups, and a worker that stays."""
    made = AppHome(tmp_path)

    async def fill() -> WorkerLock:
        await made.make()
        await made.add_project(PLANT, "Plant 7")
        await made.add_week()
        return made.worker_that_stays()

    lock = asyncio.run(fill())
    yield made
    lock.release()


async def real(folder: Path) -> World:
    """A home with a backup that can be exported."""
    world = make_world(folder)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
    return world


def files(folder: Path, pattern: str = "*") -> list[Path]:
    return list(folder.glob(pattern))


def field(pilot: Pilot[int]) -> Input:
    return pilot.app.screen.query_one("#file", Input)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", ["tar", "parquet"])
def test_the_dialog(home: AppHome, snap_compare: Snap, form: str, size: tuple[int, int]) -> None:
    keys = ["enter", "down", "e"] if form == "tar" else ["enter", "down", "e", "tab", "enter"]
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=pressing(*keys))


async def test_a_backup_is_exported_from_its_menu(tmp_path: Path, own_folder: Path) -> None:
    world = await real(tmp_path)
    async with running(world.home, clock=world.now) as pilot:
        await pressed(pilot, "enter", "full_stop", "e")
        assert shows(pilot, ExportBackup)
        assert field(pilot).value == "~/plant-2026-11-23.tar.zst"
        await pressed(pilot, "enter")
        made = own_folder / "plant-2026-11-23.tar.zst"
        assert shows(pilot, BackupsPage)
        (told,) = [note.message for note in pilot.app._notifications]
        assert str(made) in told
        assert "4 devices" in told
        assert made.stat().st_mode & 0o777 == 0o600

        await pressed(pilot, "e", "tab", "enter")
        assert field(pilot).value == "~/plant-2026-11-23"
        field(pilot).value = str(made)
        await pressed(pilot, "up", "enter")
        assert shows(pilot, ExportBackup), "what is there is not overwritten"
        assert "is there already" in seen(pilot)
        field(pilot).value = "~/parquet"
        await pressed(pilot, "enter")
        assert (own_folder / "parquet" / "devices.parquet").is_file()


async def test_leaving_cancels_it(tmp_path: Path, own_folder: Path) -> None:
    world = await real(tmp_path)
    async with running(world.home, clock=world.now) as pilot:
        await pressed(pilot, "enter", "e")
        dialog = pilot.app.screen
        assert isinstance(dialog, ExportBackup)
        dialog.post_message(Input.Submitted(field(pilot), ""))
        while dialog._handle is None:
            await pilot.pause()
        await pilot.press("escape")
        await settled(pilot)
        assert shows(pilot, BackupsPage)
        assert files(own_folder) == files(world.home, ".aside-*") == []


async def test_over_ssh_the_command_is_told_instead(home: AppHome) -> None:
    with patch.dict("tui.remote._process", serves=True):
        async with running(home.path, clock=now) as pilot:
            await pressed(pilot, "enter", "down", "full_stop")
            (line,) = [line for line in seen(pilot).splitlines() if "Export…" in line]
            assert '(ssh HOST "export b00000000006 -" > FILE)' in line
            await pressed(pilot, "e")
            assert pilot.app.screen.query(Menu), "it is no choice"
            await pressed(pilot, "escape", "e")
            assert shows(pilot, BackupsPage)
            (told,) = [note.message for note in pilot.app._notifications]
            assert '"export b00000000006 -" > FILE' in told
