"""What came of a job, told later: to whom, and what."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import OWNER, World, adopted, backed_up, change, make_world, query

from engine.engine import Engine
from engine.errors import Damaged, Invalid, NotAllowed, NotFound
from engine.handle import Handle
from engine.model import Backup, CleanUpReport, JobKind, Progress, RestoreReport, Role
from engine.project.instance import find

FRIEND = "bea"


async def restored(engine: Engine) -> RestoreReport:
    handle = await engine.restore("Plant@latest", "Copy", accept_cost=Decimal(0))
    return await handle.result()


async def prepared(engine: Engine, world: World) -> RestoreReport:
    await adopted(engine, world)
    await backed_up(engine)
    return await restored(engine)


async def test_the_report_of_a_restore_is_told_again_with_the_tokens_as_they_are_now(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        made = await prepared(engine, world)
    async with world.opened() as engine:
        again = await engine.report(made.job)
        assert again == made
        assert again.tokens
        assert await engine.report(made.job[:6]) == made
        database = find(made.project.path).database
        change(database, f"DELETE FROM device_token WHERE token <> '{made.tokens[0].token}'")
        assert (await engine.report(made.job)).tokens == made.tokens[:1]
        assert made.project.quiet
        await engine.wake("Copy")
        assert not (await engine.report(made.job)).project.quiet


async def test_a_report_is_for_who_owns_both_projects(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        made = await prepared(engine, world)
        await engine.add_member("Plant", FRIEND, Role.OWNER)
    async with world.opened(FRIEND) as engine:
        assert (await engine.job(made.job)).new_project == "Copy"
        with pytest.raises(NotFound) as unknown:
            await engine.report(made.job)
    async with world.opened() as engine:
        await engine.add_member("Copy", FRIEND, Role.COLLABORATOR)
    async with world.opened(FRIEND) as engine:
        with pytest.raises(NotAllowed, match=f"The report on Copy.* for its owners: {OWNER}"):
            await engine.report(made.job)
    async with world.opened() as engine:
        await engine.add_member("Copy", FRIEND, Role.OWNER)
    async with world.opened(FRIEND) as engine:
        assert (await engine.report(made.job)).tokens == made.tokens
    lines = "SELECT user, action, verdict FROM audit WHERE action = 'see report'"
    assert query(world.home / "catalog.db", lines) == [(FRIEND, "see report", "refused")] * 2
    async with world.opened() as engine:
        await engine.delete("Copy", confirm="Copy")
        with pytest.raises(NotFound) as gone:
            await engine.report(made.job)
        assert (gone.value.message, gone.value.hint) == (unknown.value.message, unknown.value.hint)


async def test_only_what_succeeded_has_an_outcome_and_each_kind_its_own(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        made = await prepared(engine, world)
        backup = (await engine.backups("Plant"))[0]
        cleaning = await engine.clean_up("Plant")
        cleaned = await cleaning.result()
        jobs = {job.kind: job.id for job in await engine.jobs("Plant")}
        assert await engine.outcome(jobs[JobKind.BACKUP]) == backup
        assert isinstance(backup, Backup)
        assert await engine.outcome(jobs[JobKind.CLEAN_UP]) == cleaned
        assert isinstance(cleaned, CleanUpReport)
        with pytest.raises(Invalid, match="made a project"):
            await engine.outcome(made.job)
        for kind in (JobKind.BACKUP, JobKind.CLEAN_UP):
            with pytest.raises(Invalid, match=f"made no project: it is a {kind.value}"):
                await engine.report(jobs[kind])
        find(world.source).database.unlink()
        failing = await engine.backup("Plant")
        with pytest.raises(NotFound):
            await failing.result()
        for ask in (engine.report, engine.outcome):
            with pytest.raises(Invalid, match="it is failed"):
                await ask(failing.job)
            with pytest.raises(NotFound, match="There is no job"):
                await ask("ffffffffffff")
        change(world.home / "catalog.db", "UPDATE job SET result = '{}'")
        with pytest.raises(NotFound, match="no project of yours"):
            await engine.report(made.job)
        with pytest.raises(Damaged):
            await engine.outcome(jobs[JobKind.CLEAN_UP])


async def test_stages_are_those_that_each_kind_of_job_goes_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(Handle, "_report", lambda _, progress: told.append(progress.stage))
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        asked: dict[JobKind, Callable[[], Awaitable[Handle[Any]]]] = {
            JobKind.BACKUP: lambda: engine.backup("Plant"),
            JobKind.RESTORE: lambda: engine.restore("Plant@latest", "C", accept_cost=Decimal(0)),
            JobKind.CLEAN_UP: lambda: engine.clean_up("Plant"),
        }
        for kind, ask in asked.items():
            told.clear()
            await (await ask()).result()
            stages = [stage for stage in dict.fromkeys(told) if stage not in ("", "starting")]
            assert stages == [stage for stage in kind.stages if stage in stages]
            assert kind.stages[0] in stages
            assert kind.stages[-1] in stages


async def test_several_follow_one_job_and_one_that_lets_go_takes_nothing_from_the_others(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        asked = await engine.backup("Plant")
        leaves, stays = await engine.watch(asked.job), await engine.watch(asked.job)
        seen: list[Progress] = []

        async def look() -> None:
            seen.extend([progress async for progress in stays.progress()])

        looking = asyncio.create_task(look())
        await leaves.let_go()
        made = await asked.result()
        assert (await stays.result()).id == asked.job
        await looking
        assert seen
        assert await engine.outcome(asked.job) == made
