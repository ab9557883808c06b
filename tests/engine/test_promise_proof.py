"""A proof says that a backup restores exactly when it does; what is damaged is named."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    OWNER,
    START,
    World,
    adopted,
    all_rows,
    backed_up,
    device_names,
    leftovers,
    make_world,
    restored,
)

from engine.catalog import Catalog
from engine.engine import Engine
from engine.errors import BackstayError
from engine.model import Backup, BackupKind, BackupState, JobKind, VerifyReport
from engine.planning import share_to_prove
from engine.project.instance import find
from engine.worker import run_worker

EVERY_BYTE = os.environ.get("BACKSTAY_TEST_EVERY_BYTE") == "1"
SAMPLED = 10  # bytes of the repository that are damaged, one at a time


BACKUP = Backup(
    id="0" * 12,
    project="p" * 12,
    date=START,
    kind=BackupKind.SCHEDULED,
    state=BackupState.COMPLETE,
    size=1,
    added=1,
    data=1,
    devices=1,
    variables=1,
    actions=0,
    analyses=0,
    accounts=1,
)


async def proved(engine: Engine, ref: str = "Plant@latest") -> VerifyReport:
    return await (await engine.verify(ref)).result()


def stored(world: World) -> dict[Path, bytes]:
    """What is in the repository; its config and key are read when a home is opened."""
    repository = world.home / "repository"
    return {
        path: path.read_bytes()
        for folder in ("packs", "manifests", "damaged")
        for path in sorted((repository / folder).rglob("*"))
        if path.is_file()
    }


def put_back(world: World, was: dict[Path, bytes]) -> None:
    for path in stored(world).keys() - was.keys():
        path.unlink()
    for path, raw in was.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)


async def test_a_whole_backup_is_proved_and_says_when(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        backup = await backed_up(engine)
        assert backup.verified is None
        world.now.pass_by(hours=1)
        before = stored(world)
        report = await proved(engine)
        assert (report.backup, report.ok, report.damaged) == (backup.id, True, ())
        assert report.data == backup.data
        (listed,) = await engine.backups("Plant")
        assert listed.verified == world.now()
        assert await engine.outcome(report.job) == report
        assert [project.name for project in await engine.projects()] == ["Plant"]
    assert stored(world) == before
    assert leftovers(world.home) == []


async def test_all_that_is_damaged_is_named_and_the_next_backup_makes_it_good(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        for path in stored(world):
            if path.parent.parent.name == "packs":
                path.write_bytes(path.read_bytes()[:-1])
        report = await proved(engine)
        names = device_names(find(world.source))
        with_data = {each.id for each in (await engine.show(first.id)).devices if each.data}
        assert {part.device for part in report.damaged} == {None, *with_data}
        for part in report.damaged:
            assert part.reason
            assert part.name == ("main database" if part.device is None else names[part.device])
        (listed,) = await engine.backups("Plant")
        assert (listed.state, listed.verified) == (BackupState.DAMAGED, None)
        assert leftovers(world.home) == []
        world.now.pass_by(days=1)
        await backed_up(engine)
        assert (await proved(engine, first.id)).ok, "what it lacked was stored again"
        assert {each.state for each in await engine.backups("Plant")} == {BackupState.COMPLETE}


async def test_a_proof_says_ok_exactly_when_a_restore_works(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        whole = stored(world)
        rows = all_rows(world.source)
        places = [(path, at) for path, raw in whole.items() for at in range(len(raw))]
        chosen = places if EVERY_BYTE else random.Random(6).sample(places, SAMPLED)
        damages = [*chosen, *((path, None) for path in whole)]
        verdicts = set()
        for number, (path, at) in enumerate(damages):
            if at is None:
                path.unlink()
            else:
                raw = bytearray(whole[path])
                raw[at] ^= 1 << number % 8
                path.write_bytes(raw)
            ok = (await proved(engine)).ok
            put_back(world, whole)  # without the marks of damage that it left
            if at is None:
                path.unlink()
            else:
                path.write_bytes(raw)
            name = f"Copy {number}"
            try:
                made = await restored(engine, name)
            except BackstayError:
                works = False
            else:
                works = all_rows(made.project.path) == rows
                await engine.delete(name, confirm=name)
            assert ok == works, f"{path.name} at {at}"
            verdicts.add(ok)
            put_back(world, whole)
        assert False in verdicts


@pytest.mark.parametrize("keep", [1, 3, 7, 14, 60])
def test_with_a_backup_a_day_every_proof_is_at_most_seven_days_old(keep: int) -> None:
    random_sizes = random.Random(keep)
    kept: list[Backup] = []
    now = START
    for day in range(30 + 2 * keep):
        size = random_sizes.randint(1, 1000)
        made = BACKUP._replace(id=f"{day:012x}", date=now, data=size)
        kept = [made, *kept][:keep]
        chosen = {each.id for each in share_to_prove(kept, made.id, now)}
        assert made.id in chosen
        kept = [each._replace(verified=now) if each.id in chosen else each for each in kept]
        assert all(each.verified and now - each.verified <= timedelta(days=7) for each in kept)
        others = [each.data for each in kept if each.id in chosen and each.id != made.id]
        assert sum(others) - max(others, default=0) <= sum(each.data for each in kept) / 7
        now += timedelta(days=1)


async def test_a_worker_that_stays_proves_what_was_backed_up(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        assert (await engine.backups("Plant"))[0].verified is None, "nobody was there to prove it"
    worker = asyncio.create_task(run_worker(world.home, stay=True, clock=world.now))
    try:
        async with Engine.open(world.home, user=OWNER, clock=world.now) as engine:
            world.now.pass_by(days=1)
            second = await backed_up(engine)
            deadline = asyncio.get_running_loop().time() + 180
            while None in [each.verified for each in await engine.backups("Plant")]:
                assert asyncio.get_running_loop().time() < deadline, "they were never proved"
                await asyncio.sleep(0.01)
            proofs = [job for job in await engine.jobs() if job.kind is JobKind.VERIFY]
            assert {job.user for job in proofs} == {"backstay"}
            assert {each.id for each in await engine.backups("Plant")} == {first.id, second.id}
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def test_a_proof_that_nobody_asked_for_lets_others_go_first(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        project = await adopted(engine, world)
        await backed_up(engine)
    catalog = await Catalog.open(world.home / "catalog.db", clock=world.now, create=False)
    try:
        await catalog.jobs.queue(JobKind.VERIFY, project, "Plant", "backstay", {"backup": "x"})
        asked = await catalog.jobs.queue(JobKind.VERIFY, project, "Plant", OWNER, {"backup": "x"})
        claimed = await catalog.jobs.claim()
        assert claimed is not None
        assert claimed.job.id == asked
    finally:
        await catalog.close()
