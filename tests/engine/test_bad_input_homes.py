"""Names, references, homes, keys and settings that cannot be used: each its own error and hint."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    OWNER,
    World,
    adopted,
    all_rows,
    backed_up,
    hashes,
    leftovers,
    make_world,
    restored,
)

from engine.engine import Engine
from engine.errors import (
    BackstayError,
    HomeUnsafe,
    Invalid,
    NotAnInstance,
    NotFound,
    SettingsInvalid,
    SourceMissing,
    StorageFailed,
    Taken,
    WrongKey,
)
from engine.project.instance import find
from engine.records import enter_recovery_key
from engine.repository.keys import new_key, recovery_text

ROOT = Path(__file__).parents[2]
BAD_NAMES = ["", " ", "a/b", "../up", "a\\b", "a\nb", "a\x00b", "a\x1b[31m", "x" * 300, ".", "-rf",
             "Plant@latest", "\u202egnp", "0123456789ab"]  # fmt: skip


def told_well(error: BackstayError, code: int) -> None:
    assert error.exit_code == code
    assert error.message
    assert error.hint
    assert "\x1b" not in error.message + error.hint


async def prepared(world: World, engine: Engine) -> str:
    await adopted(engine, world)
    return (await backed_up(engine)).id


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        with pytest.raises(Invalid) as told:
            await engine.adopt(world.source, name)
        told_well(told.value, 2)
        await prepared(world, engine)
        before = hashes(world.home / "repository")
        with pytest.raises(Invalid) as told:
            await restored(engine, name)
        told_well(told.value, 2)
        assert not (world.home / "projects").exists()
        assert hashes(world.home / "repository") == before


@pytest.mark.parametrize("name", ["Plant", "PLANT", "plant", "Ｐlant"])
async def test_a_name_that_is_taken_is_refused(tmp_path: Path, name: str) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await prepared(world, engine)
        with pytest.raises(Taken) as told:
            await restored(engine, name)
        told_well(told.value, 2)
        shutil.copytree(world.source, tmp_path / "second")
        with pytest.raises(Taken) as told:
            await engine.adopt(tmp_path / "second", name)
        told_well(told.value, 2)
        assert leftovers(world.home) == []


@pytest.mark.parametrize("ref", ["Plane", "", "@latest", "Plant@first", "Plane@latest", "ffff",
                                 "../Plant", "x" * 300])  # fmt: skip
async def test_no_such_project_or_backup(tmp_path: Path, ref: str) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await prepared(world, engine)
        with pytest.raises(NotFound) as told:
            await engine.backup(ref)
        told_well(told.value, 4)
        with pytest.raises(NotFound) as told:
            await restored(engine, "Copy", ref)
        told_well(told.value, 4)


async def test_a_source_that_vanished(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        backup = await prepared(world, engine)
        wanted = all_rows(world.source)
        shutil.move(world.source, tmp_path / "away")
        with pytest.raises(SourceMissing) as told:
            await backed_up(engine)
        told_well(told.value, 4)
        assert leftovers(world.home) == []
        report = await restored(engine, "Copy", backup)
        assert all_rows(report.project.path) == wanted
        shutil.move(tmp_path / "away", world.source)
        world.now.pass_by(hours=1)
        await backed_up(engine)


async def test_a_main_database_that_vanished(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        backup = await prepared(world, engine)
        find(world.source).database.unlink()
        with pytest.raises(SourceMissing) as told:
            await backed_up(engine)
        told_well(told.value, 4)
        await restored(engine, "Copy", backup)


@pytest.mark.parametrize("which", ["tagocore.yml", "settings.yml"])
@pytest.mark.parametrize("text", ["a: [1, 2", "\tport: 1", "just words", "&a [*a, *a]", "\x00"])
async def test_settings_that_do_not_parse(tmp_path: Path, which: str, text: str) -> None:
    world = make_world(tmp_path)
    (file,) = world.source.rglob(which)
    async with world.opened() as engine:
        backup = await prepared(world, engine)
        good = file.read_text()
        file.write_text(text)
        with pytest.raises((SettingsInvalid, NotAnInstance)) as told:
            await backed_up(engine)
        told_well(told.value, 2 if isinstance(told.value, SettingsInvalid) else 4)
        assert which in told.value.message
        assert leftovers(world.home) == []
        await restored(engine, "Copy", backup)
        file.write_text(good)
        await backed_up(engine)


async def test_a_folder_that_is_no_instance(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text")
    async with world.opened() as engine:
        for path in (tmp_path / "empty", tmp_path / "file", world.data, Path("/dev/null")):
            with pytest.raises(NotAnInstance) as told:
                await engine.adopt(path, "Plant")
            told_well(told.value, 4)
        with pytest.raises(SourceMissing) as missing:
            await engine.adopt(tmp_path / "nowhere", "Plant")
        told_well(missing.value, 4)
        assert await engine.projects() == []


async def test_the_wrong_key_a_lost_key_and_the_right_one_again(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await prepared(world, engine)
        key = await engine.recovery_key()
        wanted = all_rows(world.source)
    file = world.home / "repository.key"
    before = hashes(world.home / "repository")
    for content in (recovery_text(new_key()) + "\n", "not a key\n", "", None):
        file.unlink()
        if content is not None:
            file.write_text(content)
            file.chmod(0o600)
        with pytest.raises(WrongKey) as told:
            async with world.opened():
                pass
        told_well(told.value, 6)
        assert key not in told.value.message + told.value.hint
        assert hashes(world.home / "repository") == before
        with pytest.raises((WrongKey, Invalid)):
            await enter_recovery_key(world.home, recovery_text(new_key()))
        await enter_recovery_key(world.home, key)
    async with world.opened() as engine:
        report = await restored(engine, "Copy")
        assert all_rows(report.project.path) == wanted


async def test_no_home(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as told:
        async with Engine.open(tmp_path / "nowhere", user=OWNER, works=True):
            pass
    told_well(told.value, 4)
    assert not (tmp_path / "nowhere").exists()


async def test_a_home_that_others_may_write_to(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await prepared(world, engine)
    world.home.chmod(0o777)
    with pytest.raises(HomeUnsafe) as told:
        async with world.opened():
            pass
    told_well(told.value, 7)


async def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.home.write_text("a file")
    with pytest.raises(StorageFailed) as told:
        async with world.opened():
            pass
    told_well(told.value, 7)
    assert world.home.read_text() == "a file"


# Becomes somebody else where it is root, opens a home and takes a backup; prints how that failed.
# All modules are there before: somebody else may not be able to read them.
ATTEMPT = """
import asyncio, os, sys
from pathlib import Path
import cryptography.hazmat.primitives.ciphers.aead, tomllib, yaml, zstandard
import engine.backup, engine.repository.index, engine.settings
from engine.engine import Engine
from engine.errors import BackstayError

