"""Health: the worst that fits is told, in the owner's words and zone."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.health import GRACE, Health, HealthState, judge, moment_text
from engine.model import Job, JobKind, JobState, Progress

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DUE = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
NEXT = DUE + DAY
AFTER_DUE = DUE + timedelta(seconds=10)
LISBON = "Europe/Lisbon"


def job(
    state: JobState,
    started: datetime | None = AFTER_DUE,
    *,
    asked: datetime | None = None,
    finished: datetime | None = None,
    kind: JobKind = JobKind.BACKUP,
    reason: str = "",
    hint: str = "",
) -> Job:
    begun = started or asked
    assert begun is not None
    return Job(
        id="0123456789ab",
        kind=kind,
        project="aaaaaaaaaaaa",
        project_name="Plant 7",
        user="ana",
        state=state,
        asked=asked or begun,
        started=started,
        finished=finished or (begun + timedelta(minutes=5) if state.ended else None),
        progress=Progress("", 0, 0),
        error="",
        reason=reason,
        hint=hint,
        slot=None,
        attempt=1,
    )


class Known(NamedTuple):
    """What is known of a project; as it is, all is fine."""

    last_good: datetime | None = AFTER_DUE
    last_job: Job | None = None
    due: datetime | None = DUE
    due_before: datetime | None = None
    next_run: datetime | None = NEXT
    running: Job | None = None
    worker_stays: bool = True
    now: datetime = NOW
    name: str = "Plant 7"

    def judged(self) -> Health:
        return judge(
            project="aaaaaaaaaaaa",
            project_name=self.name,
            now=self.now,
            last_good=self.last_good,
            last_job=self.last_job,
            due=self.due,
            next_run=self.next_run,
            zone=LISBON,
            running=self.running,
            worker_stays=self.worker_stays,
            due_before=self.due_before,
        )


def test_a_project_with_its_backup_is_fine() -> None:
    health = Known(last_job=job(JobState.SUCCEEDED)).judged()
    assert health.state is HealthState.FINE
    assert (health.reason, health.hint, health.since, health.waiting) == ("", "", None, False)
    assert not health.alarming


def test_a_failed_backup_is_told_with_its_reason_and_what_to_do() -> None:
    failed = job(
        JobState.FAILED,
        asked=DUE - HOUR,
        reason="The disk\nis full.",
        hint="Make room, then try again.",
    )
    health = Known(last_good=DUE - DAY, last_job=failed).judged()
    assert health.state is HealthState.FAILING
    assert health.alarming
    when = "Tue 24 Nov 2026 03:00 (Europe/Lisbon)"
    assert health.reason == f"The backup of {when} failed: The disk is full."
    assert health.hint == "Make room, then try again."
    assert health.since == AFTER_DUE


def test_a_failure_without_words_is_still_a_sentence_with_advice() -> None:
    health = Known(last_good=None, last_job=job(JobState.FAILED)).judged()
    assert health.reason == "The backup of Tue 24 Nov 2026 03:00 (Europe/Lisbon) failed."
    assert "backstay backup 'Plant 7'" in health.hint
    assert "safe" not in health.hint, "there is nothing yet that could be safe"


def test_a_lost_backup_is_failing_and_told_as_lost() -> None:
    health = Known(last_good=DUE - DAY, last_job=job(JobState.LOST, reason="Its worker ended."))
    found = health.judged()
    assert found.state is HealthState.FAILING
    assert "was lost: Its worker ended." in found.reason
    assert "Backups that were made before are safe." in found.hint


def test_a_job_that_failed_while_it_waited_is_dated_when_it_was_asked_for() -> None:
    failed = job(JobState.FAILED, None, asked=DUE)
    health = Known(last_good=DUE - DAY, last_job=failed).judged()
    assert (health.state, health.since) == (HealthState.FAILING, DUE)


def test_a_good_backup_after_a_failure_ends_it() -> None:
    failed = job(JobState.FAILED)
    assert Known(last_good=AFTER_DUE + HOUR, last_job=failed).judged().state is HealthState.FINE


def test_a_lost_job_whose_backup_was_adopted_is_no_failure() -> None:
    assert Known(last_good=AFTER_DUE, last_job=job(JobState.LOST)).judged().state is (
        HealthState.FINE
    )


def test_another_attempt_that_runs_is_told_while_the_last_one_failed() -> None:
    again = job(JobState.RUNNING, AFTER_DUE + HOUR)
    failed = job(JobState.FAILED, hint="Make room.")
    health = Known(last_good=DUE - DAY, last_job=failed, running=again).judged()
    assert health.state is HealthState.FAILING
    assert "Another one is being made now." in health.hint
    restore = again._replace(kind=JobKind.RESTORE)
    health = Known(last_good=DUE - DAY, last_job=failed, running=restore).judged()
    assert health.hint == "Make room."


def test_a_backup_is_late_one_hour_after_its_slot_and_no_sooner() -> None:
    known = Known(last_good=DUE - DAY, now=DUE + GRACE - timedelta(microseconds=1))
    early = known.judged()
    assert (early.state, early.waiting) == (HealthState.FINE, True)
    late = known._replace(now=DUE + GRACE).judged()
    assert (late.state, late.waiting, late.since) == (HealthState.LATE, False, DUE)
    assert late.reason == (
        "The backup due Tue 24 Nov 2026 03:00 (Europe/Lisbon) has not been made."
    )
    assert late.alarming


def test_a_late_backup_that_is_running_is_told_as_running() -> None:
    running = job(JobState.RUNNING, DUE + timedelta(minutes=2))
    health = Known(last_good=DUE - DAY, running=running).judged()
    assert health.state is HealthState.LATE
    assert "running since Tue 24 Nov 2026 03:02 (Europe/Lisbon)" in health.reason
    assert "backstay jobs" in health.hint


def test_a_late_backup_behind_a_restore_is_told_so() -> None:
    running = job(JobState.RUNNING, kind=JobKind.RESTORE)
    assert (
        "a restore has been running" in Known(last_good=DUE - DAY, running=running).judged().reason
    )


def test_a_late_backup_without_a_worker_says_how_to_start_one() -> None:
    health = Known(last_good=DUE - DAY, worker_stays=False).judged()
    assert health.state is HealthState.LATE
    assert "no worker is running" in health.reason
    assert "backstay worker --unit" in health.hint


def test_a_project_that_was_never_backed_up_is_late_when_its_slot_has_passed() -> None:
    assert Known(last_good=None).judged().state is HealthState.LATE
    assert Known(last_good=None, due=None).judged().state is HealthState.NEVER


def test_a_project_that_is_late_stays_late_while_its_next_backup_may_come_in_time() -> None:
    known = Known(last_good=DUE - 2 * DAY, now=DUE + timedelta(minutes=10))
    late = known._replace(due_before=DUE - DAY).judged()
    assert (late.state, late.since) == (HealthState.LATE, DUE - DAY)
    assert known.judged().waiting, "at least this is known where the slot before is not"


def test_a_backup_that_was_under_way_when_its_slot_came_stands_for_it() -> None:
    before = DUE - timedelta(minutes=5)
    done = job(JobState.SUCCEEDED, before, finished=DUE + timedelta(minutes=5))
    assert Known(last_good=before, last_job=done).judged().state is HealthState.FINE
    sooner = job(JobState.SUCCEEDED, before, finished=DUE - timedelta(minutes=1))
    assert Known(last_good=before, last_job=sooner).judged().state is HealthState.LATE


def test_a_failure_that_was_under_way_when_a_slot_came_does_not_stand_for_it() -> None:
    before = DUE - timedelta(minutes=10)
    failed = job(JobState.FAILED, before, finished=DUE + timedelta(minutes=5))
    health = Known(last_good=before + timedelta(minutes=2), last_job=failed).judged()
    assert health.state is HealthState.LATE


@pytest.mark.parametrize(
    ("next_run", "running", "words"),
    [
        (NEXT, None, "the first is due Wed 25 Nov 2026 03:00 (Europe/Lisbon)"),
        (None, None, "no schedule"),
        (None, job(JobState.RUNNING), "the first is being made now"),
    ],
)
def test_never_says_when_the_first_comes(
    next_run: datetime | None, running: Job | None, words: str
) -> None:
    health = Known(last_good=None, due=None, next_run=next_run, running=running).judged()
    assert health.state is HealthState.NEVER
    assert words in health.reason
    assert not health.alarming


def test_a_command_to_copy_does_what_it_says_whatever_a_project_is_called() -> None:
    name = "a\" $(reboot) `reboot` 'b"
    health = Known(last_good=None, due=None, name=name).judged()
    command = health.hint.removeprefix("To make one now: ").removesuffix(".")
    assert shlex.split(command) == ["backstay", "backup", name]


def test_a_schedule_without_a_worker_that_stays_is_told_and_without_one_is_not() -> None:
    health = Known(worker_stays=False).judged()
    assert health.state is HealthState.NO_WORKER
    assert "Wed 25 Nov 2026 03:00 (Europe/Lisbon) would not be made" in health.reason
    assert not health.alarming
    by_hand = Known(worker_stays=False, due=None, next_run=None).judged()
    assert by_hand.state is HealthState.FINE


def test_a_backup_dated_in_the_future_hides_nothing() -> None:
    future = NOW + 7 * DAY
    assert Known(last_good=future).judged().state is HealthState.LATE
    failed = Known(last_good=future, last_job=job(JobState.FAILED)).judged()
    assert failed.state is HealthState.FAILING
    done = job(JobState.SUCCEEDED, future, finished=future)
    assert Known(last_good=DUE - DAY, last_job=done).judged().state is HealthState.LATE


def test_dates_are_those_of_the_owners_zone() -> None:
    moment = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    assert moment_text(moment, LISBON) == "Thu 02 Jul 2026 00:30 (Europe/Lisbon)"
    assert moment_text(moment, None) == "Wed 01 Jul 2026 23:30 (UTC)"


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../etc/passwd", ""])
def test_a_zone_that_is_gone_does_not_hide_a_date(zone: str) -> None:
    assert moment_text(NOW, zone) == "Tue 24 Nov 2026 12:00 (UTC)"


def test_the_json_has_stable_keys() -> None:
    failed = job(JobState.FAILED, reason="The disk is full.", hint="Make room.")
    running = job(JobState.RUNNING, NOW)
    found = Known(last_good=DUE - DAY, last_job=failed, running=running).judged().as_json()
    assert found == {
        "project": "aaaaaaaaaaaa",
        "project_name": "Plant 7",
        "state": "failing",
        "reason": ("The backup of Tue 24 Nov 2026 03:00 (Europe/Lisbon) failed: The disk is full."),
        "hint": "Backups that were made before are safe. Another one is being made now.",
        "since": "2026-11-24T03:00:10Z",
        "last_good": "2026-11-23T03:00:00Z",
        "next_run": "2026-11-25T03:00:00Z",
        "zone": LISBON,
        "running": running.as_json(),
    }
    fine = Known().judged().as_json()
    assert (fine["reason"], fine["hint"], fine["since"]) == (None, None, None)


def test_the_states_are_spelled_as_scripts_know_them() -> None:
    assert [state.value for state in HealthState] == [
        "fine",
        "late",
        "failing",
        "never",
        "no worker running",
    ]


MOMENTS = st.integers(-72, 72).map(lambda hours: NOW + hours * HOUR)
MAYBE = st.none() | MOMENTS
JOBS = st.none() | st.builds(
    job, st.sampled_from([JobState.SUCCEEDED, JobState.FAILED, JobState.LOST]), MOMENTS
)


@given(good=MAYBE, last=JOBS, due=st.none() | MOMENTS.filter(lambda at: at <= NOW))
def test_an_alarm_always_says_why_since_when_and_what_to_do(
    good: datetime | None, last: Job | None, due: datetime | None
) -> None:
    health = Known(last_good=good, last_job=last, due=due).judged()
    assert health.alarming == (health.since is not None)
    assert bool(health.reason) == bool(health.hint) == (health.state is not HealthState.FINE)
    if good is None:
        assert health.alarming or health.state is HealthState.NEVER
