"""When a picture may be taken: when the next would be the same."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

sys.path.append(str(Path(__file__).parents[1] / "tui"))

from app_support import settled
from textual.pilot import Pilot

T = TypeVar("T")


async def still(pilot: Pilot[int], take: Callable[[], T]) -> T:
    """Take pictures until two are the same, everything that was asked for done between them."""
    before, now = None, take()
    while now != before:
        await settled(pilot)
        before, now = now, take()
    return now
