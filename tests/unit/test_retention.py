"""Retention: the most recent complete backups stay, and never none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Invalid
from engine.model import Backup, BackupKind, BackupState
from engine.retention import to_remove

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def made(number: int, days: float, state: BackupState = BackupState.COMPLETE) -> Backup:
    """A backup dated that many days from now."""
    date = NOW + timedelta(days=days)
    kind = BackupKind.SCHEDULED
    return Backup(f"{number:012x}", "p", date, kind, state, 1, 1, 1, 1, 1, 1, 1, 1)


def damaged(number: int, days: float) -> Backup:
    return made(number, days, BackupState.DAMAGED)


def numbers(backups: Iterable[Backup]) -> list[int]:
    return [int(backup.id, 16) for backup in backups]


def test_the_most_recent_stay_and_the_others_go_oldest_first() -> None:
    backups = [made(day, -day) for day in (3, 9, 1, 5, 7, 2, 8, 4, 6)]
    assert numbers(to_remove(backups, 7, NOW)) == [9, 8]
    assert numbers(to_remove(backups, 365, NOW)) == []
    assert numbers(to_remove(backups, 1, NOW)) == [9, 8, 7, 6, 5, 4, 3, 2]
    assert to_remove([], 7, NOW) == []


@pytest.mark.parametrize("keep", [0, -1, 366, 1000])
def test_a_number_that_cannot_be_kept_is_refused(keep: int) -> None:
    with pytest.raises(Invalid, match=str(keep)) as told:
        to_remove([made(1, -1)], keep, NOW)
    assert "1 to 365" in told.value.hint


def test_of_one_moment_the_higher_id_stays() -> None:
    assert numbers(to_remove([made(5, -1), made(7, -1), made(6, -1)], 1, NOW)) == [5, 6]


def test_a_future_date_displaces_nobody_and_the_nearest_stay() -> None:
    past = [made(number, -number) for number in (1, 2)]
    future = [made(10 + days, days) for days in (365, 2, 1)]
    assert numbers(to_remove([*past, *future], 2, NOW)) == [10 + 365]
    assert numbers(to_remove([*past, made(3, -3), *future], 2, NOW)) == [3, 10 + 365]


def test_a_backup_dated_now_is_not_in_the_future() -> None:
    assert numbers(to_remove([made(1, 0), made(2, -1)], 1, NOW)) == [2]
    assert to_remove([made(1, 1 / 86400), made(2, -1)], 1, NOW) == []


def test_damaged_ones_do_not_count_and_go_behind_as_many_complete_ones() -> None:
    backups = [made(1, -1), damaged(2, -2), made(3, -3), damaged(4, -4), made(5, -5)]
    assert numbers(to_remove(backups, 3, NOW)) == []
    assert numbers(to_remove(backups, 2, NOW)) == [5, 4]
    assert numbers(to_remove(backups, 1, NOW)) == [5, 4, 3, 2]
    assert to_remove([damaged(number, -number) for number in range(20)], 1, NOW) == []
    # One from the future does not displace a damaged one of the past either.
    assert to_remove([damaged(1, -1), made(2, 5)], 1, NOW) == []
    assert numbers(to_remove([damaged(1, 1), made(2, 5)], 1, NOW)) == [1]


def test_what_is_needed_stays_and_displaces_nothing_else() -> None:
    backups = [made(day, -day) for day in range(1, 6)]
    oldest = backups[-1].id
    assert numbers(to_remove(backups, 2, NOW, {oldest})) == [4, 3]
    assert numbers(to_remove(backups, 2, NOW, [backups[0].id])) == [5, 4, 3]


def test_a_clock_that_was_16_days_behind_loses_what_the_rule_says_and_no_more() -> None:
    before = [made(day, -day) for day in range(1, 8)]
    behind = NOW - timedelta(days=16)
    wrong = [made(100, -16), made(101, -15.5)]
    # While it is behind, what was made before is in the future, and stays beside the new ones.
    assert to_remove([*before, *wrong], 7, behind + timedelta(days=0.6)) == []
    # Once it is right, the newest by date stay, and a backup made now is the newest.
    assert numbers(to_remove([*before, *wrong, made(200, 0)], 7, NOW)) == [100, 101, 7]


backups_of_any_kind = st.lists(
    st.tuples(st.integers(-30, 30), st.sampled_from(BackupState)), max_size=40
).map(lambda found: [made(number, *each) for number, each in enumerate(found)])


@given(backups_of_any_kind, st.integers(1, 12), st.sets(st.integers(0, 40)))
def test_whatever_there_is(backups: list[Backup], keep: int, wanted: set[int]) -> None:
    needed = {f"{number:012x}" for number in wanted}
    gone = to_remove(backups, keep, NOW, needed)
    stay = [backup for backup in backups if backup not in gone]
    complete = [backup for backup in backups if backup.state is BackupState.COMPLETE]
    past = sorted((backup.date, backup.id) for backup in complete if backup.date <= NOW)
    kept = {backup.id for backup in stay}
    assert {key for _, key in past[-keep:]} <= kept
    assert needed.isdisjoint(backup.id for backup in gone)
    assert not complete or any(backup.state is BackupState.COMPLETE for backup in stay)
    assert to_remove(stay, keep, NOW, needed) == []
    if not needed:
        assert len([each for each in stay if each in complete and each.date <= NOW]) <= keep
