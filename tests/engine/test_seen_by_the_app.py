"""What the app asks beside what the commands ask: previews, where backups are kept, and changes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import adopted, backed_up, make_world

from engine.errors import Invalid


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
