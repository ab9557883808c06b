"""What became of a project, told by a command: between two backups, and since one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tui.cli import main

if TYPE_CHECKING:
    from conftest import Runner


def test_two_backups_and_a_backup_with_now(backstay: Runner, source: Path) -> None:
    assert backstay("adopt", str(source), "--name", "Harbour").code == 0
    assert backstay("backup", "Harbour").code == 0
    (first,) = backstay("backups", "Harbour", "--json").json
    assert "Nothing differs." in backstay("diff", "Harbour@latest").out
    (file,) = source.rglob("715f6b96bfa47992f15881f9.db")
    (main_database,) = source.rglob("data.db")
    with closing(sqlite3.connect(file)) as writer, writer:
        writer.execute("INSERT INTO data (id, variable, time) VALUES ('a', 'x', -1)")
        writer.execute("DELETE FROM data WHERE rowid IN (1, 2)")
    with closing(sqlite3.connect(main_database)) as writer, writer:
        writer.execute("UPDATE account SET password = 'hunter2'")
        writer.execute("UPDATE device SET name = '\x1b[2J', active = 0 WHERE name LIKE 'Freezer%'")
    told = backstay("diff", first["id"])
    assert told.err == ""
    assert "Harbour as it is now" in told.out
    assert "Rows      1 added, 2 removed" in told.out
    assert "\\x1b[2J" in told.out
    assert "name, active" in told.out
    assert "password changed" in told.out
    assert "hunter2" not in told.out
    assert "\x1b" not in told.out
    assert backstay("backup", "Harbour").code == 0
    found = backstay("diff", first["id"], "Harbour@latest", "--json").json
    assert found["rows"] == {"added": 1, "removed": 2, "changed": 0}
    assert {"added", "removed", "changed"} == set(found["devices"])
    (tank, freezer) = sorted(
        found["devices"]["changed"], key=lambda device: -device["rows"]["added"]
    )
    assert (tank["name"], tank["rows"]["removed"]) == ("Tank immutable", 2)
    assert freezer["changes"] == ["name", "active"]
    assert not found["same"]


def test_what_cannot_be_compared_is_told(backstay: Runner) -> None:
    assert backstay("diff", "nothing").code == 4
    assert backstay("diff", "Plant 7@latest", "ffff", "--json").error["name"] == "NotFound"
    assert backstay("diff", "Plant 7@latest", user="joao").code == 3
    assert main(["diff"]) == 2
