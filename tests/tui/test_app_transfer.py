"""Data is moved from one project into another in the app: asked, counted, agreed to, told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "engine"))

from app_support import (
    COPY,
    NOW,
    PLANT,
    SIZES,
    AppHome,
    OpenedApp,
    Snap,
    now,
    pressed,
    running,
    seen,
    settled,
    shows,
)
from promises_support import change, make_world, query

from engine.engine import Engine
from engine.model import Origin, Project, ProjectState, Role, TransferLine, TransferReport
from engine.project.instance import find
from tui.dialogs.confirm import Confirm
from tui.dialogs.pick import Item, Items, Pick, Picking
from tui.screens.job import JobPage
from tui.screens.list_page import ListPage
from tui.screens.projects import ProjectsPage
from tui.screens.report import ReportPage
from tui.screens.transfer import TransferPage
from tui.screens.transfer_draft import Draft, first_draft
from tui.screens.transfer_preview import TransferPreviewPage
from tui.screens.transferred import TransferredPage
from tui.table import Column
from tui.typed_span import Span

PLAIN, FREEZER = "715fbfa93ecad370ed4fa7d3", "715fd9bc3b5f296f92bfa02f"
LONG_NAME = "Plant 7 in the very long valley, the northern side, restored"


def line(number: int, name: str, **told: Any) -> TransferLine:
    key = f"{number:024x}"
    whole = TransferLine(key, name, key, 0, 0, 0, "", False, ())
    return whole._replace(**told)


WOULD = TransferReport(
    job="",
    source="Plant 7 restored",
    target="Plant 7",
    dry_run=True,
    devices=(
        line(1, "Cold store 1", copied=12_345, already_there=400),
        line(2, "Câmara fria", copied=7, notes=("it would be made",), created=True),
        line(3, "Boiler", refused=31, reason="a mutable device holds 50,000 rows at most"),
        line(4, "Reefer", reason="it is not active in the target: activate it first"),
        line(5, "\x1b[2J[b]漢漢", already_there=90),
        line(6, "Nothing of it was chosen"),
    ),
    copied=12_352,
    already_there=490,
    refused=31,
    seconds=1.2,
    longest_lock=0.0,
    notes=(),
)
DONE = WOULD._replace(
    job="4f2a81c05d6e",
    dry_run=False,
    seconds=3.4,
    longest_lock=0.042,
    notes=("Devices were made in the target. If its TagoCore is running, restart it.",),
)
TOO_LONG = WOULD._replace(target=LONG_NAME, copied=987_654_321)


class GivenPreview(TransferPreviewPage):
    """What would come, as it is given."""

    def __init__(self, report: TransferReport) -> None:
        super().__init__(Draft(), Span(), lambda _: None)
        self.given = report

    async def read(self) -> TransferReport:
        return self.given


class GivenReport(TransferredPage):
    """What came, as it is given."""

    async def read(self) -> TransferReport:
        return DONE


async def things() -> Items:
    return Items([Item(str(n), f"Cold store {n}", [f"{n:024x}"]) for n in range(1, 41)])


DEVICES = Picking(
    "Devices of Plant 7 restored",
    ("device", "devices"),
    [Column("Device", least=20), Column("Id", drop=1)],
    things,
    ("2",),
    many=True,
    nothing="Plant 7 restored has no devices.",
)
SCREENS: dict[str, tuple[Callable[[], Screen[Any]], list[str]]] = {
    "what is asked": (lambda: TransferPage(source=COPY, target=PLANT), []),
    "a span that is wrong": (
        lambda: TransferPage(source=COPY, target=PLANT),
        [*["tab"] * 4, *"2026-11-20 08:00", "tab", *"2026-11-16"],
    ),
    "devices": (lambda: Pick(DEVICES, lambda _: None), ["j", "space"]),
    "what would come": (lambda: GivenPreview(WOULD), ["j"]),
    "the question": (lambda: GivenPreview(WOULD), ["enter"]),
    "long names in the question": (lambda: GivenPreview(TOO_LONG), ["enter"]),
    "what came": (lambda: GivenReport("4f2a81c05d6e"), []),
}


@pytest.fixture
def home(tmp_path: Path) -> AppHome:
    """A home with two projects, one of them restored."""
    made = AppHome(tmp_path)

    async def make() -> None:
        await made.make()
        await made.add_project(PLANT, "Plant 7")
        await made.add_project(COPY, "Plant 7 restored", origin=Origin.RESTORED)

    asyncio.run(make())
    return made


def showing(screen: Screen[Any], keys: list[str]) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def show(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        pilot.app.push_screen(screen)
        await settled(pilot)
        await pressed(pilot, *keys)

    return show


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("which", SCREENS)
def test_each_screen(home: AppHome, snap_compare: Snap, size: tuple[int, int], which: str) -> None:
    make, keys = SCREENS[which]
    show = showing(make(), keys)
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=show)


async def two_projects(folder: Path) -> Path:
    """A home with a project that lacks rows, and one that was restored and has them."""
    world = make_world(folder)
    async with Engine.open(world.home, user="ana", clock=now, create=True, works=True) as engine:
        await engine.adopt(world.source, "Plant 7")
        backup = await (await engine.backup("Plant 7")).result()
        fee = (await engine.quote(backup.id)).creation_fee.amount
        await (await engine.restore(backup.id, "Plant 7 restored", accept_cost=fee)).result()
    change(find(world.source).device_file(PLAIN), "DELETE FROM data WHERE rowid % 3")
    change(find(world.source).database, f"UPDATE device SET active = 0 WHERE id = '{FREEZER}'")
    return find(world.source).device_file(PLAIN)


async def until(pilot: Pilot[Any], kind: type[Screen[Any]]) -> None:
    """Wait for a screen that comes by itself."""
    async with asyncio.timeout(60):
        while not shows(pilot, kind):
            await asyncio.sleep(0.05)
            await settled(pilot)
    await settled(pilot)


async def test_data_is_moved_back_by_keyboard_after_a_question(tmp_path: Path) -> None:
    file = await two_projects(tmp_path)
    before = query(file, "SELECT id FROM data")
    async with running(tmp_path / "home", works=True) as pilot:
        await pressed(pilot, "m")
        assert shows(pilot, TransferPage)
        assert "[ Plant 7 restored ]" in seen(pilot), "it is meant to come from there"
        await pressed(pilot, "enter", "/", *"Weather", "enter", "space", "enter")
        assert "only 1 device" in seen(pilot)
        await pressed(pilot, "ctrl+o")
        assert shows(pilot, TransferPreviewPage)
        missing = 100 - len(before)
        assert f"{missing} rows of 1 device would be moved" in seen(pilot)
        preview = pilot.app.screen
        assert isinstance(preview, TransferPreviewPage)
        counted = preview.data
        await pressed(pilot, "enter")
        assert shows(pilot, Confirm)
        await pressed(pilot, "enter")  # Cancel has the focus
        assert shows(pilot, TransferPreviewPage)
        assert preview.data is counted, "a question is no reason to count anew"
        assert query(file, "SELECT id FROM data") == before
        await pressed(pilot, "enter", "right", "enter")
        await until(pilot, TransferredPage)
        assert f"{missing} rows of 1 device were moved" in " ".join(seen(pilot).split())
        assert query(file, "SELECT count(*) FROM data") == [(100,)]
        await pressed(pilot, "escape")
        assert shows(pilot, ProjectsPage)


async def test_data_is_moved_back_by_mouse_from_the_report_of_a_restore(tmp_path: Path) -> None:
    file = await two_projects(tmp_path)
    async with running(tmp_path / "home", works=True) as pilot:
        (job, *_) = await pilot.app.engine.jobs("Plant 7")  # type: ignore[attr-defined]  # ours
        pilot.app.push_screen(JobPage(job.id))
        await until(pilot, ReportPage)
        await pressed(pilot, "m")
        assert "[ Plant 7 ]" in seen(pilot), "it is what the restored one was made of"
        await pilot.click("#go-on")
        await settled(pilot)
        assert shows(pilot, TransferPreviewPage)
        assert "not active in the target" in seen(pilot)
        page = pilot.app.screen
        assert isinstance(page, ListPage)
        await pilot.click(page.rows, offset=(4, 1))
        await settled(pilot)
        await pilot.click("#yes")
        await until(pilot, TransferredPage)
        assert query(file, "SELECT count(*) FROM data") == [(100,)]


def project(key: str, origin: Origin, created: datetime = NOW) -> Project:
    return Project(
        key, key, Path("/p"), ProjectState.ACTIVE, False, origin, Role.OWNER, (), (), created
    )


def test_data_goes_from_what_was_restored_last_into_what_is_in_use() -> None:
    live, old = project("live", Origin.ADOPTED), project("old", Origin.RESTORED)
    new = project("new", Origin.RESTORED, NOW.replace(year=2027))
    known = [live, old, new]
    assert first_draft(known, None, None)[:2] == (new, live)
    assert first_draft(known, "old", None)[:2] == (old, live)
    assert first_draft(known, "live", "new")[:2] == (live, new)
    second = project("second", Origin.ADOPTED)
    assert first_draft([*known, second], None, None)[:2] == (new, None), "it may be either"
    assert first_draft([live], None, "live")[:2] == (None, live)
