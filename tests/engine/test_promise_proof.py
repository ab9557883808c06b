"""A proof says that a backup restores exactly when it does; what is damaged is named."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    World,
    adopted,
    all_rows,
    backed_up,
    device_names,
    leftovers,
    make_world,
    restored,
)

from engine.engine import Engine
from engine.errors import BackstayError
from engine.model import BackupState, VerifyReport
from engine.project.instance import find

EVERY_BYTE = os.environ.get("BACKSTAY_TEST_EVERY_BYTE") == "1"
SAMPLED = 10  # bytes of the repository that are damaged, one at a time


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
