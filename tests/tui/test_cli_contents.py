"""Looking into a backup with a command: its devices, and the rows of one, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Runner

TANK = "715f6b96bfa47992f15881f9"
WHICH = ("contents", "Plant 7@latest")


def test_the_devices_of_a_backup_and_the_rows_of_one_page_by_page(backstay: Runner) -> None:
    listed = backstay(*WHICH)
    assert listed.code == 0
    assert "Tank immutable" in listed.out
    assert "4 devices, 402 variables" in listed.out
    devices = backstay(*WHICH, "--json").json["devices"]
    assert devices == backstay("show", "Plant 7@latest", "--json").json["device_list"]

    first = backstay(*WHICH, "--device", TANK, "--limit", "60", "--json").json
    assert set(first) == {"backup", "device", "variables", "rows", "next"}
    assert [each["variable"] for each in first["variables"]][:2] == ["counter", "door_open"]
    second = backstay(
        *WHICH, "--device", TANK, "--limit", "60", "--before", first["next"], "--json"
    ).json
    assert (second["variables"], second["next"]) == (None, None)
    rows = first["rows"] + second["rows"]
    assert len({row["row"] for row in rows}) == len(rows) == 100
    times = [row["epoch_ms"] for row in rows]
    assert times == sorted(times, reverse=True)

    told = backstay(*WHICH, "--device", TANK, "--limit", "2", "--variable", "temperature")
    assert "2026-11-23 17:52:11  temperature  -16.72  °C" in told.out
    last = [row for row in rows if row["variable"] == "temperature"][1]
    assert told.out.rstrip().endswith(f"--before {last['epoch_ms']}:{last['row']}")
    none = backstay(*WHICH, "--device", TANK, "--since", "2027-01-01")
    assert "It has no rows like that." in none.out


def test_what_cannot_be_shown_is_told(backstay: Runner) -> None:
    assert backstay(*WHICH, "--limit", "3").code == 2
    assert backstay(*WHICH, "--device", TANK, "--since", "soon").code == 2
    assert backstay(*WHICH, "--device", "nobody", "--json").error["name"] == "NotFound"
    refused = backstay(*WHICH, "--device", TANK, "--json", user="joao")
    assert refused.error["name"] == "NotAllowed"
    assert "see backups" in backstay("audit", "--refused").out
