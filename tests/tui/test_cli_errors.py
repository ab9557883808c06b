"""Bad input on a real home: each has its exit code and its JSON error, and nothing is changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Runner

READING = [
    ["--json"],
    ["projects"],
    ["backups", "P"],
    ["show", "P@latest"],
    ["quote", "P@latest"],
    ["members", "P"],
    ["costs"],
    ["audit"],
    ["repository", "key"],
    ["status"],
    ["jobs"],
    ["jobs", "4f2a81c0", "--watch"],
    ["schedule", "P"],
]
CHANGING = [
    ["cleanup", "P"],
    ["cancel", "4f2a81c0"],
    ["schedule", "P", "--keep", "1", "--yes"],
    ["notify", "--test"],
    ["worker", "--once"],
    ["backup", "P"],
    ["restore", "P@latest", "--name", "Q", "--accept-cost", "49"],
    ["wake", "P"],
    ["stop", "P"],
    ["start", "P"],
    ["forget", "P"],
    ["delete", "P", "--confirm", "P"],
    ["members", "P", "add", "rui", "--role", "owner"],
    ["members", "P", "remove", "rui"],
]


# Every error of what was asked for says what to do next, not only that nothing was changed.
NEXT_STEP = re.compile(
    r"backstay |--accept-cost|Choose |Give |See |Mend |Name a |digits|type its name|somebody else"
)


@pytest.mark.parametrize("arguments", READING + CHANGING, ids=" ".join)
def test_a_home_that_is_not_there_is_told_and_not_made(
    nowhere: Runner, arguments: list[str]
) -> None:
    answer = nowhere(*arguments, "--json")
    assert answer.code == 4
    assert answer.error["name"] == "NotFound"
    assert "backstay demo" in answer.error["hint"]
    assert "backstay adopt" in answer.error["hint"]
    assert not nowhere.home.exists()


def test_the_price_that_was_not_accepted_is_given_to_scripts(backstay: Runner) -> None:
    quote = backstay("quote", "Plant 7@latest", "--json").json
    for given in ([], ["--accept-cost", "1"]):
        answer = backstay("restore", "Plant 7@latest", "--name", "Q", *given, "--json")
        assert answer.error["name"] == "PriceNotAccepted"
        assert answer.error["quote"] == quote
        assert answer.error["quote"]["creation_fee"] == "49.00"


def test_hints_name_the_project_that_was_asked_about(backstay: Runner, restored: str) -> None:
    answers = {
        "forget 'Plant 7'": backstay("delete", "plant 7", "--confirm", "Plant 7", "--json"),
        "delete 'Plant 7 restored'": backstay("forget", restored.upper(), "--json"),
        "members 'Plant 7'": backstay("members", "Plant 7", "remove", "nobody", "--json"),
    }
    for command, answer in answers.items():
        assert answer.error["hint"].endswith(f"backstay {command}")


def test_a_backup_that_fails_says_what_to_do_with_its_project_by_name(
    backstay: Runner, damaged: str
) -> None:
    hint = backstay("backup", damaged, "--json").error["hint"]
    assert hint.endswith(f"backstay backup {damaged} --without-damaged.")
    told = backstay("quote", f"{damaged}@latest", "--json").error["hint"]
    assert told == f"Take one now with: backstay backup {damaged}"


def test_a_wrong_use_is_told_with_where_to_look(backstay: Runner) -> None:
    for arguments, path in (
        (["backups"], "backstay backups --help"),
        (["members", "Plant 7", "add"], "backstay members --help"),
    ):
        assert backstay(*arguments, "--json").error["hint"].endswith(path)
        assert backstay(*arguments).err.endswith(f"{path}\n")


def test_an_error_is_told_in_words_with_what_to_do(nowhere: Runner) -> None:
    answer = nowhere("projects")
    assert answer.out == ""
    first, second, *others = answer.err.splitlines()
    assert first == f"Error: There is no home at {nowhere.home}."
    assert second.startswith("       Adopt a project with")
    assert others == []


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (["backups", "Nothing"], 4, "NotFound"),
        (["backup", "Nothing"], 4, "NotFound"),
        (["wake", "Nothing"], 4, "NotFound"),
        (["stop", "Nothing"], 4, "NotFound"),
        (["start", "Nothing"], 4, "NotFound"),
        (["forget", "Nothing"], 4, "NotFound"),
        (["members", "Nothing"], 4, "NotFound"),
        (["audit", "--project", "Nothing"], 4, "NotFound"),
        (["show", "ffffffffffff"], 4, "NotFound"),
        (["show", "Nothing@latest"], 4, "NotFound"),
        (["show", "Plant 7@yesterday"], 4, "NotFound"),
        (["quote", "ffffffffffff"], 4, "NotFound"),
        (["restore", "ffffffffffff", "--name", "Q"], 4, "NotFound"),
        (["adopt", "/", "--name", "Q"], 4, "NotAnInstance"),
        (["adopt", "INSTANCE", "--name", "Q"], 2, "Taken"),
        (["restore", "Plant 7@latest", "--name", "plant 7", "--accept-cost", "49"], 2, "Taken"),
        (["restore", "Plant 7@latest", "--name", "a/b", "--accept-cost", "49"], 2, "Invalid"),
        (["restore", "Plant 7@latest", "--name", "\x1b[2J", "--accept-cost", "49"], 2, "Invalid"),
        (["restore", "Plant 7@latest", "--name", "n" * 300, "--accept-cost", "49"], 2, "Invalid"),
        (["restore", "Plant 7@latest", "--name", "Q", "--accept-cost", "nan"], 2, "Invalid"),
        (["restore", "Plant 7@latest", "--name", "Q", "--accept-cost", "-49"], 2, "Invalid"),
        (["restore", "Plant 7@latest", "--name", "Q", "--accept-cost", ""], 2, "Invalid"),
        (["restore", "Plant 7@latest", "--name", "Q", "--accept-cost", "1"], 8, "PriceNotAccepted"),
        (["restore", "Plant 7@latest", "--name", "Q"], 8, "PriceNotAccepted"),
        (["wake", "Plant 7"], 2, "Invalid"),
        (["delete", "Plant 7", "--confirm", "Plant 7"], 2, "Invalid"),
        (["members", "Plant 7", "add", "-x", "--role", "owner"], 2, "Usage"),
        (["members", "Plant 7", "add", "a b", "--role", "owner"], 2, "Invalid"),
        (["members", "Plant 7", "remove", "nobody"], 4, "NotFound"),
        (["--as", "no such\nname", "projects"], 2, "Invalid"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None,
)
def test_bad_input_has_its_exit_code_and_its_error(
    backstay: Runner, instance: Path, arguments: list[str], code: int, name: str
) -> None:
    before = backstay("projects", "--json").json
    given = [str(instance) if each == "INSTANCE" else each for each in arguments]
    answer = backstay(*given, "--json")
    assert answer.code == code
    assert answer.error["name"] == name
    assert answer.error["message"]
    assert NEXT_STEP.search(answer.error["hint"]), answer.error["hint"]
    told = backstay(*given)
    assert told.code == code
    assert "Error: " in told.err
    assert "\x1b" not in told.err
    assert backstay("projects", "--json").json == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["backups", "Plant 7"],
        ["backup", "Plant 7"],
        ["show", "Plant 7@latest"],
        ["quote", "Plant 7@latest"],
        ["restore", "Plant 7@latest", "--name", "Q", "--accept-cost", "49"],
        ["members", "Plant 7"],
        ["members", "Plant 7", "add", "joao", "--role", "owner"],
        ["members", "Plant 7", "remove", "rui"],
        ["stop", "Plant 7"],
        ["start", "Plant 7"],
        ["wake", "Plant 7"],
        ["forget", "Plant 7"],
        ["delete", "Plant 7", "--confirm", "Plant 7"],
        ["audit", "--project", "Plant 7"],
        ["repository", "key"],
    ],
    ids=" ".join,
)
def test_a_collaborator_is_refused(backstay: Runner, arguments: list[str]) -> None:
    answer = backstay(*arguments, "--json", user="joao")
    assert answer.code == 3
    assert answer.error["name"] == "NotAllowed"
    assert backstay("backups", "Plant 7", "--json").json != []


def test_the_tokens_file_is_not_left_behind_by_a_restore_that_was_refused(
    backstay: Runner, tmp_path: Path
) -> None:
    file = tmp_path / "tokens.csv"
    answer = backstay(
        *("restore", "Plant 7@latest", "--name", "Q", "--accept-cost", "1"),
        *("--tokens-file", str(file), "--json"),
    )
    assert answer.error["name"] == "PriceNotAccepted"
    assert not file.exists()


def test_a_tokens_file_that_is_there_ends_it_before_anything_is_made(
    backstay: Runner, tmp_path: Path
) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text("precious")
    answer = backstay(
        *("restore", "Plant 7@latest", "--name", "Q", "--accept-cost", "49"),
        *("--tokens-file", str(file), "--json"),
    )
    assert (answer.code, answer.error["name"]) == (2, "Taken")
    assert file.read_text() == "precious"
    assert len(backstay("projects", "--json").json) == 1


def test_deleting_with_a_wrong_name_deletes_nothing(backstay: Runner, restored: str) -> None:
    answer = backstay("delete", restored, "--confirm", "Plant 7", "--json")
    assert (answer.code, answer.error["name"]) == (2, "Invalid")
    assert len(backstay("projects", "--json").json) == 2


@pytest.mark.parametrize("typed", ["", "\n", "not a key\n", "0" * 64 + "\n"])
def test_a_wrong_recovery_key_changes_nothing(backstay: Runner, typed: str) -> None:
    before = (backstay.home / "repository.key").read_bytes()
    answer = backstay("repository", "key", "--enter", "--json", stdin=typed)
    assert answer.code in (2, 6)
    assert answer.error["message"]
    assert (backstay.home / "repository.key").read_bytes() == before


def test_a_demo_is_not_made_where_something_else_is(backstay: Runner) -> None:
    before = sorted(backstay.home.iterdir())
    answer = backstay("demo", "--json")
    assert (answer.code, answer.error["name"]) == (2, "Taken")
    assert sorted(backstay.home.iterdir()) == before


def test_a_home_that_is_a_file_is_told(nowhere: Runner) -> None:
    nowhere.home.write_text("a file")
    answer = nowhere("projects", "--json")
    assert answer.code in (4, 7)
    assert answer.error["name"] != "Fault"
    assert nowhere.home.read_text() == "a file"


def test_settings_that_do_not_parse_are_told(backstay: Runner) -> None:
    (backstay.home / "backstay.toml").write_text("[prices\n")
    answer = backstay("projects", "--json")
    assert (answer.code, answer.error["name"]) == (2, "SettingsInvalid")


@pytest.mark.parametrize(
    "given",
    [
        ["/nonexistent", "--name", "Q"],
        ["/", "--name", "Q"],
        ["INSTANCE", "--name", "a/b"],
        ["INSTANCE", "--name", "Q", "--owner", "a b"],
        ["postgres://u:p@host/db", "--name", "Q"],
    ],
    ids=" ".join,
)
def test_an_adoption_that_fails_leaves_no_new_home(
    nowhere: Runner, instance: Path, given: list[str]
) -> None:
    answer = nowhere("adopt", *(str(instance) if each == "INSTANCE" else each for each in given))
    assert answer.code in (2, 4)
    assert "backups" not in answer.err.partition("Backstay backs up")[0]
    assert not nowhere.home.exists()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "mysql", "PostgreSQL"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_password_in_an_address_is_never_told(
    backstay: Runner, scheme: str, form: list[str]
) -> None:
    address = f"{scheme}://ursula:secretpw@db.example/tago"
    answer = backstay("adopt", address, "--name", "Q", *form)
    assert answer.code == 4
    assert "PostgreSQL" in answer.err
    for secret in ("ursula", "secretpw"):
        assert secret not in answer.err + answer.out
