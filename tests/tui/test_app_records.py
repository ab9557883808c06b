"""Costs by month and project, and the audit trail: what is seen, by keyboard and by mouse."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from textual.pilot import Pilot

sys.path.append(str(Path(__file__).parent))

from app_support import (
    COPY,
    DAY,
    HARBOUR,
    NOW,
    PLANT,
    SIZES,
    SOUTH,
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

from engine.catalog import Catalog
from engine.engine import Engine
from engine.errors import NotAllowed
from engine.model import Money, Origin, ProjectState, Role, Verdict
from tui.screens.audit import AuditPage
from tui.screens.costs import CostsPage
from tui.widgets.months import Months
from tui.widgets.rows import Rows

Size = tuple[int, int]
GONE = "00000000000a"


async def add_costs(home: AppHome) -> None:
    """A project that runs, one that is stopped, one that is gone, over three months."""
    restored = Origin.RESTORED
    await home.add_project(PLANT, "Plant 7", collaborators=("joao",))
    await home.add_project(COPY, "Plant 7 restored", origin=restored)
    await home.add_project(SOUTH, "South, as of June", origin=restored, state=ProjectState.STOPPED)
    await home.add_project(HARBOUR, "Harbour", owners=("rui",), collaborators=("ana",))
    async with home.catalog() as catalog:
        await catalog.members.change(GONE, "ana", Role.OWNER)
    await _cost(home, GONE, "A test", NOW - 80 * DAY, NOW - 75 * DAY)
    await _cost(home, SOUTH, "South, as of June", NOW - 50 * DAY, NOW - 10 * DAY)
    await _cost(home, COPY, "Plant 7 restored", NOW - 2 * DAY, None)
    await _cost(home, HARBOUR, "Harbour", NOW - 2 * DAY, None)


async def _cost(
    home: AppHome, project: str, name: str, begun: datetime, ended: datetime | None
) -> None:
    moment = [begun]
    async with await Catalog.open(home.path / "catalog.db", clock=lambda: moment[0]) as catalog:
        await catalog.costs.charge(project, name, Money(Decimal(49), "EUR"), "creation")
        await catalog.costs.begin(project, name, Money(Decimal("0.034"), "EUR"))
        if ended is not None:
            moment[0] = ended
            await catalog.costs.end(project)


def filled(folder: Path) -> AppHome:
    """A home with costs."""
    home = AppHome(folder)

    async def fill() -> None:
        await home.make()
        await add_costs(home)

    asyncio.run(fill())
    return home


@pytest.fixture
def home(tmp_path: Path) -> AppHome:
    """A home with costs and with refusals in its audit trail."""
    made = filled(tmp_path)

    async def refuse() -> None:
        async with Engine.open(made.path, user="joao", clock=now) as engine:
            with pytest.raises(NotAllowed):
                await engine.backups(PLANT)
            with pytest.raises(NotAllowed):
                await engine.set_schedule(PLANT, keep=1)

    asyncio.run(refuse())
    return made


def rows(pilot: Pilot[int]) -> Rows:
    """The list that is shown."""
    return pilot.app.screen.query_one("#rows", Rows)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [("c",), ("c", "left")], ids=["now", "month before"])
def test_costs(home: AppHome, snap_compare: Snap, size: Size, keys: tuple[str, ...]) -> None:
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=pressing(*keys))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", ["c", "A"], ids=["costs", "audit"])
def test_nothing_yet(tmp_path: Path, snap_compare: Snap, size: Size, key: str) -> None:
    made = AppHome(tmp_path)
    asyncio.run(made.make())
    assert snap_compare(OpenedApp(made.path), terminal_size=size, run_before=pressing(key))


async def test_months_are_chosen_by_keyboard(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "c")
        assert "In all €60.63 in Nov 2026" in seen(pilot)
        assert "▸ €0.034/h" in seen(pilot)
        await pressed(pilot, "right")  # the month after now is none
        assert "▸ Nov 2026" in seen(pilot)
        await pressed(pilot, "left")
        assert "▸ Oct 2026" in seen(pilot)
        assert "South, as of June" in seen(pilot)
        assert "· stopped" in seen(pilot)
        await pressed(pilot, "left_square_bracket")
        assert "▸ Sep 2026" in seen(pilot)
        assert "– gone" in seen(pilot)
        assert "In all €53.08 in Sep 2026" in seen(pilot)
        await pressed(pilot, "left", "right_square_bracket")
        assert "▸ Oct 2026" in seen(pilot)


async def test_a_month_without_costs_says_so(home: AppHome) -> None:
    await _cost(home, GONE, "A test", NOW - 200 * DAY, NOW - 199 * DAY)
    async with running(home.path) as pilot:
        await pressed(pilot, "c", "left", "left", "left")
        assert "Nothing was charged in Aug 2026." in seen(pilot)
        await pressed(pilot, "right")
        assert "A test" in seen(pilot)


async def test_months_are_chosen_by_mouse(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pilot.click(offset=(seen(pilot).splitlines()[-1].index("c costs"), 23))
        await settled(pilot)
        assert shows(pilot, CostsPage)
        line = seen(pilot).splitlines()[2]
        await pilot.click(Months, offset=(line.index("Oct 2026"), 0))
        await settled(pilot)
        assert "▸ Oct 2026" in seen(pilot)
        line = seen(pilot).splitlines()[-1]
        await pilot.click(offset=(line.index("] next month"), 23))
        await settled(pilot)
        assert "▸ Nov 2026" in seen(pilot)


async def test_many_months_keep_the_chosen_one_in_view(home: AppHome) -> None:
    await _cost(home, GONE, "A test", NOW - 900 * DAY, NOW - 899 * DAY)
    async with running(home.path) as pilot:
        await pressed(pilot, "c", *["left"] * 30)
        assert "▸ Jun 2024" in seen(pilot)
        await pressed(pilot, *["right"] * 30)
        assert "▸ Nov 2026" in seen(pilot)


async def test_costs_are_only_those_of_ones_own_projects(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "c")
        assert "Harbour" not in seen(pilot)
    async with running(home.path, user="joao") as pilot:
        await pressed(pilot, "c")
        assert "Nothing was charged yet." in seen(pilot)


@pytest.mark.parametrize("size", SIZES)
def test_audit(home: AppHome, snap_compare: Snap, size: Size) -> None:
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=pressing("A"))


async def test_refusals_are_found_and_told_in_full(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "A")
        assert shows(pilot, AuditPage)
        assert "joao was refused “set schedule” on Plant 7." in seen(pilot)
        assert "✗ refused" in seen(pilot)
        assert "✓ allowed" in seen(pilot)
        await pressed(pilot, "slash", *"refused", "enter")
        assert len(rows(pilot).keys) == 2
        assert "✓ allowed" not in seen(pilot)
        await pressed(pilot, "escape", "o", "o", "o")
        assert "Verdict ▾" in seen(pilot)
        assert len(rows(pilot).keys) > 2


async def test_a_long_trail_lists_its_newest_lines(home: AppHome) -> None:
    async with home.catalog() as catalog, catalog.transaction():
        for number in range(1001):
            await catalog.audit.add(
                NOW,
                "ana",
                "backup",
                Verdict.ALLOWED,
                project=PLANT,
                project_name="Plant 7",
                detail=f"number {number}",
            )
    async with running(home.path) as pilot:
        await pressed(pilot, "A")
        assert len(rows(pilot).keys) == 1000
        assert "The newest 1,000 lines." in seen(pilot)
        assert "number 1000" in seen(pilot)
