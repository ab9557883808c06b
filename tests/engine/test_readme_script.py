"""The scripts in the README work as they stand there, and what it names of the engine is there."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from promises_support import change, make_world, query

from engine.engine import Engine
from engine.project.instance import find

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DEVICE = "715f6b96bfa47992f15881f9"


def script_of(heading: str) -> str:
    """The script below a heading, as it stands."""
    found = re.search(r"```python\n(.*?)```", README[README.index(heading) :], re.DOTALL)
    assert found is not None
    return found[1]


async def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in an interpreter of its own."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


async def test_the_script_moves_a_week_of_a_device_back(tmp_path: Path) -> None:
    script = script_of("## Moving data back")
    world = make_world(tmp_path)
    file = find(world.source).device_file(DEVICE)
    now = "CAST(strftime('%s', 'now') AS INTEGER) * 1000"
    change(file, f"UPDATE data SET time = {now} - rowid * 3600000 * 4")  # over 17 days
    async with Engine.open(world.home, create=True, works=True) as engine:
        await engine.adopt(world.source, "Plant 7")
        await (await engine.backup("Plant 7")).result()
    ((lost,),) = query(file, f"SELECT count(*) FROM data WHERE time > {now} - 6 * 86400000")
    change(file, "DELETE FROM data WHERE rowid > 5")
    environment = {"BACKSTAY_HOME": str(world.home), "DEVICE": DEVICE, "PYTHONPATH": str(ROOT)}
    done = await run(script, **environment)
    assert done.returncode == 0, done.stderr
    came = re.fullmatch(r"(\d+) rows came, 5 were there already\.\n", done.stdout)
    assert came is not None, done.stdout
    assert int(str(lost)) - 5 <= int(came[1]) < 95


async def test_the_script_from_python_makes_a_project_of_a_backup(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with Engine.open(world.home, create=True, works=True) as engine:
        await engine.adopt(world.source, "Plant 7")
    script = script_of("## From Python").replace("/var/lib/backstay", str(world.home))
    done = await run(script, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"/.*/projects/\S+ \d+ new tokens", last), done.stdout


def test_methods_that_the_readme_names_are_there_and_tell_what_they_promise() -> None:
    table = re.search(r"\| methods of `Engine` \|\n\|.*\n((?:\|.*\n)+)", README)
    assert table is not None
    named = re.findall(r"`(\w+)`", table[1])
    assert len(named) == len(set(named)) > 30
    for name in named:
        assert inspect.getdoc(getattr(Engine, name)), name
