"""Inviting people, and looking through the audit trail, from the command line."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Runner


def test_somebody_is_invited_and_accepts(backstay: Runner) -> None:
    told = backstay("members", "Plant 7", "invite", "eve", "--role", "owner").out
    assert told.startswith("eve is invited to be an owner of Plant 7.\n")
    assert "Invited by ana: eve, as owner." in told
    assert backstay("backups", "Plant 7", user="eve").code == 4
    seen = backstay("projects", user="eve").out
    assert "ana invites you to be an owner of Plant 7." in seen
    assert "members 'Plant 7' accept" in seen
    accepted = backstay("members", "Plant 7", "accept", user="eve").out
    assert accepted.startswith("You are an owner of Plant 7.\n")
    assert backstay("backups", "Plant 7", user="eve").code == 0
    assert backstay("members", "Plant 7", "--json").json["invited"] == []


def test_an_invitation_is_declined_or_withdrawn(backstay: Runner) -> None:
    for user in ("eve", "max"):
        backstay("members", "Plant 7", "invite", user, "--role", "collaborator")
    invited = backstay("members", "Plant 7", "--json").json["invited"]
    assert [each["user"] for each in invited] == ["eve", "max"]
    declined = backstay("members", "Plant 7", "decline", user="eve").out
    assert declined == "You declined to be a collaborator of Plant 7.\n"
    withdrawn = backstay("members", "Plant 7", "withdraw", "max").out
    assert withdrawn.startswith("max is no longer invited to Plant 7.\n")
    for user in ("eve", "max"):
        refused = backstay("members", "Plant 7", "accept", "--json", user=user)
        assert refused.code == 4
        assert "You are not invited" in refused.error["message"]


@pytest.mark.parametrize(
    "words",
    [
        ["invite"],
        ["invite", "eve"],
        ["withdraw"],
        ["accept", "eve"],
        ["accept", "--role", "owner"],
        ["invite", "eve", "--role", "king"],
        ["promote", "eve"],
    ],
)
def test_words_that_do_not_go_together_are_a_mistake_of_usage(
    backstay: Runner, words: list[str]
) -> None:
    assert backstay("members", "Plant 7", *words).code == 2


def test_the_audit_trail_is_filtered(backstay: Runner) -> None:
    backstay("stop", "Plant 7")
    backstay("backups", "Plant 7", user="joao")
    refused = backstay("audit", "--refused", "--json").json
    assert {line["verdict"] for line in refused} == {"refused"}
    assert backstay("audit", "--until", "2001-01-01", "--json").json == []
    assert backstay("audit", "--since", "2999-01-01T00:00", "--json").json == []
    assert len(backstay("audit", "--since", "2001-01-01", "--json").json) > len(refused)
    assert backstay("audit", "--since", "yesterday").code == 2


def test_a_trail_that_was_changed_is_told(backstay: Runner) -> None:
    whole = backstay("audit", "--check", "--json").json
    assert whole["ok"]
    assert whole["seal"] in backstay("audit", "--check").out
    assert backstay("audit", "--check", "--refused").code == 2
    assert backstay("audit", "--check", user="joao").code == 3
    with closing(sqlite3.connect(backstay.home / "catalog.db")) as database:
        database.execute("DROP TRIGGER audit_is_never_removed")
        database.execute("DELETE FROM audit WHERE number = 1")
        database.commit()
    broken = backstay("audit", "--check")
    assert broken.code == 6
    assert "line 1 is missing" in broken.out