async def main():
    try:
        async with Engine.open(Path(sys.argv[1]), user="ana", create=sys.argv[2] == "create") as e:
            await (await e.backup("Plant")).result()
    except BackstayError as error:
        print(error.name, error.exit_code, bool(error.hint))
        print(error.message, file=sys.stderr)

if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
asyncio.run(main())
"""


def attempt(home: Path, create: str, says: str = "") -> str:
    """What an ordinary user is told who opens the home and takes a backup."""
    done = subprocess.run(
        [sys.executable, "-c", ATTEMPT, str(home), create],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert says in done.stderr
    return done.stdout.strip()


@pytest.fixture
def open_way() -> Iterator[Path]:
    """A folder that everyone can get to; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o711)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize("create", ["create", "open"])
async def test_a_home_of_someone_else(open_way: Path, create: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as somebody else")
    world = make_world(open_way)
    async with world.opened() as engine:
        await prepared(world, engine)
    before = hashes(world.home)
    assert attempt(world.home, create) == "HomeUnsafe 7 True"
    assert hashes(world.home) == before


async def test_a_home_that_is_read_only(open_way: Path) -> None:
    world = make_world(open_way)
    async with world.opened() as engine:
        await prepared(world, engine)
    before = hashes(world.home)
    everything = [world.home, *world.home.rglob("*")]
    for path in everything:
        path.chmod(0o500 if path.is_dir() else 0o400)
    if os.geteuid() == 0:
        for path in everything:
            os.chown(path, 65534, 65534)
    told = attempt(world.home, "open", f"{world.home} is read-only")
    assert told == "StorageFailed 7 True"
    assert hashes(world.home) == before


def test_a_new_home_where_nobody_may_write(open_way: Path) -> None:
    open_way.chmod(0o511)
    told = attempt(open_way / "new", "create", f"{open_way} is not writable")
    assert told == "StorageFailed 7 True"
    assert not (open_way / "new").exists()
