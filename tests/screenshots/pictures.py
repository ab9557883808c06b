"""The pictures: what each shows, and how they are taken."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

sys.path.append(str(Path(__file__).parents[1] / "tui"))

from app_support import SMALL, AppHome, pressed, running

from .home import as_always, make_home, restore_under_way
from .stillness import still
from .walkthrough import NAME, draw, record

FOLDER = Path(__file__).parents[2] / "screenshots"
MEASURED = FOLDER / "benchmark.svg"  # not taken of the app: tests/bench/plot.py draws it
_WIDE = (120, 30)
_TO_BACKUPS = ("down", "enter")
_SIZE = re.compile(r"(\d+\.\d)(?=(?:\s|&#160;)kB)")
_FEW = 0.45  # kB


class Picture(NamedTuple):
    """A picture: its file's name, and the keys that lead to it from the projects."""

    name: str
    keys: Sequence[str]
    size: tuple[int, int] = SMALL
    under_way: bool = False  # while a restore is under way


PICTURES = (
    Picture("projects", ("down",)),
    Picture("backups", _TO_BACKUPS, _WIDE),
    Picture("menu", (*_TO_BACKUPS, "down", "enter")),
    Picture("new-project", (*_TO_BACKUPS, "n")),
    Picture("cost", (*_TO_BACKUPS, "n", "enter")),
    Picture("progress", ("J", "enter"), under_way=True),
    Picture("report", ("J", "slash", *"restore", "enter", "enter")),
    Picture("main-database", (*_TO_BACKUPS, "s")),
    Picture("contents", (*_TO_BACKUPS, "c")),
    Picture("comparison", (*_TO_BACKUPS, "d", "G", "enter")),
    Picture("transfer", ("down", "down", "m", "ctrl+o")),
    Picture("export", (*_TO_BACKUPS, "e")),
    Picture("costs", ("c",)),
    Picture("help", (*_TO_BACKUPS, "question_mark")),
)


def shows_the_same(one: str, other: str) -> bool:
    """Whether two pictures show the same, but for a few bytes of a backup's size.

    What is stored has random names and nonces, and compresses to a few bytes more or less.
    """
    if _without_sizes(one) != _without_sizes(other):
        return False
    sizes = zip(_SIZE.findall(one), _SIZE.findall(other), strict=True)
    return all(abs(float(size) - float(its)) < _FEW for size, its in sizes)


def unnamed(picture: str) -> str:
    """A picture without the name that rich gives it by its content."""
    return re.sub(r"terminal-\d+", "terminal", picture)


def _without_sizes(picture: str) -> str:
    return _SIZE.sub("", unnamed(picture))


def take_all() -> dict[str, str]:
    """Take all pictures; gives their text by their files' names, the same each time."""
    with tempfile.TemporaryDirectory() as folder:
        inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        with patch.dict(os.environ, {**inherited, "HOME": folder}, clear=True), as_always():
            return asyncio.run(_take_all(Path(folder)))


async def _take_all(folder: Path) -> dict[str, str]:
    home = await make_home(folder)
    lock = home.worker_that_stays()
    try:
        still = [each for each in PICTURES if not each.under_way]
        taken = {f"{each.name}.svg": await _take(home, each) for each in still}
        async with restore_under_way(home, NAME):
            for each in PICTURES:
                if each.under_way:
                    taken[f"{each.name}.svg"] = await _take(home, each)
    finally:
        lock.release()
    taken["walkthrough.svg"] = draw(await record(home), folder)
    return taken


async def _take(home: AppHome, picture: Picture) -> str:
    async with running(home.path, picture.size) as pilot:
        await pressed(pilot, *picture.keys)
        return await still(pilot, lambda: pilot.app.export_screenshot(simplify=True))
