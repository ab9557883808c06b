"""The report of a restore on the screen: what it says, and each thing to do from there."""

from __future__ import annotations

import asyncio
import csv
import inspect
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "engine"))

from app_support import (
    COPY,
    NOW,
    SIZES,
    AppHome,
    OpenedApp,
    Snap,
    pressed,
    running,
    seen,
    settled,
    shows,
)
from promises_support import COLLABORATOR, World, adopted, make_world, query
from textual.pilot import Pilot
from textual.screen import Screen

from engine.model import (
    MissingCode,
    Money,
    NewToken,
    Origin,
    Project,
    ProjectState,
    QuietItem,
    RestoreReport,
    Role,
)
from engine.project.instance import find
from tui.dialogs.confirm import Confirm
from tui.dialogs.save_tokens import SaveTokens, suggested_file
from tui.screens.missing_code import Lacking, MissingCodePage
from tui.screens.report import ReportPage
from tui.screens.tokens import TokensPage

JOB = "4f2a81c09b3d"
ACTIONS, DEVICES = 11, 3


def identity(number: int) -> str:
    return f"{number:024x}"


PROJECT = Project(
    id=COPY,
    name="Plant 7 restored",
    path=Path("/srv/backstay/projects/plant-7-restored-000000"),
    state=ProjectState.ACTIVE,
    quiet=True,
    origin=Origin.RESTORED,
    role=Role.OWNER,
    owners=("ana",),
    collaborators=(),
    created=NOW,
)
REPORT = RestoreReport(
    job=JOB,
    project=PROJECT,
    backup="b00000000007",
    port=8889,
    devices=200,
    variables=2_904_452,
    seconds=12.3,
    charged=Money(Decimal("49.00"), "EUR"),
    tokens=tuple(
        NewToken(
            device=identity(number),
            device_name=f"{('Boiler', 'Cold store', 'Câmara fria')[number % 3]} {number}",
            name="Default" if number % 4 else "Reefer gateway, north side",
            permission="full" if number % 2 else "write",
            token=f"{number:08x}-7aa2-4e3b-9c41-5d0f6a2b{number:04x}",
        )
        for number in range(1, 208)
    ),
    analyses_without_code=tuple(
        MissingCode(identity(number), f"Analysis {number}", f"/srv/plant/code/analysis-{number}.js")
        for number in range(1, 6)
    ),
    parsers_without_code=(
        MissingCode(identity(9), "Câmara fria 1", "/srv/plant/code/decode-payload.js"),
    ),
    quiet=(
        *(QuietItem("action", identity(n), f"Alarm {n}", "on") for n in range(ACTIONS)),
        *(
            QuietItem("data retention", identity(n), f"Roof {n}", "6 months")
            for n in range(DEVICES)
        ),
        QuietItem("plugin", "custom", "custom", "/srv/plant/plugins/custom"),
    ),
    notes=(
        'The analysis "Analysis 1" was run by "/usr/bin/node".',
        "1 installed plugin starts with the new project: look at the ports and accounts it uses.",
    ),
)
NOTHING_TO_DO = REPORT._replace(
    tokens=(),
    analyses_without_code=(),
    parsers_without_code=(),
    quiet=(),
    notes=(),
    charged=Money(Decimal(0), "EUR"),
    project=PROJECT._replace(quiet=False),
)
HOSTILE = REPORT._replace(
    project=PROJECT._replace(name="[b]x\x1b[2J\u202e漢漢", path=Path("/srv/\x1b[2J" + "漢" * 60)),
    notes=("\x1b]0;title\x07" + "long " * 60,),
)
AWAKE = REPORT._replace(project=PROJECT._replace(quiet=False))
STATES = {
    "all to do": REPORT,
    "awake": AWAKE,
    "nothing to do": NOTHING_TO_DO,
    "hostile": HOSTILE,
}


class GivenReport(ReportPage):
    """The page on a report that is given."""

    CSS_PATH = str(Path(str(inspect.getsourcefile(ReportPage))).with_name("report.tcss"))

    def __init__(self, report: RestoreReport) -> None:
        super().__init__(JOB)
        self.given = report

    async def read(self) -> RestoreReport:
        return self.given


