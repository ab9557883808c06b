"""A transfer that lacks rows and a device in its target, killed at its steps and run again."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "engine"))

from kill_support import Stage, build, make_stage
from one_job import COPY, OWNER, PROJECT, clock
from promises_support import Row, all_rows, change, device_names, query

from engine.engine import Engine
from engine.project.instance import Instance, find


class Result(NamedTuple):
    """What a project holds, ids of rows and tokens themselves left out."""

    rows: dict[str, list[Row]]
    devices: list[Row]
    tokens: list[Row]


def target(stage: Stage) -> Instance:
    """The project that data goes into: it lies in the home."""
    (folder,) = (stage.home / "projects").iterdir()
    return find(folder)


def held_by(instance: Instance) -> Result:
    """What a project holds; what was left half-done is undone by looking."""
    for file in (instance.database, *instance.devices.glob("*.db")):
        assert query(file, "PRAGMA integrity_check") == [("ok",)]
    return Result(
        all_rows(instance.database.parents[2]),
        query(instance.database, "SELECT id, name, type, active FROM device ORDER BY id"),
        query(instance.database, "SELECT device_id, name FROM device_token ORDER BY 1, 2"),
    )


async def make_transfer_stage(folder: Path) -> Stage:
    """A home with a copy that lacks rows of one device, and the other device."""
    stage = await make_stage(folder, build(folder), "transfer")
    instance = target(stage)
    first, second = device_names(instance)
    change(instance.device_file(first), "DELETE FROM data WHERE rowid % 3")
    change(
        instance.database,
        f"DELETE FROM device_token WHERE device_id = '{second}'",
        f"DELETE FROM device_params WHERE device_id = '{second}'",
        f"DELETE FROM device WHERE id = '{second}'",
    )
    instance.device_file(second).unlink()
    shutil.rmtree(stage.before)
    shutil.copytree(stage.home, stage.before)
    return stage


async def kill_transfer(folder: Path, steps: Callable[[str], Iterable[int]]) -> None:
    """Kill a transfer at the steps that are chosen by their kinds; run again, it does the rest."""
    stage = await make_transfer_stage(folder)
    before = held_by(target(stage))
    whole = stage.run("transfer")
    assert not whole.killed
    wanted = held_by(target(stage))
    assert wanted.rows != before.rows
    assert len(wanted.devices) == 2
    tried, killed = 0, 0
    for step in steps(whole.kinds):
        stage.reset()
        killed += stage.run("transfer", kill_at=step).killed
        tried += 1
        try:
            async with Engine.open(stage.home, user=OWNER, clock=clock, works=True) as engine:
                await (await engine.transfer(PROJECT, COPY, create_missing=True)).result()
        except BaseException as error:
            error.add_note(f"killed at step {step}: {whole.kinds}")
            raise
        now = held_by(target(stage))
        assert now.devices == wanted.devices, f"killed at step {step}: {whole.kinds}"
        assert now.tokens == wanted.tokens, f"killed at step {step}: {whole.kinds}"
        assert {key: sorted(map(repr, rows)) for key, rows in _unnumbered(now).items()} == {
            key: sorted(map(repr, rows)) for key, rows in _unnumbered(wanted).items()
        }, f"killed at step {step}: {whole.kinds}"
    # Two processes share the work, so the number of steps differs a little from run to run.
    assert killed >= tried * 3 // 4


def _unnumbered(result: Result) -> dict[str, list[Row]]:
    """The rows without the numbers that they have in their tables."""
    return {device: [row[1:] for row in rows] for device, rows in result.rows.items()}
