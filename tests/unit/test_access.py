"""Who may do what, what a refusal tells and hides, and what the audit trail says of it."""

from __future__ import annotations

import os
import pwd
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.access import (
    Access,
    Action,
    check_user_name,
    login_name,
    no_backup,
    no_project,
)
from engine.catalog import Catalog, ProjectRow
from engine.errors import Invalid, NotAllowed, NotFound
from engine.model import Origin, ProjectState, Role, Verdict

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
HARBOUR = "000000000001"
ACTIONS = [action for action in Action if not action.of_home]
READS = [action for action in ACTIONS if not action.changes]
CHANGES = [action for action in ACTIONS if action.changes]


def clock() -> datetime:
    return NOW


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    async with await Catalog.open(tmp_path / "catalog.db", clock=clock) as catalog:
        await catalog.projects.add(
            HARBOUR, "Harbour", Path("/srv/h"), ProjectState.ACTIVE, Origin.ADOPTED
        )
        await catalog.members.change(HARBOUR, "rui", Role.OWNER)
        await catalog.members.change(HARBOUR, "marta", Role.OWNER)
        await catalog.members.change(HARBOUR, "ana", Role.COLLABORATOR)
        yield catalog


async def ask(
    catalog: Catalog, user: str, action: Action, ref: str = "Harbour", detail: str = ""
) -> ProjectRow:
    """Do as the engine does: ask, then note a change that is made."""
    access, project = Access(catalog, user, clock), await catalog.projects.get(ref)
    found = await access.check(action, project, unknown=no_project(ref), detail=detail)
    if action.changes:
        await access.record(action, found, detail)
    return found


def test_reading_is_told_from_changing() -> None:
    assert {action.value for action in READS} == {
        *("see project", "see backups", "see quote", "see members"),
        *("see costs", "see jobs", "see audit", "see report"),
    }


@pytest.mark.parametrize("action", ACTIONS)
async def test_an_owner_may_do_everything(catalog: Catalog, action: Action) -> None:
    assert (await ask(catalog, "marta", action)).id == HARBOUR


@pytest.mark.parametrize("action", READS)
async def test_an_allowed_look_leaves_no_line(catalog: Catalog, action: Action) -> None:
    await ask(catalog, "rui", action)
    assert await catalog.audit.list() == ()


@pytest.mark.parametrize("action", CHANGES)
async def test_an_allowed_change_is_in_the_trail(catalog: Catalog, action: Action) -> None:
    await ask(catalog, "rui", action, HARBOUR, detail="as Harbour 2")
    (line,) = await catalog.audit.list([HARBOUR])
    assert (line.at, line.user, line.action, line.project) == (NOW, "rui", action, "Harbour")
    assert (line.verdict, line.detail) == (Verdict.ALLOWED, "as Harbour 2")


async def test_a_collaborator_may_see_that_a_project_is_there(catalog: Catalog) -> None:
    assert (await ask(catalog, "ana", Action.SEE_PROJECT)).name == "Harbour"
    assert await catalog.audit.list() == ()


@pytest.mark.parametrize("action", [a for a in ACTIONS if a is not Action.SEE_PROJECT])
async def test_a_collaborator_may_do_nothing_else_and_that_is_told(
    catalog: Catalog, action: Action
) -> None:
    with pytest.raises(NotAllowed, match=r"Harbour.* for its owners: marta, rui\.$") as refused:
        await ask(catalog, "ana", action)
    assert refused.value.exit_code == 3
    assert "the refusal is in the audit trail" in refused.value.hint
    (line,) = await catalog.audit.list([HARBOUR], "ana")
    assert (line.action, line.project, line.verdict) == (action, "Harbour", Verdict.REFUSED)


async def test_a_refusal_says_what_it_is_about(catalog: Catalog) -> None:
    with pytest.raises(NotAllowed) as refused:
        await ask(catalog, "ana", Action.SEE_BACKUPS)
    assert refused.value.message == "Backups of Harbour are for its owners: marta, rui."


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_project_of_others_does_not_exist_in_the_same_words(
    catalog: Catalog, action: Action
) -> None:
    answers = []
    for ref in ("Harbour", HARBOUR, "Nowhere", "000000000009"):
        with pytest.raises(NotFound) as refused:
            await ask(catalog, "eve", action, ref)
        error = refused.value
        answers.append((type(error), error.message.replace(ref, "REF"), error.hint))
    assert len(set(answers)) == 1, "nothing tells a hidden project from one that is not there"
    refusals = await catalog.audit.list(user="eve")
    assert [line.project for line in refusals] == ["Harbour", "Harbour"]
    assert {line.verdict for line in refusals} == {Verdict.REFUSED}


