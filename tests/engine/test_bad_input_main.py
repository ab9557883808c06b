"""A main database or settings that are damaged at a backup: told by path, with what helps."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import World, adopted, backed_up, leftovers, make_world, restored

from engine.errors import (
    BackstayError,
    SettingsInvalid,
    SourceDamaged,
    SourceMissing,
    StorageFailed,
)
from engine.project.instance import find


def random_bytes(world: World) -> Path:
    database = find(world.source).database
    database.write_bytes(os.urandom(9000))
    return database


def emptied(world: World) -> Path:
    database = find(world.source).database
    database.write_bytes(b"")
    return database


def cut_short(world: World) -> Path:
    database = find(world.source).database
    database.write_bytes(database.read_bytes()[: database.stat().st_size // 2])
    return database


def pages_overwritten(world: World) -> Path:
    database = find(world.source).database
    raw = bytearray(database.read_bytes())
    raw[4 * 4096 : 60 * 4096] = b"\xff" * (56 * 4096)
    database.write_bytes(raw[: database.stat().st_size])
    return database


def no_tagocore_yml(world: World) -> Path:
    (world.source / "tagocore.yml").unlink()
    return world.source


def settings_that_do_not_parse(world: World) -> Path:
    name = next(each for each in find(world.source).settings if each != "tagocore.yml")
    (world.source / name).write_text("modules: [")
    return world.source


ACCIDENTS: list[tuple[Callable[[World], Path], type[BackstayError], int]] = [
    (random_bytes, SourceDamaged, 6),
    (emptied, SourceDamaged, 6),
    (cut_short, SourceDamaged, 6),
    (pages_overwritten, SourceDamaged, 6),
    (no_tagocore_yml, SourceMissing, 4),
    (settings_that_do_not_parse, SettingsInvalid, 2),
]


@pytest.mark.parametrize(("accident", "error", "code"), ACCIDENTS)
async def test_what_is_wrong_is_named_and_earlier_backups_are_safe(
    tmp_path: Path, accident: Callable[[World], Path], error: type[BackstayError], code: int
) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        first = await backed_up(engine)
        world.now.pass_by(days=1)
        concerned = accident(world)
        with pytest.raises(error) as told:
            await backed_up(engine)
        assert told.value.exit_code == code
        assert str(concerned) in told.value.message
        assert "main.db" not in told.value.message
        assert "Earlier backups are safe" in told.value.hint
        assert "--without-damaged" not in told.value.hint
        assert "Give the folder" not in told.value.hint
        assert leftovers(world.home) == []
        assert await engine.backups("Plant") == [first]
        await restored(engine, "Copy", first.id)


def test_a_file_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.snapshot import live

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "715fd9bc3b5f296f92bfa02f.db"
    monkeypatch.setattr(os, "open", refuse)  # the tests may run as root, who reads anything
    with pytest.raises(StorageFailed, match=file.name) as told, live.LiveFile(file):
        pass
    assert "Let the user that runs Backstay read it" in told.value.hint