class GivenTokens(TokensPage):
    """The page on tokens that are given."""

    async def read(self) -> Sequence[NewToken]:
        return REPORT.tokens


class GivenCode(MissingCodePage):
    """The page on missing code that is given."""

    async def read(self) -> Sequence[Lacking]:
        return [
            *(Lacking("analysis", *each) for each in REPORT.analyses_without_code),
            *(Lacking("payload parser", *each) for each in REPORT.parsers_without_code),
        ]


def showing(screen: Screen[Any], *keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """What pushes a screen, then presses keys."""

    async def show(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        pilot.app.push_screen(screen)
        await settled(pilot)
        await pressed(pilot, *keys)

    return show


@pytest.fixture
def home(tmp_path: Path) -> AppHome:
    """An empty home."""
    made = AppHome(tmp_path)
    asyncio.run(made.make())
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder."""
    folder = tmp_path / "ana"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", STATES)
def test_each_state_of_a_report(
    home: AppHome, snap_compare: Snap, size: tuple[int, int], state: str
) -> None:
    page = GivenReport(STATES[state])
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=showing(page))


@pytest.mark.parametrize("size", SIZES)
def test_the_question_before_a_project_is_woken(
    home: AppHome, snap_compare: Snap, size: tuple[int, int]
) -> None:
    page = GivenReport(REPORT)
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=showing(page, "w"))


@pytest.mark.parametrize("size", SIZES)
def test_the_new_tokens(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    page = GivenTokens(JOB, "Plant 7 restored")
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=showing(page, "j"))


@pytest.mark.parametrize("size", SIZES)
def test_whose_code_is_missing(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    page = GivenCode(JOB, "Plant 7 restored")
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=showing(page, "G"))


@pytest.mark.parametrize("size", SIZES)
def test_the_dialog_for_a_file(
    home: AppHome, folder: Path, snap_compare: Snap, size: tuple[int, int]
) -> None:
    dialog = SaveTokens(REPORT.tokens, "Plant 7 restored")
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=showing(dialog))


@pytest.mark.parametrize("size", SIZES)
def test_a_file_that_cannot_be_made(
    home: AppHome, folder: Path, snap_compare: Snap, size: tuple[int, int]
) -> None:
    dialog = SaveTokens(REPORT.tokens, "Plant 7 restored")
    show = showing(dialog, *["backspace"] * 40, *"/proc/x", "enter")
    assert snap_compare(OpenedApp(home.path), terminal_size=size, run_before=show)


# With a real restore


@asynccontextmanager
async def reported(
    tmp_path: Path, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[Pilot[int], RestoreReport, World]]:
    """The report of a real restore, in the app."""
    world = make_world(tmp_path)
    world.set_prices()
    async with world.opened() as engine:
        await adopted(engine, world)
        await (await engine.backup("Plant")).result()
        handle = await engine.restore("Plant@latest", "Copy", accept_cost=Decimal("49.00"))
        report = await handle.result()
    async with running(world.home, size, clock=world.now) as pilot:
        pilot.app.open_job(report.job)  # type: ignore[attr-defined]  # it is ours
        await settled(pilot)
        await settled(pilot)
        yield pilot, report, world


def written(pilot: Pilot[int]) -> str:
    """What is on the screen, as one line."""
    return " ".join(seen(pilot).split())


def told(pilot: Pilot[int]) -> str:
    """What the app told last."""
    return list(pilot.app._notifications)[-1].message


async def test_a_restore_that_succeeded_is_come_back_to_with_its_report(tmp_path: Path) -> None:
    async with reported(tmp_path) as (pilot, report, _):
        assert shows(pilot, ReportPage)
        assert "Copy is ready" in seen(pilot)
        assert "€49.00" in seen(pilot).splitlines()[0]
        assert f"{len(report.tokens)} new tokens" in written(pilot)
        assert str(report.port) in written(pilot)
        for token in report.tokens:
            assert token.token not in seen(pilot)


async def test_tokens_are_shown_when_asked_for_and_copied_one_by_one(tmp_path: Path) -> None:
    async with reported(tmp_path) as (pilot, report, _):
        await pressed(pilot, "t")
        assert shows(pilot, TokensPage)
        for token in report.tokens:
            assert token.token in seen(pilot)
        await pressed(pilot, "j", "y")
        assert pilot.app.clipboard == report.tokens[1].token
        assert report.tokens[1].token in told(pilot)
        await pressed(pilot, "slash", *report.tokens[0].device_name, "enter")
        assert report.tokens[0].token in seen(pilot)
        await pressed(pilot, "escape", "escape")
        assert shows(pilot, ReportPage)
        for token in report.tokens:
            assert token.token not in seen(pilot)


async def test_over_ssh_it_is_told_how_tokens_are_saved(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.remote._process", {"serves": True})
    async with reported(tmp_path) as (pilot, report, _):
        await pressed(pilot, "t", "f")
        assert shows(pilot, TokensPage)
        assert f"jobs {report.job[:8]} --tokens > tokens.csv" in told(pilot)
        assert not shows(pilot, SaveTokens)


async def test_tokens_are_saved_in_a_private_file_and_never_over_another(
    tmp_path: Path, folder: Path
) -> None:
    async with reported(tmp_path) as (pilot, report, _):
        await pressed(pilot, "t", "f")
        assert shows(pilot, SaveTokens)
        await pressed(pilot, "enter")
        file = folder / "copy-tokens.csv"
        assert shows(pilot, TokensPage)
        assert str(file) in told(pilot)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with file.open(newline="") as opened:
            rows = list(csv.DictReader(opened))
        assert [row["token"] for row in rows] == [token.token for token in report.tokens]
        before = file.read_bytes()
        await pressed(pilot, "f")
        assert "copy-tokens-2.csv" in seen(pilot)
        await pressed(pilot, *["backspace"] * 40, *"~/copy-tokens.csv", "enter")
        assert shows(pilot, SaveTokens)
        assert "exists already" in written(pilot)
        assert "~/copy-tokens.csv" in seen(pilot)
        await pressed(pilot, *["backspace"] * 40, "enter")
        assert "Give the name of a file." in seen(pilot)
        await pressed(pilot, *"/nowhere/x.csv", "enter")
        assert "cannot be made" in written(pilot)
        await pressed(pilot, "escape")
        assert shows(pilot, TokensPage)
        assert file.read_bytes() == before
        assert names(folder) == ["copy-tokens.csv"]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_tokens_are_saved_by_mouse_alone(tmp_path: Path, folder: Path) -> None:
    async with reported(tmp_path) as (pilot, _, _world):
        await click_on(pilot, "tokens")
        await click_on(pilot, "save")
        await click_on(pilot, "Cancel")
        assert names(folder) == []
        await click_on(pilot, "save")
        await click_on(pilot, "[ Save")
        assert names(folder) == ["copy-tokens.csv"]
        await click_on(pilot, "esc")
        assert shows(pilot, ReportPage)


async def click_on(pilot: Pilot[int], text: str) -> None:
    """Click on the last place on the screen where that is written."""
    lines = seen(pilot).splitlines()
    y = max(at for at, line in enumerate(lines) if text in line)
    await pilot.click(offset=(lines[y].rindex(text) + 1, y))
    await settled(pilot)


async def test_missing_code_is_listed_and_its_place_copied(tmp_path: Path) -> None:
    async with reported(tmp_path) as (pilot, report, _):
        await pressed(pilot, "a")
        assert shows(pilot, MissingCodePage)
        for each in (*report.analyses_without_code, *report.parsers_without_code):
            assert each.name in seen(pilot)
        await pressed(pilot, "y")
        assert pilot.app.clipboard == report.analyses_without_code[0].path
        for _ in MissingCodePage.orders:
            await pressed(pilot, "o")
        await pressed(pilot, "escape", "y")
        assert pilot.app.clipboard == str(report.project.path)


def active_actions(report: RestoreReport) -> int:
    database = find(report.project.path).database
    ((count,),) = query(database, "SELECT count(*) FROM action WHERE active = 1")
    assert isinstance(count, int)
    return count


async def test_waking_asks_first_and_begins_at_leaving_it_quiet(tmp_path: Path) -> None:
    async with reported(tmp_path) as (pilot, report, _):
        for way_out in ("enter", "escape"):
            await pressed(pilot, "w")
            assert shows(pilot, Confirm)
            await pressed(pilot, way_out)
            assert shows(pilot, ReportPage)
            assert active_actions(report) == 0
        await pressed(pilot, "w", "right", "enter")
        assert active_actions(report) > 0
        assert "It is awake." in seen(pilot)
        assert "✓ Put back:" in written(pilot)
        assert "w wake" not in seen(pilot)
        await pressed(pilot, "w")
        assert shows(pilot, ReportPage)


async def test_waking_from_the_projects_asks_first_too(tmp_path: Path) -> None:
    async with reported(tmp_path) as (pilot, report, _):
        await pressed(pilot, "escape", "g", "w")
        assert "Wake Copy?" in seen(pilot)
        await pressed(pilot, "enter")
        assert active_actions(report) == 0
        await pressed(pilot, "w", "right", "enter")
        assert active_actions(report) > 0


async def test_waking_by_mouse_tells_what_was_left_as_it_is(tmp_path: Path) -> None:
    async with reported(tmp_path) as (pilot, report, _):
        database = find(report.project.path).database
        changed = next(item for item in report.quiet if item.kind == "action")
        with closing(sqlite3.connect(database)) as writer, writer:
            writer.execute("UPDATE action SET active = 1 WHERE id = ?", (changed.id,))
        await click_on(pilot, "w wake")
        await click_on(pilot, "[ Wake")
        assert "Left as they are, because they were changed since:" in written(pilot)
        assert changed.name in seen(pilot)


async def test_a_project_that_cannot_be_woken_now_says_why(tmp_path: Path) -> None:
    async with reported(tmp_path) as (pilot, report, _):
        database = find(report.project.path).database
        hidden = database.with_name("elsewhere")
        database.rename(hidden)
        await pressed(pilot, "w", "right", "enter")
        assert told(pilot)
        hidden.rename(database)
        await pressed(pilot, "r")
        assert "It is quiet." in seen(pilot)


async def test_a_report_is_not_for_collaborators_nor_of_a_project_that_is_gone(
    tmp_path: Path,
) -> None:
    async with reported(tmp_path) as (pilot, report, world):
        async with world.opened() as engine:
            await engine.delete("Copy", confirm="Copy")
        await pressed(pilot, "r")
        assert "There is no project of yours" in seen(pilot)
        assert str(report.project.path) not in seen(pilot)
        for key in ("t", "a", "w", "y"):
            await pressed(pilot, key)
            assert shows(pilot, ReportPage)
    async with running(world.home, user=COLLABORATOR, clock=world.now) as pilot:
        pilot.app.push_screen(ReportPage(report.job))
        await settled(pilot)
        assert "The jobs of Plant are for its owners: ana." in seen(pilot)


async def test_a_long_report_is_scrolled_by_the_keys_of_a_list(home: AppHome) -> None:
    long = REPORT._replace(notes=tuple(f"Device {n} starts without data." for n in range(99)))
    async with running(home.path) as pilot:
        await showing(GivenReport(long), "G")(pilot)
        assert "Device 98 starts" in seen(pilot)
        await pressed(pilot, "g")
        assert "200 devices" in seen(pilot)
        await pressed(pilot, "j", "j", "j", "j")
        assert "200 devices" not in seen(pilot)
        await pressed(pilot, "k", "k", "k", "k", "pagedown")
        assert "200 devices" not in seen(pilot)


async def test_the_smallest_terminal_folds_what_is_to_be_done(home: AppHome) -> None:
    async with running(home.path, (60, 16)) as pilot:
        await showing(GivenReport(REPORT))(pilot)
        assert "1 Give the devices their tokens: 207 new tokens" in written(pilot)
        assert "press t" in seen(pilot)
        assert all(len(line) <= 60 for line in seen(pilot).splitlines())
        await pilot.resize_terminal(120, 40)
        await settled(pilot)
        assert "Notes" in seen(pilot)


def test_a_free_name_is_suggested_for_the_file(folder: Path) -> None:
    assert suggested_file("Plant 7 restored") == "~/plant-7-restored-tokens.csv"
    (folder / "plant-7-restored-tokens.csv").symlink_to(folder / "nowhere")
    assert suggested_file("Plant 7 restored") == "~/plant-7-restored-tokens-2.csv"
    assert suggested_file("Fábrica") == "~/fabrica-tokens.csv"
    assert suggested_file("漢字/../..") == "~/project-tokens.csv"
