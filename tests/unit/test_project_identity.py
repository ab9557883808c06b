"""A restored main database becomes a new project's: its tokens, references and code."""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import RepositoryDamaged, StorageFailed
from engine.model import MissingCode
from engine.project.identity import Renewed, renew_main, renew_plugin_storage, verify_rows
from engine.project.maindb import copy_main, copy_plugin_storage

DATA = Path(__file__).parents[1] / "data"
FACTS = json.loads((DATA / "instance.json").read_text())
REAL = DATA / "instance" / "PluginFiles" / "0810916b6ca256fb25afbe19b4f83b23" / "data.db"
PREFIX = "mark-5d0e77aa91"
FREEZER = FACTS["devices"][0]
WEATHER = FACTS["devices"][2]
TOKEN = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def backed_up(tmp_path: Path, *changes: tuple[str, tuple[object, ...]]) -> Path:
    """A copy as a backup holds it, of the real instance with some changes made to it."""
    shutil.copy(REAL, tmp_path / "source.db")
    copy = tmp_path / "restored.db"
    with closing(sqlite3.connect(tmp_path / "source.db", isolation_level=None)) as source:
        for change in changes:
            source.execute(*change)
        copy_main(source, copy, PREFIX)
    return copy


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def new_of(renewed: Renewed, device: str, name: str) -> str:
    (token,) = [t.token for t in renewed.tokens if (t.device, t.name) == (device, name)]
    return token


def test_every_device_token_is_new_and_keeps_what_it_was_for(tmp_path: Path) -> None:
    copy = backed_up(tmp_path)
    others = "name, permission, expire_time, device_id, network_id, serie_number, created_at"
    before = rows(REAL, f"SELECT rowid, {others} FROM device_token")
    renewed = renew_main(copy, PREFIX)
    assert rows(copy, f"SELECT rowid, {others} FROM device_token ORDER BY rowid") == before
    stored = [token for (token,) in rows(copy, "SELECT token FROM device_token ORDER BY rowid")]
    assert stored == [token.token for token in renewed.tokens]
    assert all(TOKEN.fullmatch(str(token)) for token in stored)
    old = {str(token) for (token,) in rows(REAL, "SELECT token FROM device_token")}
    assert len(set(stored)) == 7
    assert old.isdisjoint(map(str, stored))
    assert [(t.device_name, t.name, t.permission) for t in renewed.tokens][4:] == [
        ("Freezer mutable", "read tok", "read"),
        ("Freezer mutable", "write tok", "write"),
        ("Freezer mutable", "full tok", "full"),
    ]


def test_restoring_twice_gives_two_sets_of_tokens(tmp_path: Path) -> None:
    copy = backed_up(tmp_path)
    shutil.copy(copy, tmp_path / "second.db")
    first, second = renew_main(copy, PREFIX), renew_main(tmp_path / "second.db", PREFIX)
    assert {t.token for t in first.tokens}.isdisjoint(t.token for t in second.tokens)


def test_references_follow_wherever_they_stand(tmp_path: Path) -> None:
    token = FREEZER["token"]
    copy = backed_up(
        tmp_path,
        ("UPDATE analysis SET variables = ?", (f'[{{"key":"T","value":"{token}"}}]',)),
        ("UPDATE device SET tags = ?", (f'[{{"key":"t","value":"{token.upper()}"}}]',)),
        ("UPDATE device_params SET value = ?", (f"a {token} b",)),
        ("UPDATE account SET password_hint = ?", (b"\xff" + token.encode(),)),
        ("CREATE TABLE sessions (a text, b text, PRIMARY KEY (b, a)) WITHOUT ROWID", ()),
        ("INSERT INTO sessions VALUES ('x', ?)", (token,)),
        ("CREATE TABLE broken (v text)", ()),
        ("INSERT INTO broken VALUES (CAST(? AS TEXT))", (b"\xfe" + token.encode(),)),
    )
    renewed = renew_main(copy, PREFIX)
    new = new_of(renewed, FREEZER["id"], "Default")
    assert rows(copy, "SELECT variables FROM analysis") == [(f'[{{"key":"T","value":"{new}"}}]',)]
    assert rows(copy, "SELECT DISTINCT tags FROM device") == [(f'[{{"key":"t","value":"{new}"}}]',)]
    assert rows(copy, "SELECT DISTINCT value FROM device_params") == [(f"a {new} b",)]
    assert rows(copy, "SELECT password_hint FROM account") == [(b"\xff" + new.encode(),)]
    assert rows(copy, "SELECT * FROM sessions") == [("x", new)]
    broken = "SELECT typeof(v), CAST(v AS BLOB) FROM broken"
    assert rows(copy, broken) == [("text", b"\xfe" + new.encode())]
    fallback = (
        "SELECT json_extract(action, '$.fallback_token') FROM action WHERE name = 'Fwd by tag'"
    )
    assert rows(copy, fallback) == [(new_of(renewed, WEATHER["id"], "Default"),)]
    assert PREFIX.encode() not in b"".join(
        str(row).encode() for row in rows(copy, "SELECT * FROM action")
    )


