"""A new project from a backup: its name, its price, and what is asked for when it is agreed to."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "engine"))

from app_support import (
    DAY,
    LARGE,
    NOW,
    PLANT,
    PRICES,
    SIZES,
    SOUTH,
    AppHome,
    OpenedApp,
    Snap,
    device,
    pressed,
    pressing,
    running,
    seen,
    settled,
    shows,
)
from promises_support import OWNER, World, adopted, backed_up, make_world
from textual import events
from textual.pilot import Pilot

from engine.engine import Engine
from engine.model import BackupState, JobKind, RestoreReport, Role, Verdict
from tui.app import Backstay
from tui.dialogs.cost import Cost
from tui.dialogs.new_project import NewProject, suggested_name
from tui.screens.backups import BackupsPage
from tui.screens.job import JobPage
from tui.widgets.name_field import NameField

DIALOG = ("enter", "n")  # from the projects to the name
PRICE = (*DIALOG, "enter")  # and on to the price


@pytest.fixture
def home(tmp_path: Path) -> AppHome:
    """A project with three backups: a whole one, an incomplete one and a damaged one."""
    made = AppHome(tmp_path)

    async def fill() -> None:
        await made.make()
        await made.add_project(PLANT, "Plant 7", collaborators=("joao",))
        await made.add_backup(PLANT, NOW - 3 * DAY, state=BackupState.DAMAGED)
        incomplete = await made.add_backup(PLANT, NOW - 2 * DAY, missing=5)
        whole = await made.add_backup(PLANT, NOW - DAY)
        pumps = [device(number, f"Pump {number}", rows=1000) for number in range(1, 4)]
        await made.add_contents(whole, pumps)
        names = ("Valve", "Gate \x1b[2J", "Roof", "Yard", "Hall")
        held = [device(at, name, rows=0, missing="held") for at, name in enumerate(names, 10)]
        await made.add_contents(incomplete, [*pumps, *held])

    asyncio.run(fill())
    return made


async def real(folder: Path, prices: str | None = PRICES) -> World:
    """A home with a copy of an instance that TagoCore wrote, backed up once."""
    world = make_world(folder)
    if prices is not None:
        world.set_prices(prices)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
    return world


def real_app(world: World, size: tuple[int, int] = SIZES[0]) -> Any:
    """The app on such a home, which works in this process."""
    return running(world.home, size, user=OWNER, clock=world.now, works=True)


def engine_of(pilot: Pilot[int]) -> Engine:
    """The engine that the app has open."""
    assert isinstance(pilot.app, Backstay)
    return pilot.app.engine


def field(pilot: Pilot[int]) -> NameField:
    """Where the name is typed."""
    return pilot.app.screen.query_one("#name", NameField)


async def paste(pilot: Pilot[int], text: str) -> None:
    """Paste a text where the name was."""
    await pressed(pilot, "ctrl+u")
    pilot.app.post_message(events.Paste(text))
    await settled(pilot)


async def nothing_was_asked_for(pilot: Pilot[int]) -> None:
    """Nothing is made, charged, or in the audit trail."""
    engine = engine_of(pilot)
    assert not [job for job in await engine.jobs() if job.kind is JobKind.RESTORE]
    assert len(await engine.projects()) == 1
    assert await engine.costs() == []
    trail = [line.action for line in await engine.audit() if line.verdict is Verdict.ALLOWED]
    assert "restore" not in trail


async def made(pilot: Pilot[int]) -> RestoreReport:
    """Wait for the one project that was asked for."""
    assert shows(pilot, JobPage)
    engine = engine_of(pilot)
    (job,) = [job for job in await engine.jobs() if job.kind is JobKind.RESTORE]
    await (await engine.watch(job.id)).result()
    await settled(pilot)
    return await engine.report(job.id)


# What it looks like


@pytest.mark.parametrize("size", SIZES)
def test_the_name(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*DIALOG))


@pytest.mark.parametrize("size", SIZES)
def test_a_wrong_name(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*DIALOG, "slash"))


@pytest.mark.parametrize("size", SIZES)
def test_an_incomplete_backup(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing("enter", "j", "n"))


@pytest.mark.parametrize("size", SIZES)
def test_a_damaged_backup(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing("enter", "G", "n"))


@pytest.mark.parametrize("size", SIZES)
def test_the_price(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*PRICE))


@pytest.mark.parametrize("size", SIZES)
def test_another_price(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    async def agree_too_late(pilot: Pilot[Any]) -> None:
        await pressing(*PRICE)(pilot)
        (home.path / "backstay.toml").write_text(PRICES.replace("49.00", "59.00"))
        await pressed(pilot, "tab", "enter")

    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=agree_too_late)


@pytest.mark.parametrize("size", SIZES)
def test_no_prices(home: AppHome, snap_compare: Snap, size: tuple[int, int]) -> None:
    (home.path / "backstay.toml").write_text("")
    app = OpenedApp(home.path)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*PRICE))


# The whole way


async def test_a_project_is_made_by_keyboard_alone(tmp_path: Path) -> None:
    world = await real(tmp_path)
    async with real_app(world) as pilot:
        await pressed(pilot, "enter", "enter", "n")
        assert field(pilot).value == "Plant restored"
        await pressed(pilot, *" two", "enter")
        assert shows(pilot, Cost)
        assert "[ Create project for €49.00 ]" in seen(pilot)
        focused = pilot.app.focused
        assert focused is not None
        assert focused.id == "cancel"
        await nothing_was_asked_for(pilot)
        await pressed(pilot, "right", "enter")
        report = await made(pilot)
        assert report.project.name == "Plant restored two"
        assert report.charged.amount == Decimal("49.00")
        while not shows(pilot, BackupsPage):
            await pressed(pilot, "escape")
            assert not shows(pilot, Cost, NewProject)


async def test_a_project_is_made_by_mouse_alone(tmp_path: Path) -> None:
    world = await real(tmp_path)
    async with real_app(world, LARGE) as pilot:
        await pilot.click("#rows", offset=(10, 1))
        await settled(pilot)
        assert shows(pilot, BackupsPage)
        await pilot.click("#rows", offset=(79, 1))
        await settled(pilot)
        await pilot.click("#menu", offset=(5, 1))
        await settled(pilot)
        assert shows(pilot, NewProject)
        await pilot.click("#cost")
        await settled(pilot)
        assert shows(pilot, Cost)
        await pilot.click("#cancel")
        await settled(pilot)
        assert shows(pilot, NewProject)
        await nothing_was_asked_for(pilot)
        await pilot.click("#cost")
        await settled(pilot)
        await pilot.click("#create")
        await settled(pilot)
        report = await made(pilot)
        assert report.project.name == "Plant restored"
        names = [project.name for project in await engine_of(pilot).projects()]
        assert names == ["Plant", "Plant restored"]


async def test_without_prices_nothing_is_charged_and_it_says_so(tmp_path: Path) -> None:
    world = await real(tmp_path, prices=None)
    async with real_app(world) as pilot:
        await pressed(pilot, "enter", "n", "enter")
        text = seen(pilot)
        assert "No prices are set in this home" in text
        assert "[ Create project ]" in text
        assert "€" not in text
        await pressed(pilot, "tab", "enter")
        report = await made(pilot)
        assert report.charged.amount == 0


# The price


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('"49.00"', '"59.00"', "Creating it was €49.00 and is €59.00 now."),
        ('"0.034"', '"0.05"', "An hour was €0.034 and is €0.05 now."),
        ('"EUR"', '"USD"', "Creating it was €49.00 and is $49.00 now"),
    ],
)
async def test_a_price_that_has_changed_is_to_be_agreed_to_anew(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    world = await real(tmp_path)
    async with real_app(world) as pilot:
        await pressed(pilot, "enter", "n", "enter", "tab")
        world.set_prices(PRICES.replace(before, after))
        await pressed(pilot, "enter")
        assert shows(pilot, Cost)
        text = " ".join(seen(pilot).split())
        assert f"The price has changed. {told}" in text
        assert "nothing was charged" in text
        focused = pilot.app.focused
        assert focused is not None
        assert focused.id == "cancel"
        await nothing_was_asked_for(pilot)
        await pressed(pilot, "tab", "enter")
        report = await made(pilot)
        fee = "59.00" if "59.00" in after else "49.00"
        currency = "USD" if "USD" in after else "EUR"
        assert str(report.charged) == f"{fee} {currency}"


async def test_a_price_that_cannot_be_read_cannot_be_agreed_to(home: AppHome) -> None:
    settings = home.path / "backstay.toml"
    async with running(home.path) as pilot:
        await pressed(pilot, *DIALOG)
        settings.write_text("[prices]\ncreation_fee = 'much'\n")
        await pressed(pilot, "enter")
        assert shows(pilot, Cost)
        create = pilot.app.screen.query_one("#create")
        assert create.disabled
        assert "Press r to try again." in " ".join(seen(pilot).split())
        await pilot.click("#create")
        await pressed(pilot, "tab", "enter")  # there is nothing but Cancel to go to
        assert shows(pilot, NewProject)
        settings.write_text(PRICES)
        await pressed(pilot, "enter")
        assert "[ Create project for €49.00 ]" in seen(pilot)
        await nothing_was_asked_for(pilot)


async def test_the_rest_of_the_month_gets_less(home: AppHome) -> None:
    moment = [NOW]

    def clock() -> datetime:
        return moment[0]

    async with running(home.path, clock=clock) as pilot:
        await pressed(pilot, *PRICE, "tab")
        assert "until 30 Nov" in seen(pilot)
        moment[0] = NOW + 9 * DAY
        screen = pilot.app.screen
        assert isinstance(screen, Cost)
        screen.tick()
        await settled(pilot)
        text = seen(pilot)
        assert "until 31 Dec" in text
        assert "has changed" not in text
        focused = pilot.app.focused
        assert focused is not None
        assert focused.id == "create"


# The name


async def test_enter_is_not_lost_where_the_home_changes_meanwhile(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, *DIALOG)
        dialog = pilot.app.screen
        assert isinstance(dialog, NewProject)
        assert dialog.data is not None
        dialog._go_on()
        dialog.show(dialog.data)  # what was read anew comes before the answer
        await settled(pilot)
        assert shows(pilot, Cost)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "The new project needs a name."),
        ("a/b", "a name cannot hold /"),
        ("a\x1b[2Jb", "a name cannot hold a control character (U+001B)"),
        ("ab\u202ecd", "a name cannot hold an invisible formatting character (U+202E)"),
        ("x" * 300, "a name has at most 60 characters, this has 300"),
        ("PLANT 7", 'A project is called "Plant 7" already.'),
        ("...", "a name cannot begin or end with a full stop"),
        ("[red]x", ""),
    ],
)
async def test_a_name_is_checked_as_it_is_typed(home: AppHome, name: str, told: str) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, *DIALOG)
        assert "✓ free to use" in seen(pilot)
        await paste(pilot, name)
        assert field(pilot).value == name
        text = " ".join(seen(pilot).split())
        assert "\x1b" not in text
        assert "\u202e" not in text
        if told:
            assert told in text
            assert "free to use" not in text
        else:
            assert f"Name {name} ✓ free to use" in text
        assert pilot.app.screen.query_one("#cost").disabled is bool(told)
        assert ("⏎ go on" in text) is not bool(told)
        await pressed(pilot, "enter")
        assert shows(pilot, NewProject if told else Cost)
        await nothing_was_asked_for(pilot)


async def test_the_suggestion_is_free(home: AppHome) -> None:
    longest = "L" * 60
    async with home.catalog():
        pass
    await home.add_project(SOUTH, "Plant 7 restored")
    async with Engine.open(home.path, user="ana") as engine:
        assert await suggested_name(engine, "Plant 7") == "Plant 7 restored 2"
        assert await suggested_name(engine, "Plant 7 restored") == "Plant 7 restored 2"
        assert await suggested_name(engine, "Cold  restored 12") == "Cold restored"
        assert await suggested_name(engine, longest) == "L" * 51 + " restored"
    async with running(home.path) as pilot:
        await pressed(pilot, *DIALOG)
        assert field(pilot).value == "Plant 7 restored 2"


async def test_what_was_typed_is_kept_and_looked_at_again(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, *DIALOG)
        await paste(pilot, "Mine")
        await home.add_project(SOUTH, "mine")
        screen = pilot.app.screen
        assert isinstance(screen, NewProject)
        await screen.look()
        await settled(pilot)
        assert field(pilot).value == "Mine"
        assert 'A project is called "mine" already.' in seen(pilot)


# What goes wrong


async def test_esc_at_every_step_leaves_nothing(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, *DIALOG)
        await paste(pilot, "Mine")
        await pressed(pilot, "enter", "tab", "escape")
        assert shows(pilot, NewProject)
        assert field(pilot).value == "Mine"
        await nothing_was_asked_for(pilot)
        await pressed(pilot, "escape")
        assert shows(pilot, BackupsPage)
        await nothing_was_asked_for(pilot)
        await pressed(pilot, "n", "tab", "enter")  # Cancel
        assert shows(pilot, BackupsPage)
        await pressed(pilot, "n", "enter", "enter")  # Cancel has the focus
        assert shows(pilot, NewProject)
        await nothing_was_asked_for(pilot)


async def test_a_name_that_was_taken_meanwhile_leads_back_to_it(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, *PRICE, "tab")
        await home.add_project(SOUTH, "Plant 7 restored", owners=("rui",))
        await pressed(pilot, "enter")
        assert shows(pilot, Cost)
        text = seen(pilot)
        assert '✗ A project is called "Plant 7 restored" already.' in text
        assert "Esc leads back to the name." in text
        await nothing_was_asked_for(pilot)
        await pressed(pilot, "escape")
        assert field(pilot).value == "Plant 7 restored"
        assert '✗ A project is called "Plant 7 restored" already.' in seen(pilot)


async def test_a_catalog_that_is_held_is_told_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await real(tmp_path)
    monkeypatch.setattr("engine.catalog.connection.PATIENCE", 0.2)
    async with real_app(world) as pilot:
        await pressed(pilot, "enter", "n", "enter", "tab")
        with closing(sqlite3.connect(world.home / "catalog.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await pressed(pilot, "enter")
            assert shows(pilot, Cost)
            assert "✗" in seen(pilot)
            assert "Nothing was changed" in seen(pilot)
        await nothing_was_asked_for(pilot)
        await pressed(pilot, "enter")
        assert (await made(pilot)).project.name == "Plant restored"


async def test_who_is_no_owner_any_more_is_told(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, *PRICE, "tab")
        async with home.catalog() as catalog:
            await catalog.members.change(PLANT, "rui", Role.OWNER)
            await catalog.members.change(PLANT, "ana", Role.COLLABORATOR)
        await pressed(pilot, "enter")
        text = " ".join(seen(pilot).split())
        assert "for its owners: rui." in text
        await pressed(pilot, "escape", "escape")
        assert shows(pilot, BackupsPage)


async def test_a_damaged_backup_goes_no_further(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter", "G", "n")
        assert "This backup is damaged: no project can be made of it." in seen(pilot)
        await pressed(pilot, "enter")
        assert shows(pilot, NewProject)
        assert pilot.app.screen.query_one("#cost").disabled


async def test_an_incomplete_backup_names_what_it_lacks(home: AppHome) -> None:
    async with running(home.path) as pilot:
        await pressed(pilot, "enter", "j", "n")
        text = " ".join(seen(pilot).split())
        assert "! Incomplete: the data of 5 devices is not in this backup." in text
        assert "Valve, Gate \\x1b[2J, Roof and 2 more." in text
        await pressed(pilot, "enter")
        assert shows(pilot, Cost)


async def test_on_the_smallest_terminal_the_buttons_are_in_view(home: AppHome) -> None:
    async with running(home.path, (60, 16)) as pilot:
        await pressed(pilot, "enter", "j", "n")
        assert "Plant 7 restored" in seen(pilot)
        await pressed(pilot, "tab", "tab")
        assert "[ Cost → ]" in seen(pilot)
        await pressed(pilot, "enter")
        assert "€49.00" in seen(pilot)
        (home.path / "backstay.toml").write_text(PRICES.replace("49.00", "59.00"))
        await pressed(pilot, "tab", "enter")
        text = seen(pilot)
        assert "The price has changed" in text
        assert "[ Create project for €59.00 ]" in text
