"""backstay access: whom the account lets in, decided by the account that the home belongs to."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine import login_name

if TYPE_CHECKING:
    from conftest import Answer, Runner

ANA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBVmVmVmVmVmVmVmVmVmVmVmVmVmVmVmVmVmVmVmVmVm ana@laptop"
RUI = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIi rui"
KEEPER = login_name()
NOT_ALLOWED = 3
KEY_KEYS = {"user", "type", "fingerprint", "comment", "home"}


class Keys:
    """Commands about one file of keys, by the account that the home belongs to."""

    def __init__(self, run: Runner, folder: Path) -> None:
        self.run = run
        self.file = folder / "ssh" / "authorized_keys"
        self.public = folder / "ana.pub"
        self.public.write_text(f"{ANA}\n")

    def __call__(
        self, command: str, *arguments: str, user: str = KEEPER, stdin: str = ""
    ) -> Answer:
        """Run ``backstay access COMMAND``."""
        file = ("--file", str(self.file))
        return self.run("access", command, *arguments, *file, user=user, stdin=stdin)

    def audit(self) -> list[tuple[Any, ...]]:
        """User, action, verdict and detail of every line about keys."""
        lines = "SELECT user, action, verdict, detail FROM audit WHERE action LIKE '% key%'"
        with closing(sqlite3.connect(self.run.home / "catalog.db")) as catalog:
            return list(catalog.execute(f"{lines} ORDER BY number"))


@pytest.fixture
def access(backstay: Runner, tmp_path: Path) -> Keys:
    """Such commands for the prepared home."""
    return Keys(backstay, tmp_path)


def test_a_key_is_added_listed_and_removed(access: Keys, backstay: Runner) -> None:
    assert access("list").out.startswith("Nobody gets in yet.")
    added = access("add-key", "ana", str(access.public), "--json").json
    assert set(added) == KEY_KEYS
    assert (added["user"], added["comment"]) == ("ana", "ana@laptop")
    told = access("add-key", "rui", "-", stdin=RUI)
    assert told.code == 0
    assert "rui gets in with ssh-ed25519 SHA256:" in told.out
    assert str(access.file) in told.out
    keys = access("list", "--json").json
    assert [key["user"] for key in keys] == ["ana", "rui"]
    assert keys[0] == added
    assert added["fingerprint"] in access("list").out
    one = access("remove", "rui", "--key", keys[1]["fingerprint"], "--json").json
    assert one == [keys[1]]
    assert access("remove", "ana").out.startswith("1 key lets ana in no more.\n")
    assert access("remove", "ana").code == 4
    assert access("list", "--json").json == []
    assert access.audit() == [
        (KEEPER, "add key", "allowed", f"ana, {added['fingerprint']}"),
        (KEEPER, "add key", "allowed", f"rui, {keys[1]['fingerprint']}"),
        (KEEPER, "remove key", "allowed", f"rui, {keys[1]['fingerprint']}"),
        (KEEPER, "remove key", "allowed", f"ana, {added['fingerprint']}"),
    ]


def test_print_shows_the_line_and_writes_nothing(access: Keys, backstay: Runner) -> None:
    told = access("add-key", "ana", str(access.public), "--print")
    assert not access.file.exists()
    assert access.audit() == []
    line = told.out.removesuffix("\n")
    assert access("add-key", "ana", str(access.public), "--print", "--json").json == {"line": line}
    forced, _, key = line.removeprefix('restrict,pty,command="').rpartition('" ssh-')
    assert f"ssh-{key}" == ANA
    program = [sys.executable, "-I", "-X", "utf8", "-m", "tui"]
    home = ["--home", str(backstay.home)]
    assert shlex.split(forced) == [*program, *home, "session", "--as", "ana"]
    assert access("add-key", "ana", str(access.public)).code == 0
    assert line in access.file.read_text().splitlines()


@pytest.mark.parametrize("user", ["ana", "joao", "stranger"])
def test_only_the_account_of_the_home_may(access: Keys, user: str) -> None:
    assert access("add-key", "ana", str(access.public)).code == 0
    before, audited = access.file.read_bytes(), len(access.audit())
    tries = [
        ("list",),
        ("add-key", "eve", str(access.public)),
        ("add-key", "eve", str(access.public), "--print"),
        ("remove", "ana"),
    ]
    for words in tries:
        told = access(*words, "--json", user=user)
        assert told.error["name"] == "NotAllowed"
        assert told.code == NOT_ALLOWED
        assert KEEPER in told.error["hint"]
    assert access.file.read_bytes() == before
    refused = [line[:3] for line in access.audit()[audited:]]
    actions = ["see keys", "add key", "see keys", "remove key"]
    assert refused == [(user, action, "refused") for action in actions]


def test_a_key_under_the_name_of_the_account_is_refused(access: Keys) -> None:
    for more in ((), ("--print",)):
        told = access("add-key", KEEPER, str(access.public), "--json", *more)
        assert told.error["name"] == "Invalid"
        assert "whole home" in told.error["message"]
    assert not access.file.exists()


@pytest.mark.parametrize(
    ("user", "text", "said"),
    [
        ("ana", "rubbish", "not the type of a public key"),
        ("ana", f"{ANA}\n{RUI}", "2 lines where one key is wanted"),
        ("ana", "", "no key in what was given"),
        ("ana", "-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        ('ana" ssh-rsa', ANA, "cannot be a user's name"),
        ("-ana", ANA, "cannot be a user's name"),
        ("ana\nssh-rsa", ANA, "cannot be a user's name"),
    ],
)
def test_a_bad_key_or_name_changes_nothing(access: Keys, user: str, text: str, said: str) -> None:
    access.public.write_text(text)
    told = access.run(
        *("access", "add-key", "--json", "--file", str(access.file), "--"),
        *(user, str(access.public)),
        user=KEEPER,
    )
    assert said in told.error["message"]
    assert told.error["hint"]
    assert not access.file.exists()
    assert access.audit() == []


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ([sys.executable, "-I", "-m", "no_such_module"], "No module named no_such_module"),
        (["/no/such/python"], "No such file"),
        (["/bin/false"], "exit code 1"),
    ],
)
def test_a_line_that_would_let_nobody_in_is_not_written(
    access: Keys, monkeypatch: pytest.MonkeyPatch, program: list[str], why: str
) -> None:
    monkeypatch.setattr("tui.unit.program_words", lambda *, isolated: program)
    for more in ((), ("--print",)):
        told = access("add-key", "ana", str(access.public), "--json", *more)
        assert (told.code, told.error["name"]) == (1, "Failed")
        assert why in told.error["message"]
    assert not access.file.exists()


def test_a_key_that_lets_somebody_else_in_is_refused(access: Keys) -> None:
    assert access("add-key", "ana", str(access.public)).code == 0
    told = access("add-key", "rui", str(access.public), "--json")
    assert told.error["name"] == "Taken"
    assert [key["user"] for key in access("list", "--json").json] == ["ana"]
    assert len(access.audit()) == 1  # what was not done is not told of


def test_a_key_for_another_home_is_listed_with_it(access: Keys, backstay: Runner) -> None:
    assert access("add-key", "ana", str(access.public)).code == 0
    text = access.file.read_text()
    access.file.write_text(text.replace(str(backstay.home), "/srv/moved"))
    assert "/srv/moved" in access("list").out
    again = access("add-key", "ana", str(access.public))
    assert "lets ana in to /srv/moved already" in again.err
    assert access("remove", "ana").code == 0
    assert access("add-key", "ana", str(access.public)).code == 0
    assert "Home" not in access("list").out


def test_a_file_that_cannot_be_read_is_told(access: Keys, tmp_path: Path) -> None:
    told = access("add-key", "ana", str(tmp_path / "nothing.pub"), "--json")
    assert "No such file" in told.error["message"]
    access.public.write_bytes(b"\xff\xfe")
    assert (
        "it is no text" in access("add-key", "ana", str(access.public), "--json").error["message"]
    )


def test_without_a_file_it_is_that_of_the_account(
    backstay: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pwd

    entry = pwd.getpwuid(os.getuid())
    account = pwd.struct_passwd((*entry[:5], str(tmp_path / "account"), entry[6]))
    monkeypatch.setattr("tui.keys_file.pwd.getpwuid", lambda _: account)
    monkeypatch.setenv("HOME", "/nowhere")
    (tmp_path / "account").mkdir(mode=0o700)
    told = backstay("access", "add-key", "ana", "-", "--json", user=KEEPER, stdin=ANA)
    assert told.code == 0, told.err
    assert json.loads(told.out)["user"] == "ana"
    assert (tmp_path / "account" / ".ssh" / "authorized_keys").stat().st_mode & 0o777 == 0o600
