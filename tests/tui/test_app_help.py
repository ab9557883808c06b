"""The help and the palette: made from what the keys really do, here and now."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

sys.path.append(str(Path(__file__).parent))

from app_support import (
    COPY,
    PLANT,
    SIZES,
    AppHome,
    OpenedApp,
    Snap,
    pressed,
    pressing,
    running,
    seen,
    settled,
    shows,
)

from engine.model import Origin
from tui.deeds import deeds
from tui.palette import Palette, possible_deeds
from tui.screens.audit import AuditPage
from tui.screens.backups import BackupsPage
from tui.screens.costs import CostsPage
from tui.screens.help import HelpPage
from tui.screens.jobs import JobsPage
from tui.screens.projects import ProjectsPage
from tui.widgets.rows import Rows

Size = tuple[int, int]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[AppHome]:
    """A home with a project, its week of backups, and one that has none."""
    made = AppHome(tmp_path)

    async def fill() -> None:
        await made.make()
        await made.add_project(PLANT, "Plant 7", collaborators=("joao",))
        await made.add_week()
        await made.add_project(COPY, "Plant 8", origin=Origin.RESTORED, at=None)

    asyncio.run(fill())
    lock = made.worker_that_stays()
    yield made
    lock.release()


def found(pilot: Pilot[int]) -> Rows:
    """What the palette has found."""
    screen = pilot.app.screen
    assert isinstance(screen, Palette)
    return screen.found


def offered(pilot: Pilot[int]) -> list[str]:
    """The names of what can be done on the screen in front."""
    return [deed.name for deed in possible_deeds(pilot.app.screen)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "keys",
    [("question_mark",), ("enter", "question_mark"), ("ctrl+p",), ("enter", "ctrl+p", *"xyz")],
    ids=["help", "help of backups", "palette", "palette with nothing"],
)
def test_help_and_palette(
    home: AppHome, snap_compare: Snap, size: Size, keys: tuple[str, ...]
) -> None:
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=pressing(*keys))


# Help


async def test_help_tells_every_binding_that_works_here(home: AppHome) -> None:
    async with running(home.path, (120, 40)) as pilot:
        for keys in ([], ["enter"], ["J"], ["A"], ["c"]):
            await pressed(pilot, *keys)
            screen = pilot.app.screen
            active = {
                each.binding.action
                for each in screen.active_bindings.values()
                if each.binding.description and not each.binding.system
            }
            told = {deed.action for deed in deeds(screen) if deed.possible}
            textual_own = {"app.focus_next", "app.focus_previous", "screen.copy_text"}
            assert active - textual_own == told
            if keys:
                await pressed(pilot, "escape")


async def test_help_marks_what_is_not_possible_now(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "question_mark")
        (wake,) = [line for line in seen(pilot).splitlines() if "Wake the project" in line]
        assert "(not now)" in wake
        (costs,) = [line for line in seen(pilot).splitlines() if "What projects cost" in line]
        assert "(not now)" not in costs


async def test_help_does_what_is_chosen_by_keyboard_and_by_mouse(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "question_mark", "j", "j", "j", "enter")
        assert shows(pilot, CostsPage)
        await pressed(pilot, "escape", "question_mark", "j", "enter")  # to wake: not now
        assert shows(pilot, HelpPage)
        await pressed(pilot, "escape")
        await pilot.click(offset=(seen(pilot).splitlines()[-1].index("? help"), 23))
        await settled(pilot)
        for _ in range(2):
            await pilot.click("#rows", offset=(10, 5))
            await settled(pilot)
        assert shows(pilot, JobsPage)


async def test_help_is_left_by_the_key_that_opened_it(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "question_mark")
        assert shows(pilot, HelpPage)
        await pressed(pilot, "question_mark")
        assert shows(pilot, ProjectsPage)


# Palette


async def test_the_palette_holds_what_is_possible_and_nothing_else(home: AppHome) -> None:
    async with running(home.path) as pilot:
        names = offered(pilot)
        assert "wake" not in names  # nothing is quiet
        assert "back" not in names  # it is the first screen
        assert {"open", "costs", "jobs", "audit", "filter", "sort", "help", "quit"} <= set(names)
        await pressed(pilot, "j", "enter")  # a project without backups
        names = offered(pilot)
        assert {"back up now", "Main Database", "back"} <= set(names)
        assert not {"menu", "filter", "sort", "copy the id of the backup"} & set(names)
        await pressed(pilot, "escape", "g", "enter")
        assert {"menu", "filter", "sort", "copy the id of the backup"} <= set(offered(pilot))
        await pressed(pilot, "enter")  # its menu comes first
        assert "back up now" not in offered(pilot)


async def test_the_palette_names_nothing_twice_and_nothing_of_textual(home: AppHome) -> None:
    async with running(home.path) as pilot:
        for keys in ([], ["enter"], ["escape", "J"], ["escape", "A"], ["escape", "c"]):
            await pressed(pilot, *keys)
            told = [deed.what for deed in possible_deeds(pilot.app.screen)]
            assert len(told) == len(set(told))
            text = " ".join(told).casefold()
            for word in ("theme", "screenshot", "maximize", "focus", "selected text", "palette"):
                assert word not in text
        assert not pilot.app.ENABLE_COMMAND_PALETTE


async def test_the_palette_finds_by_words_and_does_what_is_chosen(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "ctrl+p", *"audit", "enter")
        assert shows(pilot, AuditPage)
        await pressed(pilot, "escape", "ctrl+p", *"WHAT cost", "enter")
        assert shows(pilot, CostsPage)


async def test_the_palette_is_moved_in_while_typing(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "ctrl+p", "down", "down", "enter")
        assert shows(pilot, JobsPage)


async def test_the_palette_by_mouse(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "ctrl+p")
        await pilot.click("#found", offset=(10, 2))
        await settled(pilot)
        await pilot.click("#found", offset=(10, 2))
        await settled(pilot)
        assert shows(pilot, CostsPage)


async def test_the_palette_with_nothing_found_does_nothing(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "ctrl+p", *"no such thing")
        assert found(pilot).keys == []
        assert "Nothing that can be done here has “no such thing” in it." in seen(pilot)
        assert "do it" not in seen(pilot).splitlines()[-1]
        await pressed(pilot, "enter")
        assert shows(pilot, Palette)
        await pressed(pilot, "escape")
        assert shows(pilot, ProjectsPage)


@pytest.mark.parametrize("key", ["escape", "ctrl+p"])
async def test_the_palette_is_left_without_a_choice(home: AppHome, key: str) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "ctrl+p", key)
        assert shows(pilot, ProjectsPage)


async def test_the_palette_while_a_filter_is_typed_keeps_it(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter", "slash", *"sat", "ctrl+p")
        assert shows(pilot, Palette)
        await pressed(pilot, *"back up the project now")
        assert len(found(pilot).keys) == 1
        await pressed(pilot, "escape")
        assert shows(pilot, BackupsPage)
        assert len(pilot.app.screen.query_one("#rows", Rows).keys) == 2
        await pressed(pilot, "ctrl+p", *"sort", "enter")
        assert "Size ▾" in seen(pilot)
