"""kill -9 at every write step of every job. Takes many minutes, so it is run by hand:

pytest tests/faults/every_step.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from clean_up_stage import kill_clean_up
from kill_support import kill_and_check
from transfer_stage import kill_transfer


@pytest.mark.parametrize("job", ["adopt", "backup", "restore", "delete"])
async def test_a_job_can_be_killed_at_every_step(job: str, tmp_path: Path) -> None:
    await kill_and_check(job, tmp_path, lambda kinds: range(1, len(kinds) + 1))


async def test_a_clean_up_can_be_killed_at_every_step(tmp_path: Path) -> None:
    await kill_clean_up(tmp_path, lambda kinds: range(1, len(kinds) + 1))


async def test_a_transfer_can_be_killed_at_every_step(tmp_path: Path) -> None:
    await kill_transfer(tmp_path, lambda kinds: range(1, len(kinds) + 1))
