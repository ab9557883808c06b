"""What the app asks beside what the commands ask: previews, where backups are kept, and changes."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import adopted, backed_up, make_world

from engine.errors import Invalid, Taken


async def test_a_preview_tells_what_saving_would_make_and_changes_nothing(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        before = await engine.plan("Plant")
        shown = await engine.preview_schedule("Plant", at="03:00", zone="Europe/Lisbon", keep=3)
        assert await engine.plan("Plant") == before
        assert (shown.at, shown.zone, shown.keep, len(shown.runs)) == (
            "03:00",
            "Europe/Lisbon",
            3,
            5,
        )
        assert await engine.set_schedule("Plant", at="03:00", zone="Europe/Lisbon", keep=3) == shown
        off = await engine.preview_schedule("Plant", off=True)
        assert (off.at, off.keep, off.runs) == (None, 3, ())
        for wrong in ({"at": "25:00"}, {"zone": "Europe/Lisbonne"}, {"keep": 0}):
            with pytest.raises(Invalid):
                await engine.preview_schedule("Plant", **wrong)
        assert "Europe/Lisbon" in await engine.zones()


async def test_where_backups_are_kept_is_told_with_what_they_occupy(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        before = await engine.storage("Plant")
        occupied = sum(
            path.stat().st_size
            for folder in ("packs", "manifests")
            for path in (world.home / "repository" / folder).rglob("*")
            if path.is_file()
        )
        assert before.size == occupied > 0
        assert before.place == world.home / "repository"
        assert before.encrypted
        assert before.cleaned is None
        await (await engine.clean_up("Plant")).result()
        assert (await engine.storage("Plant")).cleaned == world.now.moment


async def test_a_change_by_another_process_is_seen(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine, world.opened() as other:
        await adopted(engine, world)
        seen = await engine.changes()
        assert await engine.changes() == seen
        await other.stop("Plant")
        assert await engine.changes() != seen


async def test_a_name_is_taken_from_the_moment_a_project_is_asked_for(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        assert await engine.check_new_name("Ku\u0308che") == "Küche"
        for wrong in ("", "a/b", "a\x1bb", "x" * 300):
            with pytest.raises(Invalid, match="cannot be a project's name"):
                await engine.check_new_name(wrong)
        with pytest.raises(Taken, match=r'^A project is called "Plant" already'):
            await engine.check_new_name("PLANT")
        handle = await engine.restore("Plant@latest", "Copy", accept_cost=Decimal(0))
        with pytest.raises(Taken, match=r"^A project that is being made is called") as told:
            await engine.check_new_name("copy")
        assert "nothing was charged" in told.value.hint
        with pytest.raises(Taken):
            await engine.restore("Plant@latest", "COPY", accept_cost=Decimal(0))
        await handle.result()
        with pytest.raises(Taken, match=r'^A project is called "Copy" already'):
            await engine.check_new_name("Copy")
        assert [each.name for each in await engine.projects()] == ["Copy", "Plant"]
