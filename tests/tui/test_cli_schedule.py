"""Schedules, and how many backups are kept: shown, changed after a look, nothing removed by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

if TYPE_CHECKING:
    from conftest import Runner, Terminal

    Open = Callable[..., Terminal]

PLAN_KEYS = {"project", "project_name", "at", "timezone", "keep", "next", "notes"}
NOTHING_YET = (None, None, 7)


def plan(backstay: Runner) -> tuple[str | None, str | None, int]:
    """Time, zone and number of backups of Plant 7."""
    told = backstay("schedule", "Plant 7", "--json").json
    return told["at"], told["timezone"], told["keep"]


@pytest.fixture
def three(backstay: Runner) -> list[str]:
    """The ids of three backups of Plant 7, newest first."""
    for _ in range(2):
        assert backstay("backup", "Plant 7").code == 0
    return ids(backstay)


def ids(backstay: Runner) -> list[str]:
    """The backups of Plant 7, newest first."""
    return [backup["id"] for backup in backstay("backups", "Plant 7", "--json").json]


def test_a_project_without_a_schedule_tells_how_to_make_one(backstay: Runner) -> None:
    assert plan(backstay) == NOTHING_YET
    told = backstay("schedule", "Plant 7")
    assert told.code == 0
    assert told.out.startswith("Plant 7 is backed up by hand only.\nEvery day, with: backstay ")
    assert "schedule 'Plant 7' --at 03:00 --timezone Europe/Lisbon\n" in told.out
    assert "It keeps the most recent 7 backups.\n" in told.out
    assert "Next runs" not in told.out


def test_a_schedule_is_set_and_its_next_five_runs_are_shown(backstay: Runner) -> None:
    told = backstay("schedule", "Plant 7", "--at", "03:05", "--timezone", "Asia/Kolkata")
    assert told.code == 0
    lines = told.out.splitlines()
    assert lines[0] == "Plant 7 is backed up every day at 03:05 (Asia/Kolkata)."
    runs = lines[lines.index("Next runs                  That is") + 1 :][:5]
    assert [run[16:25] for run in runs] == ["03:05 IST"] * 5
    assert all(run[27:].startswith("in ") for run in runs)
    assert len({run[:15] for run in runs}) == 5
    assert told.out == backstay("schedule", "Plant 7").out


def test_scripts_get_the_plan_in_utc(backstay: Runner) -> None:
    given = ("schedule", "Plant 7", "--at", "03:05", "--timezone", "Asia/Kolkata", "--json")
    told = backstay(*given).json
    assert set(told) >= PLAN_KEYS
    assert (told["at"], told["timezone"], told["keep"]) == ("03:05", "Asia/Kolkata", 7)
    assert [set(run) >= {"date", "due", "remark"} for run in told["next"]] == [True] * 5
    assert {run["due"][10:] for run in told["next"]} == {"T21:35:00Z"}
    assert [run["date"] for run in told["next"]] == sorted({run["date"] for run in told["next"]})
    assert backstay("schedule", "Plant 7", "--json").json == told


def test_what_is_not_given_stays_as_it_is(backstay: Runner) -> None:
    assert backstay("schedule", "Plant 7", "--at", "03:00", "--timezone", "UTC").code == 0
    assert backstay("schedule", "Plant 7", "--keep", "30").code == 0
    assert backstay("schedule", "Plant 7", "--at", "23:59").code == 0
    assert backstay("schedule", "Plant 7", "--timezone", "Pacific/Apia").code == 0
    assert plan(backstay) == ("23:59", "Pacific/Apia", 30)
    assert backstay("schedule", "Plant 7", "--off").code == 0
    assert plan(backstay) == (None, None, 30)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--at", "25:00", "--timezone", "UTC"], "25:00"),
        (["--at", "3 am", "--timezone", "UTC"], "3 am"),
        (["--at", "", "--timezone", "UTC"], "not a time of day"),
        (["--at", "03:00", "--timezone", "Europe/Lisbonn"], "Did you mean Europe/Lisbon"),
        (["--at", "03:00", "--timezone", "../../etc/passwd"], "not a known time zone"),
        (["--at", "03:00", "--timezone", ""], "not a known time zone"),
        (["--at", "03:00"], "--timezone Europe/Lisbon"),
        (["--timezone", "UTC"], "--at 03:00"),
        (["--keep", "0"], "from 1 to 365"),
        (["--keep", "366"], "from 1 to 365"),
        (["--keep", "-1"], "from 1 to 365"),
        (["--keep", "1000000000"], "from 1 to 365"),
        (["--keep", "1e9"], "1e9"),
        (["--keep", "7.0"], "7.0"),
        (["--off", "--at", "03:00"], "--off"),
        (["--off", "--timezone", "UTC"], "--off"),
    ],
    ids=str,
)
def test_what_cannot_be_is_told_and_changes_nothing(
    backstay: Runner, arguments: list[str], said: str
) -> None:
    answer = backstay("schedule", "Plant 7", *arguments, "--json")
    assert answer.code == 2
    assert said in f"{answer.error['message']} {answer.error['hint']}"
    assert plan(backstay) == NOTHING_YET


@pytest.mark.parametrize("arguments", [[], ["--keep", "1"], ["--off"]], ids=str)
@pytest.mark.parametrize("command", ["schedule", "cleanup"])
def test_plans_and_clean_ups_are_for_owners(
    backstay: Runner, command: str, arguments: list[str]
) -> None:
    given = arguments if command == "schedule" else []
    assert backstay(command, "Plant 7", *given, user="joao").code == 3
    assert backstay(command, "Plant 7", *given, user="stranger").code == 4
    assert backstay(command, "Nothing", *given).code == 4


def test_to_keep_fewer_is_agreed_to_first(backstay: Runner, three: list[str]) -> None:
    refused = backstay("schedule", "Plant 7", "--keep", "1", "--json")
    assert refused.code == 2
    assert "would remove 2 backups" in refused.error["message"]
    assert "--yes" in refused.error["hint"]
    assert backstay("schedule", "Plant 7", "--keep", "1").code == 2
    assert plan(backstay) == NOTHING_YET
    agreed = backstay("schedule", "Plant 7", "--keep", "1", "--yes")
    assert agreed.code == 0
    assert "It keeps the most recent backup.\n" in agreed.out
    assert "Nothing was removed now; the next clean-up removes 2 backups:\n" in agreed.out
    told = [line.split()[-1] for line in agreed.out.splitlines() if "manual" in line]
    assert told == three[1:]
    assert f"{backstay.home} --as ana cleanup 'Plant 7'\n" in agreed.out
    assert plan(backstay) == (None, None, 1)
    assert ids(backstay) == three, "the next clean-up removes them"


def test_to_keep_as_many_or_more_asks_for_nothing(backstay: Runner, three: list[str]) -> None:
    for keep in (3, 1, 2, 7):
        agreed = ["--yes"] if keep == 1 else []
        told = backstay("schedule", "Plant 7", "--keep", str(keep), *agreed)
        assert told.code == 0, told.err
        assert ("Nothing was removed now" in told.out) == (keep == 1)
    assert ids(backstay) == three


@pytest.mark.parametrize(("typed", "code", "kept"), [("\n", 2, 7), ("n\n", 2, 7), ("y\n", 0, 1)])
def test_on_a_terminal_it_asks_and_no_is_the_default(
    backstay: Runner, three: list[str], on_terminal: Open, typed: str, code: int, kept: int
) -> None:
    terminal = on_terminal("schedule", "Plant 7", "--keep", "1")
    terminal.read_until("Keep 1 from now on? [y/N]")
    assert "The next clean-up will remove 2 backups:\n" in terminal.text
    assert three[1][:8] in terminal.text
    assert three[0][:8] not in terminal.text
    terminal.type(typed)
    assert terminal.end() == code
    assert "Usage:" not in terminal.text
    assert plan(backstay)[2] == kept
    assert ids(backstay) == three


def test_a_clean_up_removes_what_is_beyond_and_tells_it(backstay: Runner, three: list[str]) -> None:
    assert backstay("schedule", "Plant 7", "--keep", "2", "--yes").code == 0
    first = backstay("cleanup", "Plant 7")
    assert first.code == 0
    assert first.out.startswith("1 backup of Plant 7 is removed, ")
    assert [line.split()[-1] for line in first.out.splitlines()[3:]] == three[2:]
    assert ids(backstay) == three[:2]
    assert backstay("schedule", "Plant 7", "--keep", "1", "--yes").code == 0
    second = backstay("cleanup", "Plant 7", "--json").json
    assert set(second) >= {"removed", "freed", "notes"}
    assert second["removed"] == [three[1]]
    nothing = backstay("cleanup", "Plant 7")
    assert nothing.out == "No backup of Plant 7 was to be removed, nothing was freed.\n"
    restored = ("restore", "Plant 7@latest", "--name", "Again", "--accept-cost", "49")
    assert backstay(*restored).code == 0, "what is kept restores"


def test_who_may_be_asked_is_told_that_no_worker_would_do_it(backstay: Runner) -> None:
    assert backstay("schedule", "Plant 7", "--at", "03:00", "--timezone", "UTC").code == 0
    told = backstay("schedule", "Plant 7").out
    assert "No worker is running that stays, so none of these would be made.\n" in told
    assert f"Start one with: backstay --home {backstay.home} worker\n" in told
    backstay.start("worker")
    backstay.until_worker("stays")
    assert "worker" not in backstay("schedule", "Plant 7").out.replace(str(backstay.home), "")


@pytest.mark.parametrize("zone", ["Europe/Lisbon", "Australia/Lord_Howe", "America/New_York"])
def test_the_zones_short_name_is_the_one_of_that_day(backstay: Runner, zone: str) -> None:
    from datetime import datetime

    told = backstay("schedule", "Plant 7", "--at", "12:00", "--timezone", zone)
    first = backstay("schedule", "Plant 7", "--json").json["next"][0]
    there = datetime.fromisoformat(first["due"]).astimezone(ZoneInfo(zone))
    assert f"{there:%a %d %b %Y} 12:00 " in told.out
    name = f"{there:%Z}"
    assert f" 12:00 {name if name.isalpha() else 'UTC' + name}" in told.out
