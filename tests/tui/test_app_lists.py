"""What all lists do: filter, sort, follow the keys and the mouse, and write little."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from textual.geometry import Region
from textual.pilot import Pilot
from textual.screen import Screen

sys.path.append(str(Path(__file__).parent))

from app_support import (
    COPY,
    DAY,
    NOW,
    PLANT,
    SOUTH,
    AppHome,
    pressed,
    running,
    seen,
    settled,
    shows,
)

from engine.model import BackupKind
from tui.screens.backups import BackupsPage
from tui.screens.projects import ProjectsPage
from tui.widgets.facts import Facts
from tui.widgets.filter_field import FilterField
from tui.widgets.rows import Rows


@pytest.fixture
async def home(tmp_path: Path) -> AppHome:
    """A home with a project and its week of backups."""
    made = await AppHome(tmp_path).make()
    await made.add_project(PLANT, "Plant 7")
    await made.add_week()
    return made


def rows(pilot: Pilot[int]) -> Rows:
    """The list that is shown."""
    return pilot.app.screen.query_one("#rows", Rows)


def keys_line(pilot: Pilot[int]) -> str:
    """The last line."""
    return seen(pilot).splitlines()[-1]


async def test_a_filter_is_typed_kept_and_ended(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter", "slash", *"sat")
        assert pilot.app.screen.query_one(FilterField).has_focus
        assert "2 of 8 backups with “sat”. Esc shows all." in seen(pilot)
        assert keys_line(pilot).split() == ["⏎", "keep", "the", "filter", "esc", "end", "it"]
        await pressed(pilot, "enter")
        assert rows(pilot).has_focus
        assert len(rows(pilot).keys) == 2
        await pressed(pilot, "slash", "backspace", "backspace", "backspace", *"q?jo", "down")
        assert "No backup has “q?jo” in it." in seen(pilot)
        assert shows(pilot, BackupsPage)  # none of it was taken for a command
        await pressed(pilot, "escape")
        assert len(rows(pilot).keys) == 8
        assert shows(pilot, BackupsPage)
        await pressed(pilot, "escape")
        assert shows(pilot, ProjectsPage)


async def test_a_filter_by_mouse_alone(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        line = keys_line(pilot)
        await pilot.click(offset=(line.index("/ filter") + 2, 23))
        await settled(pilot)
        assert pilot.app.screen.query_one(FilterField).has_focus
        await pressed(pilot, *"sun")
        line = keys_line(pilot)
        await pilot.click(offset=(line.index("keep"), 23))
        await settled(pilot)
        assert len(rows(pilot).keys) == 1
        await pressed(pilot, "slash")
        line = keys_line(pilot)
        await pilot.click(offset=(line.index("end it"), 23))
        await settled(pilot)
        assert len(rows(pilot).keys) == 8


async def test_the_selected_row_stays_selected_when_others_are_hidden(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter", "j", "j")
        selected = rows(pilot).selected
        await pressed(pilot, "slash", *"manual", "enter")
        assert rows(pilot).keys == [selected]
        await pressed(pilot, "escape")
        assert rows(pilot).selected == selected


async def test_columns_stay_where_they_are_while_rows_are_hidden(home: AppHome) -> None:
    await home.add_backup(PLANT, NOW - 400 * DAY, kind=BackupKind.MANUAL)
    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        (before,) = [line for line in seen(pilot).splitlines() if "Size" in line]
        await pressed(pilot, "slash", *"a day", "enter")
        (after,) = [line for line in seen(pilot).splitlines() if "Size" in line]
        assert after == before


async def test_backups_are_sorted_and_say_by_what(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        by_date = rows(pilot).keys
        assert "Date (Europe/Lisbon) ▾" in seen(pilot)
        await pressed(pilot, "o")
        assert "Size ▾" in seen(pilot)
        assert "Lisbon) ▾" not in seen(pilot)
        smallest = rows(pilot).keys[-1]
        assert smallest == by_date[3]
        await pressed(pilot, "o")
        assert "Kind ▴" in seen(pilot)
        assert rows(pilot).keys[0] == by_date[2]  # the one by hand
        await pressed(pilot, "o")
        assert rows(pilot).keys == by_date


async def test_rows_are_selected_and_opened_by_mouse(home: AppHome) -> None:
    await home.add_project(SOUTH, "South")
    async with running(home.path) as pilot:
        await pilot.click("#rows", offset=(5, 2))
        await settled(pilot)
        assert rows(pilot).selected == SOUTH
        assert shows(pilot, ProjectsPage)
        await pilot.click("#rows", offset=(5, 2))
        await settled(pilot)
        assert shows(pilot, BackupsPage)
        line = keys_line(pilot)
        await pilot.click(offset=(line.index("esc back") + 5, 23))
        await settled(pilot)
        assert shows(pilot, ProjectsPage)


class Painted:
    """The regions of widgets that were asked to be painted again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[tuple[str, int]] = []
        self.whole: list[str] = []
        for kind in (Rows, Facts):
            self._watch(monkeypatch, kind)

    def _watch(self, monkeypatch: pytest.MonkeyPatch, kind: type[Rows] | type[Facts]) -> None:
        refresh = kind.refresh

        def watched(widget: Rows | Facts, *regions: Region, **options: bool) -> object:
            name = kind.__name__
            if not regions:
                self.whole.append(name)
            self.lines += [(name, region.y) for region in regions]
            return refresh(widget, *regions, **options)

        monkeypatch.setattr(kind, "refresh", watched)

    def forget(self) -> None:
        """Begin anew."""
        self.lines.clear()
        self.whole.clear()


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> Painted:
    """What is painted."""
    return Painted(monkeypatch)


