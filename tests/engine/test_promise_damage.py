"""Damage is named, never hidden, and the next backup makes it good."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    World,
    adopted,
    all_rows,
    backed_up,
    change,
    leftovers,
    make_world,
    restored,
)

from engine.errors import RepositoryDamaged
from engine.repository.packs import HEAD, read_trailer


def packs(world: World) -> list[Path]:
    return sorted(
        path for path in (world.home / "repository" / "packs").rglob("*") if path.is_file()
    )


def flip(pack: Path, at: int) -> None:
    raw = bytearray(pack.read_bytes())
    raw[at] ^= 1
    pack.write_bytes(raw)


def flip_a_frame(world: World) -> None:
    """One bit of one frame; nothing but reading the frame tells."""
    repository = world.repository()
    pack = max(packs(world), key=lambda each: each.stat().st_size)
    trailer = read_trailer(repository.storage, repository.keys, pack.name, pack.stat().st_size)
    flip(pack, len(HEAD) + int(trailer.frame_lengths[0]) // 2)


def flip_every_frame(world: World) -> int:
    """A bit of every frame; gives how many there are."""
    repository, frames = world.repository(), 0
    for pack in packs(world):
        trailer = read_trailer(repository.storage, repository.keys, pack.name, pack.stat().st_size)
        at = len(HEAD)
        for length in trailer.frame_lengths.tolist():
            flip(pack, at + length // 2)
            at, frames = at + length, frames + 1
    return frames


def flip_the_trailer(world: World) -> None:
    for pack in packs(world):
        flip(pack, -10)


def cut_short(world: World) -> None:
    for pack in packs(world):
        pack.write_bytes(pack.read_bytes()[:-1])


def empty(world: World) -> None:
    for pack in packs(world):
        pack.write_bytes(b"")


def delete(world: World) -> None:
    for pack in packs(world):
        pack.unlink()


def swap(world: World) -> None:
    """The name of another pack, which would open if names were not sealed."""
    for pack in packs(world):
        pack.rename(pack.with_name(pack.name[:2] + "0" * 30))


DAMAGE = [flip_a_frame, flip_the_trailer, cut_short, empty, delete, swap]


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_restore_fails_and_the_next_backup_makes_it_good(
    tmp_path: Path, damage: Callable[[World], None]
) -> None:
    world = make_world(tmp_path)
    world.set_prices()
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        damage(world)
        with pytest.raises(RepositoryDamaged) as told:
            await restored(engine, "Copy")
        assert told.value.exit_code == 6
        assert told.value.hint
        assert [each.name for each in await engine.projects()] == ["Plant"]
        assert await engine.costs() == []
        assert list((world.home / "projects").glob("*")) == []
        assert leftovers(world.home) == []
        world.now.pass_by(days=1)
        second = await backed_up(engine)
        for number, backup in enumerate((second, first)):  # the older one is whole again, too
            report = await restored(engine, f"Copy {number}", backup.id)
            assert all_rows(report.project.path) == all_rows(world.source)


async def test_all_that_is_damaged_is_named_at_once_and_one_backup_makes_it_good(
    tmp_path: Path,
) -> None:
    """Also where the main database is damaged in several places, and devices with it."""
    world = make_world(tmp_path)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
    times = "printf('2025-01-01T%06dZ', i), random(), random()"
    change(world.data / "data.db", f"{numbers} INSERT INTO statistic SELECT {times} FROM n")
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        frames = flip_every_frame(world)
        assert frames > 8, "several of them are of the main database"
        with pytest.raises(RepositoryDamaged) as told:
            await restored(engine, "Copy")
        for part in ("The main database", *(path.stem for path in world.files)):
            assert told.value.message.count(part) == 1
        world.now.pass_by(days=1)
        await backed_up(engine)
        report = await restored(engine, "Copy again", first.id)
        assert all_rows(report.project.path) == all_rows(world.source)


async def test_the_devices_that_are_concerned_are_named_and_no_other(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        before = set(packs(world))
        world.now.pass_by(days=1)
        source = world.files[0]
        source.write_bytes(world.files[1].read_bytes().replace(b"temperature", b"temperaturf"))
        await backed_up(engine)
        (new,) = set(packs(world)) - before
        new.unlink()
        with pytest.raises(RepositoryDamaged) as told:
            await restored(engine, "Copy")
        assert source.stem in told.value.message
        assert not [path.stem for path in world.files[1:] if path.stem in told.value.message]


@pytest.mark.parametrize("act", ["flip", "cut", "empty", "other"])
async def test_a_manifest_that_was_touched_is_refused(tmp_path: Path, act: str) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        world.now.pass_by(days=1)
        second = await backed_up(engine)
        folder = world.home / "repository" / "manifests"
        raw = bytearray((folder / second.id).read_bytes())
        if act == "flip":
            raw[-20] ^= 4
        touched = {
            "flip": bytes(raw),
            "cut": bytes(raw[:-1]),
            "empty": b"",
            "other": (folder / first.id).read_bytes(),
        }
        (folder / second.id).write_bytes(touched[act])
        with pytest.raises(RepositoryDamaged, match=second.id) as told:
            await restored(engine, "Copy", second.id)
        assert told.value.exit_code == 6
        assert leftovers(world.home) == []
        await restored(engine, "Copy", first.id)
        world.now.pass_by(days=1)
        third = await backed_up(engine)
        report = await restored(engine, "Copy again", third.id)
        assert all_rows(report.project.path) == all_rows(world.source)
