"""Finding an instance, describing it, and refusing what is none with a clear reason."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import (
    Busy,
    NotAnInstance,
    SettingsInvalid,
    SourceDamaged,
    SourceMissing,
    StorageFailed,
)
from engine.project.instance import Instance, find
from engine.project.main_tables import REQUIRED_TABLES, check_tables
from engine.project.ports import free_port

REAL = Path(__file__).parents[1] / "data" / "instance"
PLUGIN = "0810916b6ca256fb25afbe19b4f83b23"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "plant"
    shutil.copytree(REAL, copy)
    return copy


def plugin_folder(folder: Path) -> Path:
    return folder / "PluginFiles" / PLUGIN


def store_path(folder: Path, text: str) -> None:
    (plugin_folder(folder) / "settings.yml").write_text(
        f"disabled: false\nmodules:\n  - id: sqlite\n    values:\n      file: {text}\n"
    )


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_real_instance_is_described(folder: Path) -> None:
    found = find(folder)
    assert found.root == folder
    assert found.plugin == PLUGIN
    assert found.plugin_folder == plugin_folder(folder)
    assert found.database == plugin_folder(folder) / "data.db"
    assert found.devices == plugin_folder(folder) / "devices"
    assert found.settings == ("tagocore.yml", f"PluginFiles/{PLUGIN}/settings.yml")
    assert found.port == 18801
    assert found.storage_files == ()


def test_a_stored_path_that_is_not_there_is_told_and_the_file_beside_is_used(folder: Path) -> None:
    found = find(folder)
    assert found.database == plugin_folder(folder) / "data.db"
    (note,) = found.notes
    assert note.startswith(
        f'settings.yml names "/nonexistent/tagocore/PluginFiles/{PLUGIN}/data.db"'
    )
    assert "not there; using" in note


def test_the_path_of_tagocore_yml_will_do(folder: Path) -> None:
    assert find(folder / "tagocore.yml") == find(folder)


def test_a_link_to_the_folder_is_the_same_instance(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert find(tmp_path / "link") == find(folder)


def test_a_stored_path_within_the_folder_is_used_without_a_note(folder: Path) -> None:
    store_path(folder, str(plugin_folder(folder) / "data.db"))
    assert find(folder).notes == ()


def test_a_stored_path_elsewhere_is_used_and_told(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk" / "main.db"
    elsewhere.parent.mkdir()
    shutil.copy(plugin_folder(folder) / "data.db", elsewhere)
    store_path(folder, str(elsewhere))
    found = find(folder)
    assert found.database == elsewhere
    # TagoCore keeps the devices in the plugin's folder wherever data.db is
    assert found.devices == plugin_folder(folder) / "devices"
    (note,) = found.notes
    assert "outside this folder" in note
    assert "beside settings.yml is not used" in note


def test_devices_beside_a_moved_database_are_found(folder: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    shutil.move(plugin_folder(folder) / "data.db", disk / "data.db")
    shutil.move(plugin_folder(folder) / "devices", disk / "devices")
    store_path(folder, str(disk / "data.db"))
    found = find(folder)
    assert found.devices == disk / "devices"
    assert any("The folder devices is not in the plugin's folder" in note for note in found.notes)


def test_without_settings_of_the_plugin_the_database_beside_is_used(folder: Path) -> None:
    (plugin_folder(folder) / "settings.yml").unlink()
    found = find(folder)
    assert found.database == plugin_folder(folder) / "data.db"
    assert found.notes[0].startswith("There is no settings.yml in PluginFiles/")
    assert found.settings == ("tagocore.yml",)


def test_a_name_that_the_shell_would_mind_is_no_problem(tmp_path: Path) -> None:
    odd = tmp_path / "pl?nt #7 %20 'x'"
    shutil.copytree(REAL, odd)
    assert find(odd).root == odd


def test_plugin_storage_and_other_plugins_settings_are_listed(folder: Path) -> None:
    storage = plugin_folder(folder) / "plugins"
    storage.mkdir()
    (storage / "b1.db").touch()
    (storage / "a0.db").touch()
    (storage / "a0.db-journal").touch()
    (storage / "not an id.db").touch()
    (storage / "link.db").symlink_to("/etc/passwd")
    other = folder / "PluginFiles" / "c311dfe85cf1a29fb1d86a1a2c5afc1c"
    other.mkdir()
    (other / "settings.yml").write_text("modules: []\n")
    found = find(folder)
    assert [file.name for file in found.storage_files] == ["a0.db", "b1.db"]
    assert found.settings[2] == f"PluginFiles/{other.name}/settings.yml"


def test_settings_that_lead_out_of_the_folder_are_not_read(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yml"
    secret.write_text("password: hunter2\n")
    other = folder / "PluginFiles" / "other"
    other.mkdir()
    (other / "settings.yml").symlink_to(secret)
    found = find(folder)
    assert all("other" not in name for name in found.settings)
    assert any('other" are not backed up' in note for note in found.notes)


@pytest.mark.parametrize(
    "identity",
    ["", "../../etc/passwd", "a/b", "..", ".", "a\0b", "x" * 65, "ü", "a b", "a.db", "a\n"],
)
def test_a_hostile_device_id_names_no_file(folder: Path, identity: str) -> None:
    with pytest.raises(SourceDamaged):
        find(folder).device_file(identity)


def test_a_device_id_names_its_file(folder: Path) -> None:
    file = find(folder).device_file("715fd9bc3b5f296f92bfa02f")
    assert file.is_file()
    assert file.parent.name == "devices"


# --- what is no instance -----------------------------------------------------------------------


def refused(folder: Path, kind: type[Exception], *words: str) -> None:
    with pytest.raises(kind) as caught:
        find(folder)
    message = str(caught.value)
    for word in words:
        assert word in message
    assert "\n" not in message
    assert "\x1b" not in message


def test_nothing_at_the_path(tmp_path: Path) -> None:
    refused(tmp_path / "gone", SourceMissing, "nothing at", "gone")


def test_a_path_with_a_nul(tmp_path: Path) -> None:
    refused(tmp_path / "a\0b", NotAnInstance)


def test_a_circle_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    refused(tmp_path / "a", NotAnInstance)


def test_a_file_that_is_no_instance(folder: Path) -> None:
    refused(folder / "code" / "parser.js", NotAnInstance, "neither a folder nor a tagocore.yml")


def test_a_folder_without_tagocore_yml(folder: Path) -> None:
    (folder / "tagocore.yml").unlink()
    refused(folder, NotAnInstance, "holds no tagocore.yml")


def test_yaml_that_does_not_parse_names_file_and_line(folder: Path) -> None:
    (folder / "tagocore.yml").write_text("port: 1\nport: [1, 2\nx: }\n")
    refused(folder, SettingsInvalid, "tagocore.yml", "line 3")


def test_yaml_of_the_plugin_that_does_not_parse(folder: Path) -> None:
    (plugin_folder(folder) / "settings.yml").write_text("modules:\n\t- id: sqlite\n")
    refused(folder, SettingsInvalid, f"PluginFiles/{PLUGIN}/settings.yml", "line 2")


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b\n", "42"])
def test_yaml_that_is_no_mapping(folder: Path, text: str) -> None:
    (folder / "tagocore.yml").write_text(text)
    refused(folder, SettingsInvalid, "tagocore.yml", "does not hold settings")


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x\n",
        "a: " + "[" * 4000 + "]" * 4000,
        "a: !!python/object/apply:os.system ['true']\n",
        "a: 2020-13-45\n",
        "a: \x01\n",
    ],
)
def test_hostile_yaml_is_refused(folder: Path, text: str) -> None:
    (folder / "tagocore.yml").write_text(text)
    refused(folder, SettingsInvalid, "tagocore.yml")


def test_a_huge_settings_file_is_refused(folder: Path) -> None:
    (folder / "tagocore.yml").write_text("a: 1\n" + "#" * 1024 * 1024)
    refused(folder, SettingsInvalid, "longer than 1 MiB")


def test_settings_that_are_not_utf8(folder: Path) -> None:
    (folder / "tagocore.yml").write_bytes(b"port: \xff\xfe\n")
    refused(folder, SettingsInvalid, "not UTF-8")


def test_a_pipe_in_place_of_settings_does_not_hold_us_up(folder: Path) -> None:
    (folder / "tagocore.yml").unlink()
    os.mkfifo(folder / "tagocore.yml")
    refused(folder, SettingsInvalid, "not a regular file")


def test_settings_linked_to_elsewhere(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "tagocore.yml", tmp_path / "t.yml")
    (folder / "tagocore.yml").symlink_to(tmp_path / "t.yml")
    refused(folder, SettingsInvalid, "link that leads out")


def test_postgresql_is_not_supported_yet(folder: Path) -> None:
    replace(folder / "tagocore.yml", ":sqlite", ":postgres")
    refused(folder, NotAnInstance, f'"{PLUGIN}:postgres"', "PostgreSQL", "not supported yet")


def test_no_database_plugin_at_all(folder: Path) -> None:
    replace(folder / "tagocore.yml", f"{PLUGIN}:sqlite", "''")
    refused(folder, NotAnInstance, "names no database plugin")


def test_a_hostile_plugin_id(folder: Path) -> None:
    replace(folder / "tagocore.yml", f"{PLUGIN}:sqlite", '"../../x:sqlite"')
    refused(folder, SettingsInvalid, "database_plugin")


@pytest.mark.parametrize("port", ["0", "70000", "abc", "[1]", "true", "1.5", "-1"])
def test_a_port_that_is_none(folder: Path, port: str) -> None:
    replace(folder / "tagocore.yml", "'18801'", port)
    refused(folder, SettingsInvalid, "port")


@pytest.mark.parametrize(("port", "expected"), [("1881", 1881), ("'1881'", 1881), ("''", 8888)])
def test_a_port_as_number_as_text_or_left_out(folder: Path, port: str, expected: int) -> None:
    replace(folder / "tagocore.yml", "'18801'", port)
    assert find(folder).port == expected


def test_a_missing_main_database(folder: Path) -> None:
    (plugin_folder(folder) / "data.db").unlink()
    refused(folder, SourceMissing, "main database", "missing")


@pytest.mark.parametrize(
    "modules", ["modules: 3", "modules:\n - id: sqlite\n   values: {file: [1]}"]
)
def test_plugin_settings_of_another_form(folder: Path, modules: str) -> None:
    (plugin_folder(folder) / "settings.yml").write_text(modules)
    refused(folder, SettingsInvalid, "settings.yml")


@pytest.mark.parametrize("path", ["/dev/null", "/", "/proc/self"])
def test_a_stored_path_to_no_regular_file_is_not_followed(folder: Path, path: str) -> None:
    store_path(folder, path)
    refused(folder, NotAnInstance, "not a regular file")


def test_a_stored_path_to_a_pipe_is_not_followed(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    store_path(folder, str(tmp_path / "pipe"))
    refused(folder, NotAnInstance, "not a regular file")


def test_a_stored_path_with_control_characters_is_shown_harmless(folder: Path) -> None:
    (plugin_folder(folder) / "data.db").unlink()
    store_path(folder, '"/gone/\\e[2J"')
    refused(folder, SourceMissing, "\\x1b[2J")


def test_a_relative_stored_path_is_not_followed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # it would mean another file wherever Backstay happens to be started
    shutil.copy(plugin_folder(folder) / "data.db", tmp_path / "data.db")
    monkeypatch.chdir(tmp_path)
    store_path(folder, "data.db")
    assert find(folder).database == plugin_folder(folder) / "data.db"


def test_a_main_database_that_is_not_sqlite(folder: Path) -> None:
    (plugin_folder(folder) / "data.db").write_text("not a database at all, but long enough" * 30)
    refused(folder, NotAnInstance, "not a SQLite database")


def test_an_empty_main_database_lacks_every_table(folder: Path) -> None:
    (plugin_folder(folder) / "data.db").write_bytes(b"")
    refused(folder, NotAnInstance, *REQUIRED_TABLES)


def test_a_main_database_that_lacks_a_table_names_it(folder: Path) -> None:
    with closing(sqlite3.connect(plugin_folder(folder) / "data.db")) as connection:
        connection.execute("DROP TABLE action")
    with pytest.raises(NotAnInstance, match="lacks the tables action\\."):
        find(folder)


def test_a_torn_main_database_is_damaged(folder: Path) -> None:
    database = plugin_folder(folder) / "data.db"
    content = bytearray(database.read_bytes())
    content[100:4096] = b"\xff" * 3996
    database.write_bytes(content)
    refused(folder, SourceDamaged, "cannot be read")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_main_database_that_may_not_be_read(folder: Path) -> None:
    (plugin_folder(folder) / "data.db").chmod(0)
    refused(folder, StorageFailed, "may not be read")


# --- a running TagoCore is not disturbed ---------------------------------------------------------


def kill_in_the_middle_of_a_change(database: Path, change: str) -> None:
    script = (
        "import os, signal, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size=1')\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "c.execute(sys.argv[2])\n"
        "rows = ((f'x{number}',) for number in range(9000))\n"
        "c.executemany('INSERT INTO statistic VALUES (?, 1, 1)', rows)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(database), change], check=False)
    assert done.returncode == -signal.SIGKILL
    assert database.with_name("data.db-journal").stat().st_size > 0


def test_a_hot_journal_is_left_alone(folder: Path) -> None:
    database = plugin_folder(folder) / "data.db"
    kill_in_the_middle_of_a_change(database, "SELECT 1")
    before = {file.name: file.read_bytes() for file in database.parent.iterdir() if file.is_file()}
    find(folder)
    after = {file.name: file.read_bytes() for file in database.parent.iterdir() if file.is_file()}
    assert after == before


def test_a_hot_journal_that_hides_the_tables_is_told(folder: Path) -> None:
    database = plugin_folder(folder) / "data.db"
    kill_in_the_middle_of_a_change(database, "CREATE TABLE other (a)")
    with database.open("r+b") as file:  # the killed program had begun to write the first page
        file.write(b"\xff" * 4096)
    found = find(folder)
    assert any("killed" in note for note in found.notes)
    assert database.with_name("data.db-journal").exists()


def test_no_file_is_made_beside_a_database_in_wal_mode(folder: Path) -> None:
    database = plugin_folder(folder) / "data.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("DELETE FROM statistic")
        connection.commit()
    before = sorted(database.parent.iterdir())
    find(folder)
    assert sorted(database.parent.iterdir()) == before


def test_a_write_lock_does_not_keep_an_instance_from_being_found(folder: Path) -> None:
    database = plugin_folder(folder) / "data.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert isinstance(find(folder), Instance)
        connection.execute("ROLLBACK")


def test_a_locked_database_of_another_kind_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.project.main_tables.BUSY_MILLISECONDS", 1)
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Busy):
            check_tables(tmp_path / "x.db")
        connection.execute("ROLLBACK")


# --- a port of its own ---------------------------------------------------------------------------


def test_a_port_in_use_or_taken_is_passed_over() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        used = server.getsockname()[1]
        free = free_port(used - 1, set())
        assert free != used
        assert free_port(used - 1, {free}) not in {used, free}


def test_after_the_highest_port_the_search_begins_anew() -> None:
    assert 1024 <= free_port(65535, set()) < 65535
    assert free_port(0, set()) >= 1024