async def test_a_move_among_a_thousand_backups_repaints_two_lines(
    home: AppHome, painted: Painted
) -> None:
    await home.add_many(backups=1000)
    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        assert len(rows(pilot).keys) == 1008
        await pressed(pilot, "j")
        painted.forget()
        await pressed(pilot, "j")
        assert [line for line in painted.lines if line[0] == "Rows"] == [("Rows", 2), ("Rows", 3)]
        assert painted.whole == []


async def test_a_move_among_500_projects_repaints_two_lines(
    tmp_path: Path, painted: Painted
) -> None:
    home = await AppHome(tmp_path).make()
    await home.add_many(projects=500)
    async with running(home.path) as pilot:
        assert len(rows(pilot).keys) == 500
        painted.forget()
        await pressed(pilot, "j")
        assert painted.lines == [("Rows", 1), ("Rows", 2)]
        assert painted.whole == []


async def test_only_rows_in_view_are_laid_out(
    home: AppHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.add_many(backups=1000)
    laid_out = []
    render_line = Rows.render_line

    def watched(widget: Rows, y: int) -> object:
        laid_out.append(y)
        return render_line(widget, y)

    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        monkeypatch.setattr(Rows, "render_line", watched)
        await pressed(pilot, "G")
        assert rows(pilot).selected == rows(pilot).keys[-1]
        assert len(laid_out) <= 2 * pilot.app.size.height
        laid_out.clear()
        await pressed(pilot, "pageup")
        assert 0 < len(laid_out) <= 2 * pilot.app.size.height


async def test_reading_the_same_again_paints_nothing(home: AppHome, painted: Painted) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        painted.forget()
        await pressed(pilot, "r")
        assert painted.lines == []
        assert painted.whole == []


async def test_what_another_process_changes_is_shown_by_itself(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter")
        page = pilot.app.screen
        assert isinstance(page, BackupsPage)
        await home.add_backup(PLANT, NOW, size=99_900_000)
        await page.look()
        await settled(pilot)
        assert "99.9 MB" in seen(pilot)


async def test_a_row_that_goes_leaves_its_neighbour_selected(home: AppHome) -> None:
    await home.add_project(COPY, "Plant 8")
    await home.add_project(SOUTH, "South")
    async with running(home.path) as pilot:
        await pressed(pilot, "G")
        assert rows(pilot).selected == SOUTH
        async with home.catalog() as catalog:
            await catalog.projects.remove(SOUTH)
        page = pilot.app.screen
        assert isinstance(page, ProjectsPage)
        await page.look()
        await settled(pilot)
        assert rows(pilot).keys == [PLANT, COPY]
        assert rows(pilot).selected == COPY


def titles(screens: Iterable[Screen[object]]) -> list[str]:
    """The kinds of screens, from the first."""
    return [type(screen).__name__ for screen in screens]


async def test_the_first_screen_cannot_be_left_by_going_back(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "escape", "escape")
        assert titles(pilot.app.screen_stack)[-1] == "ProjectsPage"
        assert "esc" not in keys_line(pilot)
