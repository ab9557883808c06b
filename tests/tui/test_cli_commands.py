"""Every command on a real home: what it does, what it prints, the keys that scripts rely on."""

from __future__ import annotations

import csv
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.repository.keys import new_key, recovery_text

if TYPE_CHECKING:
    from conftest import Runner

PROJECT_KEYS = {"id", "name", "path", "state", "quiet", "role", "owners"}
BACKUP_KEYS = {
    *("id", "project", "date", "size", "added", "data", "kind", "state", "verified"),
    *("devices", "variables"),
}


def test_projects_lists_what_the_user_has_a_part_in(backstay: Runner, instance: Path) -> None:
    (project,) = backstay("projects", "--json").json
    assert set(project) >= PROJECT_KEYS
    assert project["name"] == "Plant 7"
    assert project["path"] == str(instance)
    assert (project["role"], project["owners"]) == ("owner", ["ana", "rui"])
    assert "1, latest" in backstay("projects").out
    assert "owners only: ana, rui" in backstay("projects", user="joao").out
    assert backstay("projects", "--json", user="stranger").json == []


def test_backstay_alone_is_the_list_of_projects(backstay: Runner) -> None:
    assert backstay().out == backstay("projects").out
    assert backstay("--json").json == backstay("projects", "--json").json


def test_backstay_alone_tells_how_to_begin_where_there_is_nothing(
    nowhere: Runner, backstay: Runner
) -> None:
    for answer in (nowhere(), backstay(user="stranger")):
        assert answer.code == 0
        assert "There are no projects of yours here yet." in answer.out
        assert " demo\n" in answer.out
        assert " adopt FOLDER --name NAME\n" in answer.out
    assert not nowhere.home.exists()


