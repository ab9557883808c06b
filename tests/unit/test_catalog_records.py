"""What the catalog keeps: each kind of record, and what it refuses."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from engine.catalog import Catalog
from engine.errors import Invalid, NotFound, Taken
from engine.model import (
    ActiveInterval,
    Backup,
    BackupKind,
    BackupState,
    Charge,
    HeldItem,
    Member,
    Money,
    Origin,
    ProjectState,
    Role,
    Verdict,
)

START = datetime(2026, 11, 23, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
P1, P2 = "000000000001", "000000000002"
RATE = Money(Decimal("0.034"), "EUR")


class Hand:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
async def catalog(tmp_path: Path, clock: Hand) -> AsyncIterator[Catalog]:
    async with await Catalog.open(tmp_path / "catalog.db", clock=clock) as catalog:
        yield catalog


async def add(
    catalog: Catalog,
    project: str = P1,
    name: str = "Plant 7",
    state: ProjectState = ProjectState.ACTIVE,
) -> None:
    await catalog.projects.add(project, name, Path("/srv") / project, state, Origin.RESTORED)


def backup(number: int, project: str = P1, date: datetime = START) -> Backup:
    return Backup(
        id=f"{number:024x}",
        project=project,
        date=date,
        kind=BackupKind.SCHEDULED,
        state=BackupState.COMPLETE,
        size=1,
        added=2,
        data=2**40,
        devices=4,
        variables=5,
        actions=6,
        analyses=7,
        accounts=8,
    )


# Projects


async def test_a_project_is_found_by_its_id_and_by_its_name(catalog: Catalog, clock: Hand) -> None:
    await add(catalog, name="Küche 7")
    for ref in (P1, "Küche 7", "KU\u0308CHE 7", "küche  7"):
        row = await catalog.projects.get(ref)
        assert row is not None, ref
        assert (row.id, row.name, row.path) == (P1, "Küche 7", Path("/srv") / P1)
        assert (row.state, row.origin) == (ProjectState.ACTIVE, Origin.RESTORED)
        assert (row.created, row.quiet) == (START, False)
    assert await catalog.projects.at(Path("/srv") / P1) is not None
    assert await catalog.projects.at(Path("/srv")) is None


@pytest.mark.parametrize("ref", ["", "Plant 8", P2, P1[:6], "\udc80", "\x00", "%", "x" * 10_000])
async def test_there_is_no_other_project(catalog: Catalog, ref: str) -> None:
    await add(catalog)
    assert await catalog.projects.get(ref) is None


@pytest.mark.parametrize("name", ["Küche", "KÜCHE", "Ku\u0308che", "KU\u0308CHE"])
async def test_a_name_is_taken_in_any_case_and_form(catalog: Catalog, name: str) -> None:
    await add(catalog, P1, "Küche")
    with pytest.raises(Taken, match=r'^A project is called "Küche" already') as refused:
        await add(catalog, P2, name)
    assert refused.value.exit_code == 2
    assert len(await catalog.projects.list()) == 1


async def test_a_name_is_taken_while_its_project_is_being_made(catalog: Catalog) -> None:
    await add(catalog, P1, "New", ProjectState.CREATING)
    with pytest.raises(Taken, match="A project that is being made is called"):
        await add(catalog, P2, "new")
    await catalog.projects.remove(P1)
    await add(catalog, P2, "new")


async def test_an_instance_is_one_project_only(catalog: Catalog) -> None:
    await add(catalog)
    with pytest.raises(Taken, match=f"instance in /srv/{P1} is a project of this home already"):
        await catalog.projects.add(
            P2, "Other", Path("/srv") / P1, ProjectState.ACTIVE, Origin.ADOPTED
        )


async def test_the_database_itself_refuses_a_name_twice(tmp_path: Path, catalog: Catalog) -> None:
    await add(catalog)
    with (
        closing(sqlite3.connect(tmp_path / "catalog.db")) as stranger,
        pytest.raises(sqlite3.IntegrityError, match=r"UNIQUE constraint failed: project\.key"),
    ):
        stranger.execute(
            "INSERT INTO project SELECT ?, name, key, ?, state, origin, created FROM project",
            (P2, b"/elsewhere"),
        )


async def test_an_id_of_another_form_is_refused(catalog: Catalog) -> None:
    with pytest.raises(Invalid, match="is not a project's id"):
        await add(catalog, "../../etc")


async def test_a_folder_whose_name_is_no_text_is_kept_exactly(catalog: Catalog) -> None:
    path = Path(os.fsdecode(b"/srv/\xff\xfe"))
    await catalog.projects.add(P1, "Plant 7", path, ProjectState.ACTIVE, Origin.ADOPTED)
    row = await catalog.projects.get(P1)
    assert row is not None
    assert row.path == path


async def test_a_project_that_is_being_made_is_not_shown_until_it_is_finished(
    catalog: Catalog,
) -> None:
    await add(catalog, state=ProjectState.CREATING)
    assert await catalog.projects.list() == ()
    assert await catalog.projects.get("Plant 7") is None
    assert await catalog.projects.get(P1) is None
    assert len(await catalog.projects.list(include_creating=True)) == 1
    assert await catalog.projects.get(P1, include_creating=True) is not None

    await catalog.projects.finish_creating(P1)

    row = await catalog.projects.get(P1)
    assert row is not None
    assert row.state is ProjectState.ACTIVE
    with pytest.raises(NotFound, match="is not being made any more"):
        await catalog.projects.finish_creating(P1)


async def test_only_a_project_that_is_still_being_made_is_removed_as_unfinished(
    catalog: Catalog,
) -> None:
    await add(catalog, P1, "Done", ProjectState.CREATING)
    await catalog.projects.finish_creating(P1)
    await add(catalog, P2, "Half", ProjectState.CREATING)
    assert not await catalog.projects.remove_unfinished(P1)
    assert await catalog.projects.remove_unfinished(P2)
    rows = await catalog.projects.list(include_creating=True)
    assert [row.name for row in rows] == ["Done"]
    await add(catalog, P2, "half")


async def test_a_project_stops_and_starts_and_goes(catalog: Catalog) -> None:
    await add(catalog)
    await catalog.projects.set_state(P1, ProjectState.STOPPED)
    row = await catalog.projects.get(P1)
    assert row is not None
    assert row.state is ProjectState.STOPPED
    assert await catalog.projects.remove(P1)
    assert not await catalog.projects.remove(P1)
    with pytest.raises(NotFound):
        await catalog.projects.set_state(P1, ProjectState.ACTIVE)


async def test_projects_are_listed_by_name(catalog: Catalog) -> None:
    for number, name in enumerate(["zoo", "Älpli", "Barn", "ant"]):
        await add(catalog, f"{number:012x}", name)
    assert [row.name for row in await catalog.projects.list()] == ["ant", "Barn", "zoo", "Älpli"]


async def test_a_project_is_described_with_its_people(catalog: Catalog) -> None:
    await add(catalog)
    await catalog.members.change(P1, "rui", Role.OWNER)
    await catalog.members.change(P1, "marta", Role.OWNER)
    await catalog.members.change(P1, "ana", Role.COLLABORATOR)
    (project,) = await catalog.describe(await catalog.projects.list(), "ana")
    assert (project.owners, project.collaborators) == (("marta", "rui"), ("ana",))
    assert project.role is Role.COLLABORATOR
    assert (project.id, project.name, project.created) == (P1, "Plant 7", START)
    (project,) = await catalog.describe(await catalog.projects.list(), "eve")
    assert project.role is None


# Members


async def test_roles_are_given_changed_and_taken(catalog: Catalog) -> None:
    members = catalog.members
    assert await members.change(P1, "rui", Role.OWNER)
    assert await members.change(P1, "ana", Role.COLLABORATOR)
    assert not await members.change(P1, "ana", Role.COLLABORATOR), "nothing new"
    assert await members.roles(P1) == (
        Member("rui", Role.OWNER),
        Member("ana", Role.COLLABORATOR),
    )
    assert await members.change(P1, "ana", Role.OWNER)
    assert await members.role(P1, "ana") is Role.OWNER
    assert await members.role(P1, "Ana") is None, "user names differ by case"
    assert await members.remove(P1, "rui")
    assert not await members.remove(P1, "rui")
    assert await members.roles(P1) == (Member("ana", Role.OWNER),)


async def test_a_project_never_loses_its_last_owner(catalog: Catalog) -> None:
    await catalog.members.change(P1, "rui", Role.OWNER)
    await catalog.members.change(P1, "ana", Role.COLLABORATOR)
    with pytest.raises(Invalid, match='"rui" is the project\'s only owner'):
        await catalog.members.remove(P1, "rui")
    with pytest.raises(Invalid, match="only owner"):
        await catalog.members.change(P1, "rui", Role.COLLABORATOR)
    assert await catalog.members.role(P1, "rui") is Role.OWNER


async def test_roles_outlive_their_project_and_can_be_cleared(catalog: Catalog) -> None:
    await add(catalog)
    await catalog.members.change(P1, "ana", Role.OWNER)
    await catalog.members.change(P2, "ana", Role.COLLABORATOR)
    await catalog.members.change(P2, "rui", Role.OWNER)
    await catalog.projects.remove(P1)
    assert await catalog.members.of("ana") == {P1: Role.OWNER, P2: Role.COLLABORATOR}
    await catalog.members.clear(P1)
    assert await catalog.members.of("ana") == {P2: Role.COLLABORATOR}


# Backups


async def test_a_backup_is_kept_whole(catalog: Catalog) -> None:
    one = backup(1)._replace(verified=START + HOUR, state=BackupState.DAMAGED)
    assert await catalog.backups.add(one, "Plant 7", ["no data of device x", 'a "quote"'])
    row = await catalog.backups.latest(P1)
    assert row is not None
    assert row.backup == one
    assert (row.project_name, row.notes) == ("Plant 7", ("no data of device x", 'a "quote"'))


async def test_a_backup_is_added_once(catalog: Catalog) -> None:
    assert await catalog.backups.add(backup(1), "Plant 7")
    assert not await catalog.backups.add(backup(1)._replace(size=999), "Another")
    (row,) = await catalog.backups.list(P1)
    assert (row.backup.size, row.project_name) == (1, "Plant 7")


async def test_backups_come_newest_first_whatever_their_zone(catalog: Catalog) -> None:
    lisbon_summer = timezone(HOUR)
    dates = {
        1: START,
        4: START,
        2: START + timedelta(microseconds=1),
        3: (START - HOUR).astimezone(lisbon_summer),
        5: START.replace(year=2025),
    }
    for number, date in dates.items():
        await catalog.backups.add(backup(number, date=date), "Plant 7")
    await catalog.backups.add(backup(6, P2, START + HOUR), "Other")
    listed = [row.backup for row in await catalog.backups.list(P1)]
    assert [int(one.id, 16) for one in listed] == [2, 4, 1, 3, 5]
    assert [one.date for one in listed] == [dates[n] for n in (2, 4, 1, 3, 5)]
    latest = await catalog.backups.latest(P1)
    assert latest is not None
    assert latest.backup == listed[0]
    assert await catalog.backups.latest("nobody's") is None


async def test_a_backup_is_found_by_its_id_or_a_beginning_that_is_its_own(
    catalog: Catalog,
) -> None:
    ids = ["abcd11", "abcd22", "abcd", "ABCE33", "%%%%%%", "____"]
    for one in ids:
        await catalog.backups.add(backup(0)._replace(id=one), "Plant 7")

    async def found(ref: str) -> str | None:
        row = await catalog.backups.find(ref)
        return row.backup.id if row else None

    assert await found("abcd11") == "abcd11"
    assert await found("ABCD2") == "abcd22"
    assert await found("abcd") == "abcd", "an id that others begin with is still an id"
    assert await found("abce") == await found("abCE33") == "ABCE33"
    for ref in ("abc", "", "abcx", "abcd111", "%%", "_____", "\udc80" * 4, "\x00" * 4):
        assert await found(ref) is None, ref
    await catalog.backups.remove("abcd")
    with pytest.raises(Invalid, match="beginning of 2 backups' ids: abcd22, abcd11"):
        await found("abcd")


async def test_a_search_tells_nothing_of_other_projects(catalog: Catalog) -> None:
    await catalog.backups.add(backup(0)._replace(id="abcd11"), "Plant 7")
    await catalog.backups.add(backup(0, P2)._replace(id="abcd22"), "Secret")
    row = await catalog.backups.find("abcd", projects={P1})
    assert row is not None
    assert row.backup.id == "abcd11"
    assert await catalog.backups.find("abcd22", projects={P1}) is None
    assert await catalog.backups.find("abcd22", projects=[]) is None


async def test_what_is_found_of_a_backup_is_noted(catalog: Catalog) -> None:
    await catalog.backups.add(backup(1), "Plant 7")
    one = backup(1).id
    await catalog.backups.set_state(one, BackupState.COMPLETE, verified=START + HOUR)
    await catalog.backups.set_state(one, BackupState.DAMAGED)
    (row,) = await catalog.backups.list(P1)
    assert row.backup.state is BackupState.DAMAGED
    assert row.backup.verified == START + HOUR, "when it was last proved stays known"
    assert await catalog.backups.ids() == {one}
    assert await catalog.backups.remove(one)
    assert not await catalog.backups.remove(one)
    assert await catalog.backups.ids() == frozenset()
    with pytest.raises(NotFound):
        await catalog.backups.set_state(one, BackupState.COMPLETE)


# Held items

HELD = (
    HeldItem("action", "a1", "Alarm", "active", 1, 0),
    HeldItem("data retention", "d1", "Boiler", "chunk_retention", None, 36_500),
    HeldItem("data retention", "d1", "Boiler", "data_retention", "1", "forever"),
    HeldItem("plugin", "p1", "Ünï", "folders", "", None),
)


async def test_held_items_come_back_as_they_were(catalog: Catalog) -> None:
    await add(catalog)
    await catalog.held.set(P1, HELD)
    assert await catalog.held.items(P1) == HELD
    row = await catalog.projects.get(P1)
    assert row is not None
    assert row.quiet
    await catalog.held.set(P1, HELD[2:])
    assert await catalog.held.items(P1) == HELD[2:]
    await catalog.held.clear(P1)
    row = await catalog.projects.get(P1)
    assert row is not None
    assert not row.quiet


async def test_held_items_belong_to_a_project_and_go_with_it(catalog: Catalog) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await catalog.held.set(P1, HELD)
    await add(catalog)
    await catalog.held.set(P1, HELD)
    await catalog.projects.remove(P1)
    assert await catalog.held.items(P1) == ()


# Costs


async def test_charges_and_intervals_outlive_their_project(catalog: Catalog, clock: Hand) -> None:
    await add(catalog)
    exact = Money(Decimal("49.00"), "EUR")
    await catalog.costs.charge(P1, "Plant 7", exact, "creation fee")
    assert await catalog.costs.begin(P1, "Plant 7", RATE)
    assert not await catalog.costs.begin(P1, "Plant 7", exact), "it is active already"
    clock.now += HOUR
    assert await catalog.costs.end(P1)
    assert not await catalog.costs.end(P1)
    clock.now += HOUR
    assert await catalog.costs.begin(P1, "Plant 7", RATE)
    await catalog.projects.remove(P1)
    assert await catalog.costs.charges() == (Charge(P1, "Plant 7", START, exact, "creation fee"),)
    assert await catalog.costs.intervals([P1]) == (
        ActiveInterval(P1, "Plant 7", START, START + HOUR, RATE),
        ActiveInterval(P1, "Plant 7", START + 2 * HOUR, None, RATE),
    )
    assert await catalog.costs.intervals([P2]) == ()
    assert await catalog.costs.charges([P2]) == ()


@pytest.mark.parametrize("text", ["0", "0.000001", "123456789012.123456", "1E+3", "0E-10"])
async def test_amounts_stay_exact(catalog: Catalog, text: str) -> None:
    await catalog.costs.charge(P1, "Plant 7", Money(Decimal(text), "EUR"), "creation fee")
    (found,) = await catalog.costs.charges()
    assert found.amount.amount == Decimal(text)


async def test_an_amount_that_is_no_number_is_never_kept(catalog: Catalog) -> None:
    with pytest.raises(ValueError, match="no number"):
        await catalog.costs.charge(P1, "Plant 7", Money(Decimal("NaN"), "EUR"), "fee")


async def test_an_interval_never_ends_before_it_began(catalog: Catalog, clock: Hand) -> None:
    await catalog.costs.begin(P1, "Plant 7", RATE)
    clock.now -= HOUR
    await catalog.costs.end(P1)
    (found,) = await catalog.costs.intervals()
    assert found.ended == found.started == START


# Audit


async def note(catalog: Catalog, user: str, project: str | None, detail: str = "") -> None:
    await catalog.audit.add(
        START,
        user,
        "backup",
        Verdict.ALLOWED,
        project=project,
        project_name=project and f"Project {project}",
        detail=detail,
    )


async def test_the_trail_is_listed_newest_first_by_project_and_user(catalog: Catalog) -> None:
    await note(catalog, "ana", P1)
    await note(catalog, "ana", P2)
    await note(catalog, "rui", P1)
    await note(catalog, "rui", None, "recovery key")

    async def numbers(projects: list[str] | None = None, user: str | None = None) -> list[int]:
        return [line.number for line in await catalog.audit.list(projects, user)]

    assert await numbers() == [4, 3, 2, 1]
    assert await numbers([P1]) == [3, 1]
    assert await numbers([P1, P2], "ana") == [2, 1]
    assert await numbers(user="rui") == [4, 3]
    assert await numbers([]) == []
    newest = (await catalog.audit.list())[0]
    assert newest.as_json() == {
        "number": 4,
        "at": "2026-11-23T03:00:00Z",
        "user": "rui",
        "action": "backup",
        "project": None,
        "verdict": "allowed",
        "detail": "recovery key",
    }


async def test_a_detail_that_is_no_text_is_kept_with_escapes(catalog: Catalog) -> None:
    await note(catalog, "ana", P1, "asked for \udc80\x00")
    (line,) = await catalog.audit.list()
    assert line.detail == "asked for \\udc80\x00"


@pytest.mark.parametrize("table", ["audit", "charge"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE {table} SET project = 'x'", "never changed"),
        ("DELETE FROM {table}", "never removed"),
        ("REPLACE INTO {table} SELECT * FROM {table}", "never replaced"),
        ("INSERT OR REPLACE INTO {table} SELECT * FROM {table}", "never replaced"),
    ],
)
async def test_lines_that_are_only_added_cannot_be_touched(
    tmp_path: Path, catalog: Catalog, table: str, change: str, words: str
) -> None:
    await note(catalog, "ana", P1)
    await catalog.costs.charge(P1, "Plant 7", RATE, "creation fee")
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as stranger:
        before = stranger.execute(f"SELECT * FROM {table}").fetchall()
        with pytest.raises(sqlite3.IntegrityError, match=words):
            stranger.execute(change.format(table=table))
        stranger.rollback()
        assert stranger.execute(f"SELECT * FROM {table}").fetchall() == before


async def test_a_moment_without_a_zone_is_never_kept(catalog: Catalog) -> None:
    with pytest.raises(ValueError, match="time zone"):
        await catalog.backups.add(backup(1)._replace(date=START.replace(tzinfo=None)), "Plant 7")
