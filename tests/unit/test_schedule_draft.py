"""What is saved of a changed plan while others change it, too."""

from __future__ import annotations

import pytest

from engine.model import Plan
from tui.screens.schedule_draft import Change, Draft, change, draft_of, followed, told, touched

SAVED = Draft(True, "03:00", "Europe/Lisbon", "7")
OFF = SAVED._replace(on=False)


def plan(at: str | None = "03:00", zone: str | None = "Europe/Lisbon", keep: int = 7) -> Plan:
    return Plan("p", "Plant 7", at, zone, keep, (), ())


def test_nothing_is_touched_at_first() -> None:
    assert draft_of(plan()) == SAVED
    assert touched(SAVED, SAVED) == ()
    assert change(SAVED, SAVED) == Change()


def test_a_first_schedule_offers_a_time_and_no_zone() -> None:
    assert draft_of(plan(None, None)) == Draft(False, "03:00", "", "7")


def test_a_plan_that_was_switched_off_keeps_its_time_at_hand() -> None:
    assert draft_of(plan(None, None), before=SAVED) == OFF


@pytest.mark.parametrize(
    "same", [SAVED._replace(at="3:00"), SAVED._replace(keep="07"), SAVED._replace(keep="007")]
)
def test_another_way_to_write_the_same_is_no_change(same: Draft) -> None:
    assert touched(SAVED, same) == ()


@pytest.mark.parametrize(
    ("draft", "wanted"),
    [
        (SAVED._replace(at="04:30"), Change(at="04:30")),
        (SAVED._replace(zone="UTC"), Change(zone="UTC")),
        (SAVED._replace(keep="3"), Change(keep=3)),
        (OFF, Change(off=True)),
        (OFF._replace(keep="3", at="04:30"), Change(off=True, keep=3)),
    ],
)
def test_only_what_was_touched_is_set(draft: Draft, wanted: Change) -> None:
    assert change(SAVED, draft) == wanted


def test_what_is_switched_on_gets_both_time_and_zone() -> None:
    assert change(OFF, SAVED) == Change(at="03:00", zone="Europe/Lisbon")
    assert change(OFF._replace(zone=""), SAVED._replace(zone="")) == Change(at="03:00", zone=None)


def test_while_off_a_time_can_be_as_it_likes() -> None:
    assert touched(OFF, OFF._replace(at="9:99")) == ()
    assert touched(OFF, OFF._replace(keep="")) == ("keep",)


def test_untouched_fields_follow_and_touched_ones_stay() -> None:
    mine = SAVED._replace(at="04:30")
    theirs = Draft(True, "05:00", "UTC", "14")
    assert followed(SAVED, mine, theirs) == Draft(True, "04:30", "UTC", "14")
    assert change(theirs, followed(SAVED, mine, theirs)) == Change(at="04:30")


def test_what_is_not_saved_is_told_from_and_to() -> None:
    draft = SAVED._replace(at="", keep="3")
    assert told(SAVED, draft) == ["time 03:00 → none", "number to keep 7 → 3"]
    assert told(OFF, SAVED._replace(at="04:30")) == ["daily backup off → on"]
