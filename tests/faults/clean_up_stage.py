"""A home whose clean-up has all there is to do, killed at one step of it and looked at."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "engine"))
sys.path.append(str(Path(__file__).parent))

from clean_up_support import check_clean, contents
from kill_support import Stage, build
from one_job import clean_up_all_but_two, clock
from promises_support import World, adopted, backed_up, change, leftovers

from engine.home import Home
from engine.project.demo.instance import write_instance
from engine.project.instance import find
from engine.repository.repository import Repository, open_repository

DAYS = 6
STAY = 2  # as `clean_up_all_but_two` keeps them
# Half of a device's rows, so that some chunks of each pack are needed for longer than others.
_CHANGE = (
    "UPDATE data SET value = value || 'on day {day}'"
    " WHERE rowid > (SELECT max(rowid) / 2 FROM data)"
)


async def make_clean_up_stage(folder: Path) -> tuple[Stage, dict[str, str]]:
    """A home with backups of some days, and what they hold, by age."""
    stage = Stage(folder, build(folder))
    world = World(folder)
    write_instance(stage.source, seed=3, devices=6, rows=9000, until=clock(), port=18900)
    files = sorted(find(stage.source).devices.glob("*.db"))
    made = []
    async with world.opened() as engine:
        await adopted(engine, world)
        for day in range(DAYS):
            for number, file in enumerate(files[:5]):  # one device never changes
                if (day + number) % 2:
                    change(file, _CHANGE.format(day=day))
            made.append((await backed_up(engine)).id)
            world.now.moment += timedelta(days=1)
    shutil.copytree(stage.home, stage.before)
    found = contents(repository_of(stage))
    return stage, {backup: found[backup] for backup in made}


def repository_of(stage: Stage) -> Repository:
    """The repository of the home as it is now."""
    home = Home(stage.home)
    return open_repository(home.storage, home.read_key())


async def kill_clean_up(folder: Path, steps: Callable[[str], Iterable[int]]) -> None:
    """Kill a clean-up at the steps that are chosen, and check what is left each time."""
    stage, made = await make_clean_up_stage(folder)
    before = repository_of(stage).packs()
    whole = stage.run("cleanup")
    assert not whole.killed
    after = repository_of(stage).packs()
    assert after.keys() - before.keys(), "nothing was rewritten"
    assert before.keys() & after.keys(), "everything was rewritten"
    await check_cleaned(stage, made)
    tried, killed = 0, 0
    for step in steps(whole.kinds):
        stage.reset()
        outcome = stage.run("cleanup", kill_at=step)
        tried += 1
        killed += outcome.killed
        try:
            await check_cleaned(stage, made)
        except BaseException as error:
            error.add_note(f"killed at step {step}: {outcome.kinds}")
            raise
    # Two processes share the work, so the number of steps differs a little from run to run.
    assert killed >= tried * 3 // 4


async def check_cleaned(stage: Stage, made: dict[str, str]) -> None:
    """Every backup that is there is whole, and the next clean-up finishes the work."""
    repository = repository_of(stage)
    stay = dict(list(made.items())[-STAY:])
    there = contents(repository)
    assert stay.items() <= there.items() <= made.items()
    await clean_up_all_but_two(stage.home)
    assert contents(repository) == stay
    check_clean(repository)
    assert leftovers(stage.home) == []
