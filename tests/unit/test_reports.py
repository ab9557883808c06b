"""What a job keeps of a backup is read back exactly, or not at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from engine.model import Backup, BackupKind, BackupState
from engine.reports import backup_made, backup_result

MADE = Backup(
    id="0123456789abcdef",
    project="fedcba9876543210",
    date=datetime(2026, 11, 23, 9, 30, 1, 234567, UTC),
    kind=BackupKind.SCHEDULED,
    state=BackupState.COMPLETE,
    size=1,
    added=2,
    data=3,
    devices=4,
    variables=5,
    actions=6,
    analyses=7,
    accounts=8,
    missing=9,
)


def test_a_backup_comes_back_as_it_was() -> None:
    assert backup_made(json.loads(json.dumps(backup_result(MADE)))) == MADE


def test_a_job_of_an_older_backstay_kept_no_facts() -> None:
    assert backup_made({"backup": MADE.id}) is None


@pytest.mark.parametrize("key", ["id", "date", "kind", "state", "size", "missing"])
@pytest.mark.parametrize("value", [None, [], "no"])
def test_what_is_not_a_backup_is_not_taken_for_one(key: str, value: object) -> None:
    if (key, value) == ("id", "no"):
        return
    facts = MADE.as_json() | {key: value}
    with pytest.raises((TypeError, ValueError)):
        backup_made({"backup": MADE.id, "facts": facts})


def test_a_fact_that_is_missing_is_missed() -> None:
    facts = {key: value for key, value in MADE.as_json().items() if key != "size"}
    with pytest.raises(KeyError):
        backup_made({"backup": MADE.id, "facts": facts})
