"""The script in the README works as it stands there."""

from __future__ import annotations

import asyncio
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
DEVICE = "715f6b96bfa47992f15881f9"


async def test_the_script_moves_a_week_of_a_device_back(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    section = text[text.index("## Moving data back") :]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    world = make_world(tmp_path)
    file = find(world.source).device_file(DEVICE)
    now = "CAST(strftime('%s', 'now') AS INTEGER) * 1000"
    change(file, f"UPDATE data SET time = {now} - rowid * 3600000 * 4")  # over 17 days
    async with Engine.open(world.home, create=True, works=True) as engine:
        await engine.adopt(world.source, "Plant 7")
        await (await engine.backup("Plant 7")).result()
    ((lost,),) = query(file, f"SELECT count(*) FROM data WHERE time > {now} - 6 * 86400000")
    change(file, "DELETE FROM data WHERE rowid > 5")
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", found[1]],
        env=os.environ
        | {"BACKSTAY_HOME": str(world.home), "DEVICE": DEVICE, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    came = re.fullmatch(r"(\d+) rows came, 5 were there already\.\n", done.stdout)
    assert came is not None, done.stdout
    assert int(str(lost)) - 5 <= int(came[1]) < 95
