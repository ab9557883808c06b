"""Where a home is made, and where not: it never mixes with what is there, and is always private."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import PRICES, hashes, make_world

from engine.demo import make_demo
from engine.errors import StorageFailed, Taken
from engine.home import Home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("names", [["notes.txt"], [".git", "a", "b"], ["demo-source"]])
def test_a_folder_with_other_things_in_it_is_left_as_it_is(
    tmp_path: Path, names: list[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    for name in names:
        (home / name).write_text("precious")
    before = hashes(home)
    with pytest.raises(Taken) as told:
        Home(home).prepare(create=True)
    assert names[0] in told.value.message
    assert "--home" in told.value.hint
    assert (hashes(home), mode(home)) == (before, 0o755)


@pytest.mark.parametrize("settings", [True, False])
async def test_an_empty_folder_and_one_with_settings_become_private_homes(
    tmp_path: Path, settings: bool
) -> None:
    world = make_world(tmp_path)
    world.home.mkdir()
    world.home.chmod(0o755)
    if settings:
        file = world.home / "backstay.toml"
        file.write_text(PRICES)
        file.chmod(0o600)
    async with world.opened() as engine:
        await engine.adopt(world.source, "Plant")
    assert mode(world.home) == 0o700


async def test_a_home_whose_making_was_cut_short_is_made(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.home.mkdir(mode=0o700)
    for name in ("catalog.db.new", "catalog.db.new-journal"):
        (world.home / name).touch(mode=0o600)
    async with world.opened() as engine:
        assert await engine.projects() == []


async def test_a_home_without_its_catalog_is_not_made_anew(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened():
        pass
    for file in world.home.glob("catalog.db*"):
        file.unlink()
    with pytest.raises(StorageFailed, match="lost its catalog"):
        async with world.opened():
            pass
    assert not (world.home / "catalog.db").exists()


def test_a_parent_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(StorageFailed) as told:
        Home(tmp_path / "file" / "home").prepare(create=True)
    assert f"{tmp_path / 'file'} is not a folder" in told.value.message
    assert told.value.hint


def test_a_parent_where_we_may_not_write_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.geteuid() == 0:  # root may write everywhere: the kernel's answer has to be given for it

        def refuse(path: Path, **_: object) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageFailed) as told:
        Home(closed / "new" / "home").prepare(create=True)
    assert f"cannot be made: {closed} is not writable" in told.value.message
    assert "someone else" not in told.value.message


async def test_a_demo_in_a_file_is_refused_as_such(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    with pytest.raises(StorageFailed, match="is not a folder") as told:
        await make_demo(file, user="ana")
    assert "--home" in told.value.hint
    assert file.read_text() == "text"