def test_references_to_tokens_that_are_gone_are_empty_and_told(tmp_path: Path) -> None:
    gone = "99999999-8888-4777-8666-555555555555"
    copy = backed_up(
        tmp_path,
        (
            "UPDATE action SET action = ? WHERE type = 'interval'",
            (f'{{"fallback_token":"{gone}"}}',),
        ),
        ("UPDATE analysis SET variables = ?", (f'["{FACTS["account_token"]}"]',)),
    )
    renewed = renew_main(copy, PREFIX)
    assert rows(copy, "SELECT action FROM action WHERE type = 'interval'") == [
        ('{"fallback_token":""}',)
    ]
    assert rows(copy, "SELECT variables FROM analysis") == [('[""]',)]
    told = [note for note in renewed.notes if "empty there now" in note]
    assert len(told) == 2
    assert any('"Every hour"' in note for note in told)
    assert any('"Daily report"' in note for note in told)


def test_no_mark_is_left_in_any_row(tmp_path: Path) -> None:
    copy = backed_up(tmp_path)
    renew_main(copy, PREFIX)
    with closing(sqlite3.connect(copy)) as connection:
        assert not [line for line in connection.iterdump() if PREFIX in line]


def test_accounts_stay_and_nobody_is_logged_in(tmp_path: Path) -> None:
    copy = backed_up(tmp_path)
    with closing(sqlite3.connect(copy)) as connection:  # as a backup of another kind might hold
        connection.execute("INSERT INTO account_token (token) VALUES ('x')")
        connection.commit()
    renew_main(copy, PREFIX)
    assert rows(copy, "SELECT * FROM account") == rows(REAL, "SELECT * FROM account")
    assert rows(copy, "SELECT * FROM account_token") == []


def test_code_is_cleared_and_listed(tmp_path: Path) -> None:
    copy = backed_up(tmp_path)
    renewed = renew_main(copy, PREFIX)
    assert rows(copy, "SELECT file_path, binary_path FROM analysis") == [(None, None)]
    assert rows(copy, "SELECT DISTINCT payload_parser FROM device") == [(None,)]
    assert renewed.analyses_without_code == (
        MissingCode(FACTS["analysis"], "Daily report", "/srv/tagocore/code/analysis.js"),
    )
    parsed = FACTS["devices"][3]
    assert renewed.parsers_without_code == (
        MissingCode(parsed["id"], parsed["name"], "/srv/tagocore/code/parser.js"),
    )
    assert any("/usr/bin/node" in note for note in renewed.notes)


def test_an_analysis_that_is_a_program_of_its_own_is_listed(tmp_path: Path) -> None:
    copy = backed_up(tmp_path, ("UPDATE analysis SET file_path = '', binary_path = '/opt/x'", ()))
    assert renew_main(copy, PREFIX).analyses_without_code[0].path == "/opt/x"


def test_an_analysis_without_code_is_not_listed(tmp_path: Path) -> None:
    copy = backed_up(tmp_path, ("UPDATE analysis SET file_path = NULL, binary_path = ''", ()))
    assert renew_main(copy, PREFIX).analyses_without_code == ()


