"""The copy of a main database: everything that belongs in a backup, and no token anywhere."""

import json
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import SourceDamaged, StorageFailed
from engine.project.maindb import MainFacts, copy_main, copy_plugin_storage

DATA = Path(__file__).parents[1] / "data"
FACTS = json.loads((DATA / "instance.json").read_text())
PREFIX = "mark-5d0e77aa91"
REAL = DATA / "instance" / "PluginFiles" / "0810916b6ca256fb25afbe19b4f83b23" / "data.db"
DEVICE_TOKENS = [
    *(device["token"] for device in FACTS["devices"]),
    FACTS["read_token"],
    FACTS["write_token"],
    FACTS["full_token"],
]
FREEZER = FACTS["devices"][0]["token"]
GONE = "99999999-8888-4777-8666-555555555555"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    shutil.copy(REAL, tmp_path / "source.db")
    with closing(sqlite3.connect(tmp_path / "source.db", isolation_level=None)) as connection:
        yield connection


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def schema(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()


def typed(
    connection: sqlite3.Connection, table: str, columns: list[str]
) -> list[tuple[object, ...]]:
    """Every row with its number, and the exact bytes and type of each value."""
    exact = ", ".join(f'typeof("{column}"), quote(CAST("{column}" AS BLOB))' for column in columns)
    return connection.execute(f'SELECT rowid, {exact} FROM "{table}" ORDER BY rowid').fetchall()


def test_the_facts_of_the_real_instance(source: sqlite3.Connection, target: Path) -> None:
    facts = copy_main(source, target, PREFIX)
    assert [(device.id, device.name, device.type) for device in facts.devices] == [
        (device["id"], device["name"], device["type"]) for device in FACTS["devices"]
    ]
    assert (facts.actions, facts.analyses, facts.accounts) == (4, 1, 1)
    counts = dict(facts.rows)
    assert counts["device_token"] == 7
    assert counts["analysis_log"] == counts["account_token"] == 0
    assert facts.notes == ()


def test_no_token_and_no_log_is_in_the_bytes(source: sqlite3.Connection, target: Path) -> None:
    messages = [message for (message,) in source.execute("SELECT message FROM analysis_log")]
    copy_main(source, target, PREFIX)
    raw = target.read_bytes()
    for token in (*DEVICE_TOKENS, FACTS["account_token"]):
        assert token.encode() in REAL.read_bytes()
        assert token.encode() not in raw
        assert token.upper().encode() not in raw
    assert messages
    for message in messages:
        assert message.encode() not in raw
    assert (DATA / "instance/code/analysis.js").read_bytes() not in raw


def test_what_was_deleted_in_the_source_is_not_in_the_bytes(
    source: sqlite3.Connection, target: Path
) -> None:
    source.execute("PRAGMA secure_delete=OFF")
    canary = "a-secret-that-was-deleted-" * 200
    source.execute("INSERT INTO device_params (id, value) VALUES ('x', ?)", (canary,))
    source.execute("DELETE FROM device_params WHERE id = 'x'")
    source.execute("DELETE FROM device_token WHERE token = ?", (FREEZER,))
    source_file = Path(source.execute("PRAGMA database_list").fetchone()[2])
    assert b"a-secret-that-was-deleted-" in source_file.read_bytes()
    copy_main(source, target, PREFIX)
    assert b"a-secret-that-was-deleted-" not in target.read_bytes()
    assert FREEZER.encode() not in target.read_bytes()


def test_everything_else_is_as_in_the_source(source: sqlite3.Connection, target: Path) -> None:
    copy_main(source, target, PREFIX)
    with closing(sqlite3.connect(target)) as copy:
        assert schema(copy) == schema(source)
        for table in ("migrations", "analysis", "statistic", "device", "device_params", "account"):
            columns = [row[1] for row in source.execute(f"PRAGMA table_info({table})")]
            assert typed(copy, table, columns) == typed(source, table, columns)
        assert copy.execute("SELECT rowid, * FROM sqlite_sequence").fetchall() == (
            source.execute("SELECT rowid, * FROM sqlite_sequence").fetchall()
        )
        others = "name, permission, expire_time, device_id, serie_number, created_at"
        assert copy.execute(f"SELECT rowid, {others} FROM device_token").fetchall() == (
            source.execute(f"SELECT rowid, {others} FROM device_token").fetchall()
        )
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("PRAGMA foreign_key_check").fetchall() == []


def test_marks_carry_the_row_number_of_their_token(
    source: sqlite3.Connection, target: Path
) -> None:
    source.execute("UPDATE device_token SET rowid = 70 WHERE token = ?", (FREEZER,))
    copy_main(source, target, PREFIX)
    assert rows(target, "SELECT rowid, token FROM device_token WHERE rowid >= 7") == [
        (7, f"{PREFIX}-7-token"),
        (70, f"{PREFIX}-70-token"),
    ]


def test_the_same_source_gives_the_same_bytes(
    source: sqlite3.Connection, target: Path, tmp_path: Path
) -> None:
    copy_main(source, target, PREFIX)
    again = tmp_path / "again.db"
    copy_main(source, again, PREFIX)
    assert again.read_bytes() == target.read_bytes()
    # and on another run of the interpreter, where hashes and addresses differ
    script = (
        "import sqlite3, sys\nfrom pathlib import Path\n"
        "from engine.project.maindb import copy_main\n"
        "copy_main(sqlite3.connect(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])\n"
    )
    other = tmp_path / "other.db"
    subprocess.run(
        [sys.executable, "-c", script, str(REAL), str(other), PREFIX],
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert other.read_bytes() == target.read_bytes()


def test_the_source_is_not_changed(source: sqlite3.Connection, target: Path) -> None:
    file = Path(source.execute("PRAGMA database_list").fetchone()[2])
    before = file.read_bytes()
    copy_main(source, target, PREFIX)
    assert file.read_bytes() == before
    assert source.text_factory is str


@pytest.mark.parametrize("umask", [0, 0o277])
def test_the_copy_is_private_whatever_the_umask(
    source: sqlite3.Connection, target: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        copy_main(source, target, PREFIX)
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_file_in_the_way_is_refused_and_kept(source: sqlite3.Connection, target: Path) -> None:
    target.write_text("mine")
    with pytest.raises(StorageFailed):
        copy_main(source, target, PREFIX)
    assert target.read_text() == "mine"


# --- tokens in unlikely places -------------------------------------------------------------------


def hidden(source: sqlite3.Connection, target: Path) -> tuple[MainFacts, bytes]:
    facts = copy_main(source, target, PREFIX)
    return facts, target.read_bytes().lower()


def test_tokens_in_json_tags_parameters_and_names(source: sqlite3.Connection, target: Path) -> None:
    token, account = FREEZER, FACTS["account_token"]
    source.execute(
        "UPDATE analysis SET variables = ?", (json.dumps([{"key": "T", "value": token}]),)
    )
    source.execute("UPDATE analysis SET name = ?", (f"log in as {account.upper()}",))
    source.execute("UPDATE device SET tags = ?", (f'[{{"key":"{token.upper()}","value":"x"}}]',))
    source.execute("UPDATE device_params SET value = ?, key = ?", (token, f"x{account}y"))
    source.execute("UPDATE action SET action = ?", (f'{{"headers":{{"a":"Bearer {token}"}}}}',))
    source.execute("UPDATE account SET password_hint = ?", (token,))
    source.execute("UPDATE statistic SET input = ?", (token.encode(),))
    source.execute("UPDATE device SET encoder_stack = CAST(? AS TEXT)", (b"\xff" + token.encode(),))
    _, raw = hidden(source, target)
    assert token.encode() not in raw
    assert account.encode() not in raw
    assert rows(target, "SELECT variables FROM analysis") == [
        (f'[{{"key": "T", "value": "{PREFIX}-1-token"}}]',)
    ]
    assert rows(target, "SELECT CAST(encoder_stack AS BLOB) FROM device LIMIT 1") == [
        (b"\xff" + f"{PREFIX}-1-token".encode(),)
    ]


def test_a_fallback_token_is_a_mark_and_a_lost_one_is_told(
    source: sqlite3.Connection, target: Path
) -> None:
    source.execute(
        "UPDATE action SET action = ? WHERE name = 'Every hour'",
        (f'{{"type":"post","fallback_token" : "{GONE}"}}',),
    )
    facts, raw = hidden(source, target)
    assert GONE.encode() not in raw
    (note,) = facts.notes
    assert '"Every hour"' in note
    assert GONE not in note
    found = "SELECT name, json_extract(action, '$.fallback_token') FROM action"
    assert rows(target, f"{found} WHERE action LIKE '%fallback%'") == [
        ("Fwd by tag", f"{PREFIX}-3-token"),
        ("Every hour", f"{PREFIX}-0-unknown"),
    ]


def test_the_last_authorization_is_left_out(source: sqlite3.Connection, target: Path) -> None:
    source.execute("UPDATE device_token SET last_authorization = 'Token 0b6705db...'")
    _, raw = hidden(source, target)
    assert b"0b6705db" not in raw
    assert rows(target, "SELECT DISTINCT last_authorization FROM device_token") == [(None,)]


def test_tokens_that_are_no_uuids(source: sqlite3.Connection, target: Path) -> None:
    source.execute("UPDATE device_token SET token = 'an-old-token-42' WHERE rowid = 1")
    source.execute("UPDATE device_token SET token = 'full' WHERE rowid = 2")
    source.execute(
        "UPDATE device_token SET token = CAST('blob-token-0001' AS BLOB) WHERE rowid = 4"
    )
    source.execute("UPDATE device SET name = 'uses AN-OLD-token-42'")
    facts, raw = hidden(source, target)
    assert b"an-old-token-42" not in raw
    assert b"blob-token-0001" not in raw
    assert rows(target, "SELECT token, permission FROM device_token WHERE rowid <= 2") == [
        (f"{PREFIX}-1-token", "full"),
        (f"{PREFIX}-2-token", "full"),
    ]
    assert any("shorter" in note for note in facts.notes)


def test_tokens_that_differ_only_in_case_keep_a_row_each(
    source: sqlite3.Connection, target: Path
) -> None:
    source.execute("UPDATE device_token SET token = ? WHERE rowid = 5", (FREEZER.upper(),))
    hidden(source, target)
    assert rows(target, "SELECT token FROM device_token WHERE rowid IN (1, 5)") == [
        (f"{PREFIX}-1-token",),
        (f"{PREFIX}-5-token",),
    ]


def test_tables_named_in_another_case_are_the_same_tables(
    source: sqlite3.Connection, target: Path
) -> None:
    source.execute("ALTER TABLE account_token RENAME TO x")
    source.execute("ALTER TABLE x RENAME TO Account_Token")
    source.execute("ALTER TABLE device_token RENAME COLUMN token TO Token")
    _, raw = hidden(source, target)
    assert FACTS["account_token"].encode() not in raw
    assert rows(target, "SELECT count(*) FROM account_token") == [(0,)]
    assert FREEZER.encode() not in raw


def test_the_scrubber_cleans_other_text_and_plugin_storage(
    source: sqlite3.Connection, target: Path, tmp_path: Path
) -> None:
    facts = copy_main(source, target, PREFIX)
    assert facts.scrub(f"password: {FREEZER.upper()}") == f"password: {PREFIX}-1-token"
    with closing(sqlite3.connect(tmp_path / "plugin.db")) as plugin:
        plugin.execute("CREATE TABLE storage (`key` text primary key, type text, value blob)")
        value = b'{"token":"' + FREEZER.encode() + b'"}'
        plugin.execute("INSERT INTO storage VALUES (?, 'object', ?)", (f"for {FREEZER}", value))
        plugin.execute("INSERT INTO storage VALUES ('plain', 'string', ?)", (b"\x00\xfe",))
        plugin.commit()
        copy_plugin_storage(plugin, tmp_path / "plugin-copy.db", facts.scrub)
    assert FREEZER.encode() not in (tmp_path / "plugin-copy.db").read_bytes()
    assert rows(tmp_path / "plugin-copy.db", "SELECT * FROM storage") == [
        (f"for {PREFIX}-1-token", "object", b'{"token":"' + f'{PREFIX}-1-token"}}'.encode()),
        ("plain", "string", b"\x00\xfe"),
    ]


def test_the_facts_cross_to_other_processes(source: sqlite3.Connection, target: Path) -> None:
    facts = copy_main(source, target, PREFIX)
    again = pickle.loads(pickle.dumps(facts))  # noqa: S301  # our own
    assert again.devices == facts.devices
    assert again.scrub(FREEZER) == f"{PREFIX}-1-token"


# --- other databases than TagoCore 0.7.0's -------------------------------------------------------


def test_columns_in_another_order_and_columns_that_are_missing(target: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as old:
        old.executescript(
            "CREATE TABLE device_token (device_id text, created_at integer, token text);"
            "CREATE TABLE account_token (token text);"
            "CREATE TABLE device (name text, id text);"
            "CREATE TABLE action (action json, id text);"
        )
        old.execute("INSERT INTO device_token VALUES ('d1', 5, ?)", (FREEZER,))
        old.execute("INSERT INTO device VALUES ('Cold store', 'd1')")
        old.execute("INSERT INTO action VALUES (?, 'a1')", (f'{{"fallback_token":"{GONE}"}}',))
        facts = copy_main(old, target, PREFIX)
    assert [(device.id, device.name, device.type) for device in facts.devices] == [
        ("d1", "Cold store", "")
    ]
    assert rows(target, "SELECT * FROM device_token") == [("d1", 5, f"{PREFIX}-1-token")]
    assert GONE.encode() not in target.read_bytes()
    assert (facts.actions, facts.analyses, facts.accounts) == (1, 0, 0)


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_page_size_and_encoding_are_kept(
    tmp_path: Path, target: Path, page_size: int, encoding: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "odd.db")) as odd:
        odd.execute(f"PRAGMA page_size={page_size}")
        odd.execute(f"PRAGMA encoding='{encoding}'")
        odd.execute("PRAGMA user_version=42")
        odd.execute("CREATE TABLE device_token (token text primary key, name)")
        odd.execute("INSERT INTO device_token VALUES (?, 'Kühlhaus ❄')", (FREEZER,))
        odd.commit()
        copy_main(odd, target, PREFIX)
    for pragma, expected in (
        ("page_size", page_size),
        ("encoding", encoding),
        ("user_version", 42),
    ):
        assert rows(target, f"PRAGMA {pragma}") == [(expected,)]
    assert rows(target, "SELECT * FROM device_token") == [(f"{PREFIX}-1-token", "Kühlhaus ❄")]
    assert FREEZER.encode(encoding) not in target.read_bytes()


def test_tables_of_every_shape(tmp_path: Path, target: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "odd.db", isolation_level=None)) as odd:
        odd.executescript(
            """
            CREATE TABLE numbered (id INTEGER PRIMARY KEY, v);
            CREATE TABLE keyed (a, b, PRIMARY KEY (b, a)) WITHOUT ROWID;
            CREATE TABLE shadowed (rowid text, v);
            CREATE TABLE hidden (rowid text, _rowid_ text, oid text);
            CREATE TABLE computed (a integer, twice integer AS (a * 2) STORED, b text);
            CREATE TABLE "quo""ted [name]" ("co""l`umn" text, "select" text);
            CREATE TABLE checked (a CHECK (a > 0));
            CREATE INDEX numbered_v ON numbered (v);
            CREATE UNIQUE INDEX shadowed_v ON shadowed (v) WHERE v > 5;
            """
        )
        odd.execute("INSERT INTO numbered VALUES (-5, 'x'), (9000000000, 'y')")
        odd.execute("INSERT INTO keyed VALUES ('z', 1), ('a', 2), ('b', 1)")
        odd.execute("INSERT INTO shadowed (_rowid_, rowid, v) VALUES (77, 'text', 6)")
        odd.execute("INSERT INTO hidden VALUES ('1', '2', '3')")
        odd.execute("INSERT INTO computed (a, b) VALUES (21, 'x')")
        odd.execute('INSERT INTO "quo""ted [name]" VALUES (?, ?)', ("a\0b", "c"))
        odd.execute("PRAGMA ignore_check_constraints=ON")
        odd.execute("INSERT INTO checked VALUES (-1)")
        for value in (None, 1, 2**62, -0.0, 1e300, float("inf"), "", "ü", b"", b"\x00\xff"):
            odd.execute("INSERT INTO numbered (v) VALUES (?)", (value,))
        odd.execute("INSERT INTO numbered (v) VALUES (CAST(x'fffe41' AS TEXT))")
        facts = copy_main(odd, target, PREFIX)
        with closing(sqlite3.connect(target)) as copy:
            assert schema(copy) == schema(odd)
            for query in (
                "SELECT id, typeof(v), quote(CAST(v AS BLOB)) FROM numbered",
                "SELECT * FROM keyed",
                "SELECT _rowid_, * FROM shadowed",
                "SELECT * FROM hidden",
                "SELECT *, twice FROM computed",
                'SELECT "co""l`umn", "select" FROM "quo""ted [name]"',
                "SELECT * FROM checked",
                "SELECT rowid FROM shadowed INDEXED BY shadowed_v WHERE v > 5",
            ):
                assert copy.execute(query).fetchall() == odd.execute(query).fetchall(), query
            assert copy.execute("PRAGMA integrity_check(1)").fetchone()[0] in (
                "ok",
                "CHECK constraint failed in checked",
            )
    assert len([note for note in facts.notes if "none of TagoCore's own" in note]) == 7


def test_what_could_run_by_itself_is_left_out_and_told(
    source: sqlite3.Connection, target: Path
) -> None:
    source.executescript(
        "CREATE VIEW spy AS SELECT token FROM account_token;"
        "CREATE TRIGGER bomb AFTER INSERT ON device BEGIN DELETE FROM device; END;"
        "CREATE VIRTUAL TABLE words USING fts5(body);"
    )
    facts = copy_main(source, target, PREFIX)
    left_out = rows(
        target,
        "SELECT name FROM sqlite_master WHERE type IN ('view', 'trigger') OR name = 'words'",
    )
    assert left_out == []
    assert rows(target, "SELECT count(*) FROM device") == [(4,)]
    for what in ('view "spy"', 'trigger "bomb"', 'virtual table "words"'):
        assert any(what in note for note in facts.notes), what


def test_planner_statistics_are_not_carried_along(source: sqlite3.Connection, target: Path) -> None:
    source.execute("ANALYZE")
    copy_main(source, target, PREFIX)
    assert rows(target, "SELECT name FROM sqlite_master WHERE name LIKE 'sqlite_stat%'") == []


def test_an_empty_database_gives_an_empty_copy(target: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as nothing:
        facts = copy_main(nothing, target, PREFIX)
    assert facts.rows == ()
    assert facts.devices == ()


# --- size and damage -----------------------------------------------------------------------------


def peak_while_copying(odd: sqlite3.Connection, target: Path) -> int:
    tracemalloc.start()
    try:
        copy_main(odd, target, PREFIX)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_stays_flat_for_many_rows_and_for_wide_ones(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "big.db")) as big:
        big.execute("CREATE TABLE statistic (time text, input integer)")
        big.executemany(
            "INSERT INTO statistic VALUES (?, 1)",
            ((f"{number:0200d}",) for number in range(40_000)),
        )
        assert peak_while_copying(big, tmp_path / "copy1.db") < 2_000_000
        big.execute("CREATE TABLE wide (body blob)")
        big.executemany("INSERT INTO wide VALUES (zeroblob(?))", [(1_000_000,)] * 60)
        assert peak_while_copying(big, tmp_path / "copy2.db") < 30_000_000


def test_a_damaged_source_leaves_no_copy(tmp_path: Path, target: Path) -> None:
    content = bytearray(REAL.read_bytes())
    for page in range(3, len(content) // 4096):  # the schema stays readable
        content[page * 4096 : page * 4096 + 100] = b"\xff" * 100
    (tmp_path / "torn.db").write_bytes(content)
    with (
        closing(sqlite3.connect(tmp_path / "torn.db")) as torn,
        pytest.raises(SourceDamaged, match="cannot be read"),
    ):
        copy_main(torn, target, PREFIX)
    assert not target.exists()


def test_a_full_disk_leaves_no_copy(tmp_path: Path, target: Path) -> None:
    script = (
        "import resource, signal, sqlite3, sys\n"
        "from pathlib import Path\n"
        "from engine.errors import StorageFailed\n"
        "from engine.project.maindb import copy_main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try:\n"
        "    copy_main(sqlite3.connect(sys.argv[1]), Path(sys.argv[2]), 'mark-5d0e77aa91')\n"
        "except StorageFailed as error:\n"
        "    print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(REAL), str(target)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert "copy.db" in done.stdout
    assert not target.exists()