async def test_a_backup_of_others_does_not_exist_either(catalog: Catalog) -> None:
    project = await catalog.projects.get("Harbour")
    with pytest.raises(NotFound, match='There is no backup "abcd"') as refused:
        await Access(catalog, "eve", clock).check(
            Action.RESTORE, project, unknown=no_backup("abcd")
        )
    assert "Harbour" not in refused.value.message + refused.value.hint


async def test_a_removed_owner_loses_everything_at_once(catalog: Catalog) -> None:
    await ask(catalog, "rui", Action.SEE_BACKUPS)
    await catalog.members.remove(HARBOUR, "rui")
    with pytest.raises(NotFound):
        await ask(catalog, "rui", Action.SEE_BACKUPS)


async def test_access_is_never_asked_where_the_refusal_could_be_undone(catalog: Catalog) -> None:
    async with catalog.transaction():
        with pytest.raises(RuntimeError, match="before a transaction"):
            await ask(catalog, "ana", Action.BACKUP)


async def test_a_change_that_needs_nobodys_permission_is_told(catalog: Catalog) -> None:
    project = await catalog.projects.get("Harbour")
    await Access(catalog, "rui", clock).record(Action.ADOPT, project, "/srv/h")
    (line,) = await catalog.audit.list([HARBOUR])
    assert (line.action, line.verdict, line.detail) == ("adopt", Verdict.ALLOWED, "/srv/h")


@pytest.mark.parametrize("user", ["ana", "eve", "rui"])
async def test_what_concerns_a_whole_home_is_for_who_owns_all_of_it(
    catalog: Catalog, user: str
) -> None:
    other = await catalog.projects.add(
        "000000000002", "Secret", Path("/srv/s"), ProjectState.ACTIVE, Origin.ADOPTED
    )
    await catalog.members.change(other.id, "marta", Role.OWNER)
    whole = [HARBOUR, other.id]
    access = Access(catalog, user, clock)
    with pytest.raises(NotAllowed, match=r"^The recovery key of this home is for who owns") as told:
        await access.require_home(Action.SHOW_KEY, whole, keeps=False, keeper="backups")
    assert "Secret" not in told.value.message
    assert "Ask the account backups to run this command" in told.value.hint
    (refusal,) = await catalog.audit.list()
    assert (refusal.verdict, refusal.project) == (Verdict.REFUSED, None)
    await access.require_home(Action.SHOW_KEY, whole, keeps=True, keeper="backups")
    owner = Access(catalog, "marta", clock)
    await owner.require_home(Action.SHOW_KEY, whole, keeps=False, keeper="backups")
    assert len(await catalog.audit.list()) == 1, "what is allowed is told when it is done"


async def test_nobody_owns_a_home_without_projects(catalog: Catalog) -> None:
    access = Access(catalog, "rui", clock)
    with pytest.raises(NotAllowed):
        await access.require_home(Action.ENTER_KEY, [], keeps=False, keeper="backups")


def test_the_login_name_is_not_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(variable, "forged")
    try:
        expected = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        expected = str(os.getuid())
    assert login_name() == expected != "forged"


def test_a_user_without_a_name_is_called_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    assert login_name() == "3999999999"


@pytest.mark.parametrize("name", ["a", "ana", "ana.b@example.org", "A_b-9", "_x", "x" * 64, "1000"])
def test_a_users_name_is_kept(name: str) -> None:
    assert check_user_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 65,
        "-ana",
        "--as",
        "ana b",
        "ana\n",
        "ána",
        "a/b",
        "a\x00",
        "a\x1b[2J",
        "a:b",
        "\udc80",
    ],
)
def test_another_users_name_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="cannot be a user's name") as refused:
        check_user_name(name)
    assert refused.value.message.isprintable()