def test_a_renewed_database_is_sound_and_quiet(tmp_path: Path) -> None:
    copy = backed_up(tmp_path)
    renewed = renew_main(copy, PREFIX)
    assert rows(copy, "PRAGMA integrity_check") == [("ok",)]
    assert rows(copy, "PRAGMA foreign_key_check") == []
    assert rows(copy, "SELECT count(*) FROM action WHERE active <> 0") == [(0,)]
    assert len(renewed.held) == 4
    assert sorted(file.name for file in tmp_path.iterdir()) == ["restored.db", "source.db"]


def test_an_older_database_without_most_columns(tmp_path: Path) -> None:
    old, copy = tmp_path / "old.db", tmp_path / "restored.db"
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript(
            "CREATE TABLE device_token (device_id text, token text);"
            "CREATE TABLE device (name text, id text);"
            "CREATE TABLE analysis (file_path text, id text);"
            "INSERT INTO device VALUES ('Cold store', 'd1');"
            f"INSERT INTO device_token VALUES ('d1', '{FREEZER['token']}'), ('d1', NULL);"
            "INSERT INTO analysis VALUES ('/a.js', 'a1');"
        )
        copy_main(connection, copy, PREFIX)
    renewed = renew_main(copy, PREFIX)
    (token,) = renewed.tokens
    assert (token.device_name, token.name, token.permission) == ("Cold store", "", "")
    assert rows(copy, "SELECT token FROM device_token") == [(token.token,), (None,)]
    assert renewed.analyses_without_code == (MissingCode("a1", "", "/a.js"),)
    assert renewed.held == ()


def test_settings_and_plugin_storage_get_the_new_tokens(tmp_path: Path) -> None:
    shutil.copy(REAL, tmp_path / "source.db")
    plugin, stored = tmp_path / "plugin.db", tmp_path / "stored.db"
    with closing(sqlite3.connect(plugin)) as connection:
        connection.execute("CREATE TABLE storage (key text primary key, type text, value blob)")
        connection.execute(
            "INSERT INTO storage VALUES ('k', 'string', ?)", (FREEZER["token"].encode(),)
        )
        connection.commit()
        with closing(sqlite3.connect(tmp_path / "source.db")) as source:
            facts = copy_main(source, tmp_path / "restored.db", PREFIX)
        copy_plugin_storage(connection, stored, facts.scrub)
    renewed = renew_main(tmp_path / "restored.db", PREFIX)
    new = new_of(renewed, FREEZER["id"], "Default")
    assert renewed.follow(facts.scrub(f"x {FREEZER['token']}")) == f"x {new}"
    renew_plugin_storage(stored, renewed.follow)
    assert rows(stored, "SELECT value FROM storage") == [(new.encode(),)]


def test_a_failure_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    copy = backed_up(tmp_path)
    before = copy.read_bytes()

    class Stop(Exception):
        pass

    def stop_at_the_third(made: list[int] = []) -> str:  # noqa: B006  # counts its calls
        made.append(1)
        if len(made) == 3:
            raise Stop
        return f"new-{len(made)}"

    with pytest.raises(Stop):
        renew_main(copy, PREFIX, make_token=stop_at_the_third)
    assert copy.read_bytes() == before


def test_what_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("nothing like a database, though it is long enough" * 20)
    with pytest.raises(RepositoryDamaged):
        renew_main(tmp_path / "x.db", PREFIX)
    with pytest.raises(StorageFailed):
        renew_main(tmp_path / "absent.db", PREFIX)
    assert not (tmp_path / "absent.db").exists()


def test_rows_are_verified_against_those_of_the_backup(tmp_path: Path) -> None:
    shutil.copy(REAL, tmp_path / "source.db")
    with closing(sqlite3.connect(tmp_path / "source.db")) as source:
        facts = copy_main(source, tmp_path / "restored.db", PREFIX)
    renew_main(tmp_path / "restored.db", PREFIX)
    with closing(sqlite3.connect(tmp_path / "restored.db", isolation_level=None)) as restored:
        verify_rows(restored, facts.rows)
        with pytest.raises(RepositoryDamaged, match=r'"gone" of data.db cannot be read'):
            verify_rows(restored, (("gone", 1),))
        restored.execute("DELETE FROM device_params WHERE rowid = 1")
        with pytest.raises(
            RepositoryDamaged, match=r'"device_params" of data.db has 1 rows; 2 were'
        ):
            verify_rows(restored, facts.rows)
