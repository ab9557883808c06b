"""Owners only: everything but seeing that a project is there is refused, and every refusal told."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    COLLABORATOR,
    OWNER,
    STRANGER,
    World,
    adopted,
    backed_up,
    hashes,
    make_world,
    query,
)

from engine.engine import Engine
from engine.errors import Busy, Invalid, NotAllowed, NotFound
from engine.lock import WorkLock
from engine.model import Role, Verdict

Call = Callable[[Engine], Awaitable[object]]

# What a collaborator may: see that projects are there, and what is about no project of others.
OPEN = {
    *("open", "user", "home", "project", "projects", "adopt"),
    *("costs", "running_costs", "audit", "status", "worker_stays", "zones", "changes"),
    *("check_new_name", "invitations", "accept", "decline"),
    *("begin_session", "end_session", "refuse_session"),  # lines about oneself in the audit trail
}

NOWHERE = Path("/nowhere/authorized_keys")
NO_FILE = Path("/nowhere/export.tar.zst")

CALLS: dict[str, Call] = {
    "forget": lambda engine: engine.forget("Plant"),
    "delete": lambda engine: engine.delete("Plant", confirm="Plant"),
    "stop": lambda engine: engine.stop("Plant"),
    "start": lambda engine: engine.start("Plant"),
    "wake": lambda engine: engine.wake("Plant"),
    "backup": lambda engine: engine.backup("Plant"),
    "backups": lambda engine: engine.backups("Plant"),
    "show": lambda engine: engine.show("Plant@latest"),
    "contents": lambda engine: engine.contents("Plant@latest"),
    "rows": lambda engine: engine.rows("Plant@latest", "Freezer"),
    "compare": lambda engine: engine.compare("Plant@latest"),
    "quote": lambda engine: engine.quote("Plant@latest"),
    "restore": lambda engine: engine.restore("Plant@latest", "Mine", accept_cost=Decimal(0)),
    "verify": lambda engine: engine.verify("Plant@latest"),
    "export": lambda engine: engine.export("Plant@latest", NO_FILE),
    "transfer": lambda engine: engine.transfer("Plant", "Plant"),
    "preview_transfer": lambda engine: engine.preview_transfer("Plant", "Plant"),
    "devices": lambda engine: engine.devices("Plant"),
    "variables": lambda engine: engine.variables("Plant"),
    "members": lambda engine: engine.members("Plant"),
    "add_member": lambda engine: engine.add_member("Plant", "eve", Role.OWNER),
    "remove_member": lambda engine: engine.remove_member("Plant", OWNER),
    "recovery_key": lambda engine: engine.recovery_key(),
    "jobs": lambda engine: engine.jobs("Plant"),
    "plan": lambda engine: engine.plan("Plant"),
    "set_schedule": lambda engine: engine.set_schedule("Plant", keep=1),
    "would_remove": lambda engine: engine.would_remove("Plant", keep=1),
    "preview_schedule": lambda engine: engine.preview_schedule("Plant", keep=1),
    "storage": lambda engine: engine.storage("Plant"),
    "invite": lambda engine: engine.invite("Plant", "eve", Role.OWNER),
    "invited": lambda engine: engine.invited("Plant"),
    "withdraw": lambda engine: engine.withdraw("Plant", "eve"),
    "check_audit": lambda engine: engine.check_audit(),
    "test_notifications": lambda engine: engine.test_notifications(),
    "clean_up": lambda engine: engine.clean_up("Plant"),
    "keys": lambda engine: engine.keys(NOWHERE),
    "key_line": lambda engine: engine.key_line("eve", "ssh-ed25519 AAAA", ["backstay"]),
    "add_key": lambda engine: engine.add_key("eve", "ssh-ed25519 AAAA", NOWHERE, ["backstay"]),
    "remove_key": lambda engine: engine.remove_key("ana", NOWHERE),
}
KEYS = ("keys", "key_line", "add_key", "remove_key")
OF_THE_HOME = ("recovery_key", "check_audit", "test_notifications", *KEYS)
BY_JOB = {"job", "cancel", "watch", "report", "outcome", "transferred"}  # what takes a job's id


def by_id(backup: str, job: str) -> dict[str, Call]:
    """What takes an id of a backup or a job; no knowledge of an id opens anything."""
    return {
        "job": lambda engine: engine.job(job),
        "cancel": lambda engine: engine.cancel(job),
        "watch": lambda engine: engine.watch(job),
        "report": lambda engine: engine.report(job),
        "outcome": lambda engine: engine.outcome(job),
        "transferred": lambda engine: engine.transferred(job),
        "show": lambda engine: engine.show(backup),
        "contents": lambda engine: engine.contents(backup),
        "rows": lambda engine: engine.rows(backup, "Freezer"),
        "compare": lambda engine: engine.compare(backup, backup),
        "verify": lambda engine: engine.verify(backup),
        "export": lambda engine: engine.export(backup, NO_FILE),
        "quote": lambda engine: engine.quote(backup),
        "restore": lambda engine: engine.restore(backup, "Mine", accept_cost=Decimal(0)),
    }


def test_every_method_is_in_one_of_the_two_lists() -> None:
    public = {name for name, _ in inspect.getmembers(Engine) if not name.startswith("_")}
    assert public == OPEN | BY_JOB | set(CALLS)
    assert OPEN.isdisjoint(CALLS)


async def prepared(world: World) -> tuple[str, str]:
    """The ids of a backup and of its job."""
    async with world.opened() as engine:
        await adopted(engine, world)
        backup = await backed_up(engine)
        (job,) = await engine.jobs("Plant")
        return backup.id, job.id


def refusals(world: World) -> list[tuple[object, ...]]:
    lines = "SELECT user, action FROM audit WHERE verdict = 'refused' ORDER BY number"
    return query(world.home / "catalog.db", lines)


async def test_a_collaborator_is_refused_and_each_refusal_is_in_the_audit_trail(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    ids = await prepared(world)
    before = hashes(world.home / "repository")
    async with world.opened(COLLABORATOR) as engine:
        assert (await engine.project("Plant")).role is Role.COLLABORATOR
        assert [each.name for each in await engine.projects()] == ["Plant"]
        for number, call in enumerate([*CALLS.values(), *by_id(*ids).values()], 1):
            with pytest.raises(NotAllowed) as told:
                await call(engine)
            assert told.value.exit_code == 3
            assert told.value.hint
            assert len(refusals(world)) == number
        with pytest.raises(NotAllowed):
            await engine.audit(project="Plant")
        assert await engine.costs() == []
        assert await engine.running_costs() == []
        assert await engine.status() == []
        assert await engine.jobs() == []
        assert {line.action for line in await engine.audit()} == {
            "show recovery key",
            "see audit",
            *("see keys", "add key", "remove key"),
            "test notifications",
        }
    assert {user for user, _ in refusals(world)} == {COLLABORATOR}
    assert hashes(world.home / "repository") == before
    async with world.opened() as engine:
        project = await engine.members("Plant")
        assert project.owners == (OWNER,)
        assert project.collaborators == (COLLABORATOR,)
        seen = [line for line in await engine.audit() if line.verdict is Verdict.REFUSED]
        assert len(seen) == len(refusals(world))
        # The refusal of the recovery key concerns no single project.
        assert {line.project for line in seen} == {"Plant", None}


async def test_to_a_stranger_a_project_is_not_there(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    ids = await prepared(world)
    async with world.opened(STRANGER) as engine:
        assert await engine.projects() == []
        calls: dict[str, Call] = {**CALLS, "project": lambda engine: engine.project("Plant")}
        of_the_home = [calls.pop(name) for name in OF_THE_HOME]
        for call in calls.values():
            with pytest.raises(NotFound) as told:
                await call(engine)
            assert OWNER not in f"{told.value.message} {told.value.hint}"
        assert len(refusals(world)) == len(calls)
        for call in of_the_home:
            with pytest.raises(NotAllowed) as refused:
                await call(engine)
            assert "Plant" not in refused.value.message
        for call in by_id(*ids).values():
            with pytest.raises(NotFound) as told:
                await call(engine)
            assert "Plant" not in f"{told.value.message} {told.value.hint}"
        assert {line.action for line in await engine.audit()} == {
            "show recovery key",
            "see audit",
            *("see keys", "add key", "remove key"),
            "test notifications",
        }
        assert await engine.costs() == []


async def test_a_stranger_is_told_the_same_of_what_is_there_and_what_is_not(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    async with world.opened(STRANGER) as engine:
        told = []
        for name in ("Plant", "Plane"):
            with pytest.raises(NotFound) as error:
                await engine.backups(name)
            told.append((error.value.message.replace(name, "?"), error.value.hint))
        assert told[0] == told[1]


async def test_each_change_by_an_owner_is_in_the_audit_trail(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    async with world.opened() as engine:
        await (await engine.restore("Plant@latest", "Copy", accept_cost=Decimal(0))).result()
        await engine.wake("Copy")
        await engine.stop("Copy")
        await engine.start("Copy")
        await engine.delete("Copy", confirm="Copy")
        await engine.remove_member("Plant", COLLABORATOR)
        await engine.recovery_key()
        await engine.forget("Plant")
        catalog = world.home / "catalog.db"
        lines = "SELECT action FROM audit WHERE verdict = 'allowed' ORDER BY number"
        assert [action for (action,) in query(catalog, lines)] == [
            "adopt", "add member", "backup", "restore", "wake", "stop", "start", "delete",
            "remove member", "show recovery key", "forget",
        ]  # fmt: skip


async def test_what_an_owner_asked_for_in_vain_is_not_in_the_audit_trail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    catalog, lines = world.home / "catalog.db", "SELECT * FROM audit"
    async with world.opened() as engine:
        await (await engine.restore("Plant@latest", "Copy", accept_cost=Decimal(0))).result()
        before = query(catalog, lines)
        in_vain: list[Call] = [
            lambda engine: engine.delete("Plant", confirm="Plant"),
            lambda engine: engine.delete("Copy", confirm="Plant"),
            lambda engine: engine.forget("Copy"),
            lambda engine: engine.wake("Plant"),
            lambda engine: engine.remove_member("Plant", OWNER),
            lambda engine: engine.remove_member("Plant", STRANGER),
            lambda engine: engine.add_member("Plant", OWNER, Role.COLLABORATOR),
        ]
        for call in in_vain:
            with pytest.raises((Invalid, NotFound)):
                await call(engine)
            assert query(catalog, lines) == before
        monkeypatch.setattr("engine.projects.PATIENCE", 0.1)
        with WorkLock(world.home):
            with pytest.raises(Busy):
                await engine.delete("Copy", confirm="Copy")
            with pytest.raises(Busy):
                await engine.wake("Copy")
        assert query(catalog, lines) == before


async def test_the_last_owner_stays(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    await prepared(world)
    async with world.opened() as engine:
        with pytest.raises(Exception, match="owner") as told:
            await engine.remove_member("Plant", OWNER)
        assert getattr(told.value, "exit_code", None) == 2
        with pytest.raises(Exception, match="owner"):
            await engine.add_member("Plant", OWNER, Role.COLLABORATOR)
        assert (await engine.members("Plant")).owners == (OWNER,)
        await engine.add_member("Plant", "bea", Role.OWNER)
        await engine.remove_member("Plant", OWNER)
        with pytest.raises(NotFound):
            await engine.backups("Plant")