def test_adopt_makes_the_home_and_tells_what_was_noticed(
    nowhere: Runner, tmp_path: Path, instance: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(instance, other)
    adopted = nowhere("adopt", str(other), "--name", "Harbour", "--owner", "rui", "--json").json
    assert set(adopted) >= PROJECT_KEYS | {"notes"}
    assert adopted["owners"] == ["ana", "rui"]
    assert any("/nonexistent/tagocore" in note and "not there" in note for note in adopted["notes"])
    assert stat.S_IMODE(nowhere.home.stat().st_mode) == 0o700


def test_adopt_shows_what_a_backup_will_hold_and_the_next_command(
    nowhere: Runner, instance: Path
) -> None:
    answer = nowhere("adopt", str(instance), "--name", "Plant 7")
    assert answer.code == 0
    assert "Console logs" in answer.out
    assert "not included" in answer.out
    assert f"backstay --home {nowhere.home} --as ana backup 'Plant 7'\n" in answer.out


def test_backup_takes_one_and_backups_lists_it_first(backstay: Runner) -> None:
    made = backstay("backup", "Plant 7", "--json").json
    assert set(made) >= BACKUP_KEYS
    assert (made["kind"], made["state"], made["devices"]) == ("manual", "complete", 4)
    listed = backstay("backups", "Plant 7", "--json").json
    assert len(listed) == 2
    assert listed[0] == made


def test_backup_tells_what_was_made(backstay: Runner) -> None:
    answer = backstay("backup", "Plant 7")
    assert answer.code == 0
    assert "of Plant 7 is complete." in answer.out
    assert "4 devices, 402 variables, 4 actions, 1 analysis, 1 account" in answer.out
    assert answer.err == ""


def test_backup_without_damaged_devices_names_them(
    nowhere: Runner, tmp_path: Path, instance: Path
) -> None:
    source = tmp_path / "damaged"
    shutil.copytree(instance, source)
    (device,) = source.rglob("715f6b96bfa47992f15881f9.db")
    device.write_bytes(b"this is no database" * 1000)
    assert nowhere("adopt", str(source), "--name", "Harbour").code == 0
    refused = nowhere("backup", "Harbour", "--json")
    assert refused.code == 6
    assert "Tank immutable" in refused.error["message"]
    assert "--without-damaged" in refused.error["hint"]
    answer = nowhere("backup", "Harbour", "--without-damaged")
    assert answer.code == 0
    assert "Without the data of 1 device" in answer.out
    assert "Tank immutable (715f6b96bfa47992f15881f9)" in answer.out


def test_backups_of_a_project_without_any_tells_how_to_make_one(
    nowhere: Runner, instance: Path
) -> None:
    assert nowhere("adopt", str(instance), "--name", "Plant 7").code == 0
    answer = nowhere("backups", "Plant 7")
    assert answer.code == 0
    assert answer.out.startswith("No backups yet.\n")
    assert "backup 'Plant 7'" in answer.out
    assert nowhere("backups", "Plant 7", "--json").json == []


def test_a_backup_is_found_by_its_id_its_beginning_and_as_the_latest(backstay: Runner) -> None:
    (backup,) = backstay("backups", "Plant 7", "--json").json
    for reference in (backup["id"], backup["id"][:6], "Plant 7@latest"):
        shown = backstay("show", reference, "--json").json
        assert set(shown) >= BACKUP_KEYS | {"device_list", "content", "notes"}
        assert shown["id"] == backup["id"]
    assert {device["name"] for device in shown["device_list"]} == {
        "Freezer mutable",
        "Tank immutable",
        "Weather immutable nochunk",
        "Parsed mutable",
    }


def test_show_tells_devices_contents_and_what_is_left_out(backstay: Runner) -> None:
    text = backstay("show", "Plant 7@latest").out
    assert "Freezer mutable" in text
    assert "Encrypted  yes" in text
    assert "Device tokens     regenerated" in text
    assert "Analysis code     not included" in text


def test_a_quote_says_what_it_will_cost_and_how_to_accept_it(backstay: Runner) -> None:
    quote = backstay("quote", "Plant 7@latest", "--json").json
    assert set(quote) >= {"currency", "creation_fee", "hourly", "this_month", "monthly"}
    assert (quote["creation_fee"], quote["hourly"], quote["currency"]) == ("49.00", "0.034", "EUR")
    text = backstay("quote", "Plant 7@latest").out
    assert "49.00 EUR" in text
    assert "restore 'Plant 7@latest' --name NAME --accept-cost 49.00\n" in text


def test_restore_makes_a_project_and_its_report(backstay: Runner) -> None:
    report = backstay(
        *("restore", "Plant 7@latest", "--name", "Again", "--accept-cost", "49", "--json")
    ).json
    assert set(report) >= {"job", "project", "tokens", "analyses_without_code", "quiet"}
    assert set(report["project"]) >= PROJECT_KEYS
    assert report["project"]["quiet"]
    assert set(report["tokens"][0]) >= {"device", "device_name", "name", "token"}
    assert len(report["tokens"]) == 7
    assert (Path(report["project"]["path"]) / "tagocore.yml").is_file()
    assert report["project"] in backstay("projects", "--json").json


def test_the_report_of_a_restore_tells_what_to_do_and_no_token(backstay: Runner) -> None:
    answer = backstay("restore", "Plant 7@latest", "--name", "Again", "--accept-cost", "49.00")
    assert answer.code == 0
    assert answer.err == ""
    assert "Again is ready." in answer.out
    assert "49.00 EUR" in answer.out
    assert "7 new tokens" in answer.out
    assert " --tokens\n" in answer.out
    assert "/srv/tagocore/code/analysis.js" in answer.out
    assert " wake Again\n" in answer.out
    for token in tokens_of(backstay, "Again"):
        assert token not in answer.out


def tokens_of(backstay: Runner, project: str) -> set[str]:
    """The device tokens in a project's main database."""
    found = {each["name"]: each for each in backstay("projects", "--json").json}[project]
    (database,) = Path(found["path"]).rglob("data.db")
    with closing(sqlite3.connect(database)) as connection:
        tokens = {token for (token,) in connection.execute("SELECT token FROM device_token")}
    assert len(tokens) == 7
    return tokens


def test_new_tokens_are_shown_to_an_owner_who_asks(backstay: Runner) -> None:
    answer = backstay(
        *("restore", "Plant 7@latest", "--name", "Again", "--accept-cost", "49", "--show-tokens")
    )
    assert answer.code == 0
    for token in tokens_of(backstay, "Again"):
        assert token in answer.out


def test_new_tokens_are_written_to_a_private_file(backstay: Runner, tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    answer = backstay(
        *("restore", "Plant 7@latest", "--name", "Again", "--accept-cost", "49"),
        *("--tokens-file", str(file)),
    )
    assert answer.code == 0
    assert str(file) in answer.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open(newline="") as lines:
        written = {row["token"] for row in csv.DictReader(lines)}
    assert written == tokens_of(backstay, "Again")


def test_a_restore_is_told_again_with_its_tokens(backstay: Runner, restored: str) -> None:
    (job,) = (each for each in backstay("jobs", "--json").json if each["kind"] == "restore")
    shown = backstay("jobs", job["id"]).out
    assert f"jobs {job['id'][:8]} --report\n" in shown
    report = backstay("jobs", job["id"], "--report").out
    assert report.startswith(f"{restored} is ready.")
    assert f"jobs {job['id'][:8]} --tokens\n" in report
    tokens = tokens_of(backstay, restored)
    listed = backstay("jobs", job["id"], "--tokens").out
    assert {row["token"] for row in csv.DictReader(listed.splitlines())} == tokens
    in_json = backstay("jobs", job["id"], "--tokens", "--json").json
    assert in_json == backstay("jobs", job["id"], "--report", "--json").json["tokens"]
    assert {each["token"] for each in in_json} == tokens
    assert not any(token in shown + report for token in tokens)
    assert backstay("jobs", job["id"], "--tokens", user="joao").code == 3
    backup = next(each for each in backstay("jobs", "--json").json if each["kind"] == "backup")
    assert backstay("jobs", backup["id"], "--report").code == 2


def test_without_an_accepted_price_the_quote_and_the_exact_command_are_told(
    backstay: Runner,
) -> None:
    answer = backstay("restore", "Plant 7@latest", "--name", "Plant 7 again")
    assert answer.code == 8
    assert "This month, until" in answer.out
    assert (
        f"backstay --home {backstay.home} --as ana restore 'Plant 7@latest' "
        "--name 'Plant 7 again' --accept-cost 49.00\n"
    ) in answer.err
    assert len(backstay("projects", "--json").json) == 1


def test_waking_puts_back_what_was_off(backstay: Runner, restored: str) -> None:
    assert "quiet" in backstay("projects").out
    report = backstay("wake", restored, "--json").json
    assert set(report) >= PROJECT_KEYS | {"woken", "left"}
    assert report["quiet"] is False
    assert len(report["woken"]) == 4


def test_waking_is_told_setting_by_setting(backstay: Runner, restored: str) -> None:
    answer = backstay("wake", restored)
    assert "is awake: 4 settings were put back." in answer.out
    assert "Too hot" in answer.out


def test_stop_and_start_say_how_to_go_back(backstay: Runner, restored: str) -> None:
    assert backstay("stop", restored, "--json").json["state"] == "stopped"
    assert "Stop it with" in backstay("start", restored).out
    assert "Start it again with" in backstay("stop", restored).out
    assert "stopped, quiet" in backstay("projects").out
    assert backstay("start", restored, "--json").json["state"] == "active"


def test_forget_leaves_the_folder_and_says_how_to_reach_the_backups(
    backstay: Runner, instance: Path
) -> None:
    (backup,) = backstay("backups", "Plant 7", "--json").json
    answer = backstay("forget", "Plant 7")
    assert answer.code == 0
    assert f"adopt {instance} --name 'Plant 7'\n" in answer.out
    assert "\nIts backup stays in the repository:\n  backstay " in answer.out
    assert f"show {backup['id']}\n" in answer.out
    assert backstay("show", backup["id"]).code == 0
    assert backstay("projects", "--json").json == []
    assert (instance / "tagocore.yml").is_file()
    assert backstay("adopt", str(instance), "--name", "Plant 7").code == 0
    assert backstay("backups", "Plant 7", "--json").json == [backup]


def test_forget_gives_the_project_to_scripts(backstay: Runner) -> None:
    assert backstay("forget", "Plant 7", "--json").json["name"] == "Plant 7"


def test_delete_removes_a_restored_project(backstay: Runner, restored: str) -> None:
    deleted = backstay("delete", restored, "--confirm", restored, "--json").json
    assert deleted["name"] == restored
    assert not Path(deleted["path"]).exists()
    assert len(backstay("projects", "--json").json) == 1


def test_delete_says_how_to_reach_the_backups_of_what_was_deleted(
    backstay: Runner, restored: str
) -> None:
    backup = backstay("backup", restored, "--json").json["id"]
    answer = backstay("delete", restored, "--confirm", restored)
    assert f"show {backup}\n" in answer.out
    assert backstay("show", backup).code == 0


def test_members_are_listed_added_and_removed(backstay: Runner) -> None:
    assert backstay("members", "Plant 7").out == (
        "User  Role\nana   owner\nrui   owner\njoao  collaborator\n"
    )
    added = backstay("members", "Plant 7", "add", "marta", "--role", "owner")
    assert added.out.startswith("marta is an owner of Plant 7.\n")
    assert backstay("members", "Plant 7", "remove", "rui").code == 0
    project = backstay("members", "Plant 7", "--json").json
    assert project["owners"] == ["ana", "marta"]
    assert project["collaborators"] == ["joao"]


def test_costs_are_told_by_month(backstay: Runner, restored: str) -> None:
    (line,) = backstay("costs", "--json").json
    assert (line["project_name"], line["creation_fee"]) == (restored, "49.00")
    text = backstay("costs", "--month", line["month"]).out
    assert restored in text
    assert "In all 49." in text
    assert backstay("costs", "--month", "1999-01").out == "Nothing was charged in 1999-01.\n"
    assert backstay("costs", "--month", "1999-01", "--json").json == []


def test_the_audit_trail_tells_changes_and_refusals(backstay: Runner) -> None:
    assert backstay("backups", "Plant 7", user="joao").code == 3
    lines = backstay("audit", "--project", "Plant 7", "--user", "joao", "--json").json
    assert [(line["user"], line["verdict"]) for line in lines] == [("joao", "refused")]
    text = backstay("audit").out
    assert "refused" in text
    assert "allowed" in text


def test_the_recovery_key_opens_a_home_that_lost_its_own(backstay: Runner) -> None:
    key = backstay("repository", "key", "--json").json["recovery_key"]
    assert backstay("repository", "key").out.startswith(f"{key}\n")
    (backstay.home / "repository.key").unlink()
    assert backstay("show", "Plant 7@latest").code == 6
    entered = backstay("repository", "key", "--enter", "--json", stdin=f"{key}\n")
    assert entered.json == {"entered": True}
    assert backstay("show", "Plant 7@latest").code == 0


def test_a_lost_home_is_made_anew_of_its_repository(backstay: Runner, tmp_path: Path) -> None:
    key = backstay("repository", "key", "--json").json["recovery_key"]
    source, wrong = backstay.home / "repository", tmp_path / "wrong"
    wrong.write_text(recovery_text(new_key()))
    there = ["--home", str(tmp_path / "new")]
    asked = ["recover", str(source), "--json", *there]
    assert backstay(*asked, "--key-file", str(tmp_path / "none")).error["code"] == 2
    assert backstay(*asked, stdin="").error["code"] == 2
    assert backstay(*asked, "--key-file", str(wrong)).error["name"] == "WrongKey"
    assert backstay("recover", str(tmp_path), "--json", *there).error["code"] == 4
    made = backstay(*asked, user="eva", stdin=f"{key}\n").json
    assert set(made) == {
        *("home", "backups", "projects", "forgotten", "unreadable", "lost_packs", "encrypted")
    }
    (project,) = made["projects"]
    assert (project["name"], project["state"], project["owners"]) == (
        "Plant 7",
        "absent",
        ["ana", "eva", "rui"],
    )
    assert "not present" in backstay("projects", *there).out
    assert backstay("status", "--json", *there).code == 1
    own = ["--key-file", str(backstay.home / "repository.key")]
    assert backstay(*asked, *own).error["name"] == "Taken"
    (manifest,) = (source / "manifests").iterdir()
    manifest.write_bytes(b"cut")
    third = ["--home", str(tmp_path / "third"), "--key-file", "-"]
    told = backstay("recover", str(backstay.home), *third, stdin=key)
    assert told.code == 6
    assert f"The backup {manifest.name} cannot be read." in told.out


def test_the_demo_is_made_listed_and_left_as_it_is_the_second_time(nowhere: Runner) -> None:
    small = ("demo", "--no-app", "--devices", "3", "--rows", "300")
    made = nowhere(*small, "--json").json
    assert set(made) == {"home", "projects", "backups"}
    assert made["home"] == str(nowhere.home)
    assert len(made["projects"]) == 3
    assert len(made["backups"]) == 8
    again = nowhere(*small)
    assert again.code == 0
    assert "8 backups of " in again.out
    assert "The repository of this home takes " in again.out
    assert " wake 'Plant 7 restored'\n" in again.out
    assert nowhere(*small, "--json").json == made


@pytest.mark.parametrize(
    "words", [["projects"], ["backups", "Plant 7"], ["show", "Plant 7@latest"]]
)
def test_piped_answers_have_no_colour_and_no_trailing_space(
    backstay: Runner, words: list[str]
) -> None:
    text = backstay(*words).out
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if line != line.rstrip()] == []
