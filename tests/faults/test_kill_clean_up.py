"""kill -9 at the write steps of a clean-up: no backup is lost, and the next one finishes the work.

Here a sample of the steps; for every one of them: ``pytest tests/faults/every_step.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from clean_up_stage import kill_clean_up

MOST = 16


async def test_a_clean_up_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    def some(kinds: str) -> list[int]:
        turns = [at for at, kind in enumerate(kinds, 1) if kind != kinds[at - 2 : at - 1]]
        return turns[:: max(1, len(turns) // MOST)]

    await kill_clean_up(tmp_path, some)
