"""kill -9 at the write steps of a job, then a restart: wholly or not at all, every time.

Here a sample of the steps; for every one of them: ``pytest tests/faults/every_step.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from kill_support import build, check, kill_and_check, make_stage, sample

MOST = {"adopt": 5, "backup": 7, "restore": 7, "delete": 2}


@pytest.mark.parametrize("job", MOST)
async def test_a_job_that_is_killed_leaves_all_or_nothing(job: str, tmp_path: Path) -> None:
    await kill_and_check(job, tmp_path, lambda kinds: sample(kinds, MOST[job]))


@pytest.mark.parametrize("job", ["backup", "restore"])
async def test_children_end_with_a_parent_that_is_killed(job: str, tmp_path: Path) -> None:
    stage = await make_stage(tmp_path, build(tmp_path), job)
    whole = stage.run(job)
    stage.reset()
    assert stage.run(job, kill_at=len(whole.kinds) // 2, only_leader=True).killed
    await check(stage, thorough=False)
