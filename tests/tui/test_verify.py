"""Proving a backup, with the command and in the app."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).parent))

from app_support import PLANT, AppHome, now, pressed, running, seen

from engine import Engine, JobKind

if TYPE_CHECKING:
    from conftest import Runner


def test_a_whole_backup_restores_and_a_damaged_one_ends_with_6(backstay: Runner) -> None:
    (backup,) = backstay("backups", "Plant 7", "--json").json
    assert backup["verified"] is None
    never = "It was never proved that this backup restores."
    asked = backstay("restore", backup["id"], "--name", "Copy")
    assert asked.code == 8
    verify = f"backstay --home {backstay.home} --as ana verify {backup['id']}"
    assert f"{never} To prove it first:\n  {verify}\n" in asked.out
    said = backstay("verify", "Plant 7@latest")
    assert said.code == 0
    assert f"The backup {backup['id']} restores" in said.out
    (backup,) = backstay("backups", "Plant 7", "--json").json
    assert backup["verified"]
    assert never not in " ".join(backstay("restore", backup["id"], "--name", "Copy").out.split())
    for pack in (backstay.home / "repository" / "packs").rglob("*"):
        if pack.is_file():
            pack.write_bytes(pack.read_bytes()[:-1])
    damaged = backstay("verify", backup["id"], "--json")
    assert damaged.code == 6
    report = json.loads(damaged.out)
    assert (report["backup"], report["ok"]) == (backup["id"], False)
    assert {"device", "name", "reason"} == set(report["damaged"][0])
    told = backstay("verify", backup["id"])
    assert told.code == 6
    assert "is damaged" in told.out
    assert "Take another backup now" in told.out
    assert backstay("backups", "Plant 7", "--json").json[0]["state"] == "damaged"
    status = backstay("status", "Plant 7", "--json")
    assert status.code == 1, "until it is removed or restores again"
    (health,) = json.loads(status.out)["projects"]
    assert health["state"] == "failing"
    assert backup["id"] in health["reason"]
    backstay("backup", "Plant 7")
    assert backstay("verify", backup["id"]).code == 0
    assert backstay("status", "Plant 7").code == 0


async def test_a_backup_is_proved_from_its_menu(tmp_path: Path) -> None:
    home = AppHome(tmp_path)
    await home.make()
    await home.add_project(PLANT, "Plant 7")
    await home.add_week()
    lock = home.worker_that_stays()
    try:
        async with running(home.path) as pilot:
            await pressed(pilot, "enter", "down", "full_stop", "v")
            assert "Proving a backup of Plant 7" in seen(pilot)
    finally:
        lock.release()
    async with Engine.open(home.path, user="ana", clock=now) as engine:
        (job,) = await engine.jobs()
        assert job.kind is JobKind.VERIFY
