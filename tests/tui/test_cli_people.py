"""Inviting people, and looking through the audit trail, from the command line."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import engine.catalog.audit
import tui.commands.audit
from engine import Verdict

if TYPE_CHECKING:
    from conftest import Runner

    from engine.catalog.audit import Audit


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
    whole = backstay("audit", "--json").json
    assert backstay("audit", "--last", "2", "--json").json == whole[:2]
    assert len(backstay("audit", "--last", "2").out.splitlines()) == 3
    assert backstay("audit", "--last", "0").code == 2


def test_a_long_trail_is_cut_where_it_is_for_people(
    backstay: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = backstay("audit", "--json").json
    assert "newest" not in backstay("audit").out
    monkeypatch.setattr(tui.commands.audit, "_MOST", len(whole) - 1)
    told = backstay("audit").out.splitlines()
    assert told[-1].startswith(f"These are the newest {len(whole) - 1}.")
    assert len(told) == len(whole) + 2
    assert backstay("audit", "--json").json == whole


def test_lines_that_are_added_while_the_trail_is_checked_are_no_damage(
    backstay: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in ("eve", "max", "zoe"):
        backstay("members", "Plant 7", "add", user, "--role", "collaborator")
    whole = backstay("audit", "--check", "--json").json
    monkeypatch.setattr(engine.catalog.audit, "_PART", 2)
    real = engine.catalog.audit.Audit._part

    async def part(self: Audit, after: int, last: int) -> Any:
        lines = await real(self, after, last)
        await self.add(datetime.now(UTC), "eve", "stop", Verdict.REFUSED)
        return lines

    monkeypatch.setattr(engine.catalog.audit.Audit, "_part", part)
    assert backstay("audit", "--check", "--json").json == whole
    monkeypatch.undo()
    assert backstay("audit", "--check", "--json").json["lines"] > whole["lines"]


AGAIN = (
    "INSERT INTO audit SELECT 6, at, user, action, project, project_name, verdict, detail, seal"
    " FROM audit WHERE number = 5"
)


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("DELETE FROM audit WHERE number = 1", "line 1 is missing"),
        ("DELETE FROM audit WHERE number = 3", "line 3 is missing"),
        ("DELETE FROM audit WHERE number > 3", "2 of the last lines are missing"),
        ("UPDATE audit SET user = 'eve' WHERE number = 2", "line 2, of "),
        ("UPDATE audit SET detail = substr(detail, 2) WHERE number = 5", "line 5, of "),
        ("UPDATE audit SET at = replace(at, '20', '19') WHERE number = 4", "line 4, of "),
        ("UPDATE audit SET seal = NULL WHERE number = 4", "line 4, of "),
        (AGAIN, "line 6, of "),
        ("UPDATE sqlite_sequence SET seq = 4 WHERE name = 'audit'", "only 4 were written"),
    ],
)
def test_a_trail_that_was_changed_is_told(backstay: Runner, deed: str, said: str) -> None:
    for user in ("eve", "max", "zoe"):
        backstay("members", "Plant 7", "add", user, "--role", "collaborator")
    number = backstay("audit", "--check", "--json").json["lines"]
    assert number >= 5
    tamper(backstay, f"DELETE FROM audit WHERE number > 5; {UNTOUCHED}")
    assert backstay("audit", "--check").code == 0
    tamper(backstay, deed)
    broken = backstay("audit", "--check")
    assert (broken.code, broken.err) == (6, "")
    assert said in broken.out
    told = backstay("audit", "--check", "--json")
    assert told.code == 6
    assert json.loads(told.out)["ok"] is False


UNTOUCHED = "UPDATE sqlite_sequence SET seq = 5 WHERE name = 'audit'"


def tamper(backstay: Runner, deed: str) -> None:
    """Change the trail behind Backstay's back, as who can write the catalog can."""
    with closing(sqlite3.connect(backstay.home / "catalog.db")) as database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.executescript(deed)


def test_a_seal_that_was_kept_shows_a_trail_that_was_written_anew(backstay: Runner) -> None:
    kept = backstay("audit", "--check", "--json").json
    assert kept["ok"]
    seal = ("--seal", kept["seal"])
    assert kept["seal"] in backstay("audit", "--check").out
    backstay("stop", "Plant 7")
    assert backstay("audit", "--check", *seal, "--json").json["kept_line"] == kept["lines"]
    assert f"that of line {kept['lines']}." in backstay("audit", "--check", *seal).out
    # Without seals it looks like one from before there were any; the next line seals it anew.
    tamper(backstay, "UPDATE audit SET seal = NULL; UPDATE audit SET user = 'eve' WHERE number = 1")
    backstay("start", "Plant 7")
    assert backstay("audit", "--check").code == 0
    anew = backstay("audit", "--check", *seal)
    assert anew.code == 6
    assert "no line has the seal that was kept" in anew.out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--check", "--refused"), 2),
        (("--check", "--user", "ana"), 2),
        (("--allowed", "--refused"), 2),
        (("--seal", "0" * 64), 2),
        (("--check", "--seal", "0" * 63), 2),
        (("--check", "--seal", "0" * 64), 6),
        (("--check", "--seal", ""), 2),
    ],
)
def test_what_cannot_be_asked_of_the_trail(
    backstay: Runner, words: tuple[str, ...], code: int
) -> None:
    assert backstay("audit", *words).code == code
    assert backstay("audit", "--check", user="joao").code == 3
