"""The benchmark still runs, small, and what it does to the peers' restores is right."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from engine.project.demo import write_instance

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the benchmark measures memory through /proc"
)

BENCH = Path(__file__).parent


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCH / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT rowid, * FROM data ORDER BY rowid").fetchall()


def test_every_measure_is_taken_of_every_tool(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    printed = run(
        "run.py",
        *("--size-mb", "1", "--turns", "1", "--days", "2", "--shape", "one", "--peers", "cp"),
        *("--work", str(tmp_path), "--json", str(figures)),
        *("--plot", str(tmp_path / "figures.svg"), "--start-turns", "1"),
    )
    document = json.loads(figures.read_text())
    ours, copy = document["shapes"]["one"]
    assert ours["tool"] == "backstay, all"
    assert copy["tool"] == "cp -r + sync"
    for tool in (ours, copy):
        for measure in (
            "first backup",
            "nothing changed",
            "next day",
            "restore, new ids",
            "stored, one day",
            "added next day",
            "stored, all days",
            "peak memory, backup",
            "peak memory, restore",
        ):
            (figure, *_) = tool["figures"][measure]
            # A copy this small may be done before its memory is looked at.
            assert figure > 0 or (tool is copy and measure.startswith("peak memory"))
            assert measure in printed
    assert ours["figures"]["stored, one day"][0] < copy["figures"]["stored, one day"][0]
    for ratio in ("x cp -r + sync", "x a process that only walks", "x python -c pass", "Textual"):
        assert ratio in printed
    picture = ElementTree.parse(tmp_path / "figures.svg")  # noqa: S314  # our own picture
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("Backstay") == 7
    assert f"{ours['figures']['first backup'][0]:.2f} s" in texts
    # The project is kept for the next run, and nothing else is.
    kept = {"project-one-1", "figures.json", "figures.svg"}
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_runs_of_several_shapes_are_drawn_together(tmp_path: Path) -> None:
    measured = {"first backup": [1.5], "stored, all days": [2_000_000]}
    results = [{"tool": "backstay, all", "figures": measured}]
    alike = {"size_mb": 1, "turns": 5, "processors": 2}
    files = [tmp_path / "one.json", tmp_path / "many.json"]
    for file, days in zip(files, (2, 7), strict=True):
        shapes = {file.stem: results}
        file.write_text(json.dumps({**alike, "days": days, "shapes": shapes}))
    picture = tmp_path / "figures.svg"
    run("plot.py", str(files[0]), str(files[1]), str(picture))
    texts = [text.text for text in ElementTree.parse(picture).iter() if text.text]  # noqa: S314
    assert [text for text in texts if text.startswith("stored")] == [
        "stored, 7 days",
        "stored, 2 days",
    ]
    files[1].write_text(json.dumps({**alike, "turns": 1, "days": 7, "shapes": {}}))
    with pytest.raises(AssertionError, match="differ in more than days"):
        run("plot.py", str(files[0]), str(files[1]), str(picture))


def test_peers_get_new_ids_and_nothing_else_changes(tmp_path: Path) -> None:
    until = datetime(2026, 11, 16, tzinfo=UTC)
    project = tmp_path / "project"
    write_instance(project, seed=7, devices=3, rows=600, until=until, port=8888)
    files = sorted(project.rglob("devices/*.db"))
    before = {path: rows(path) for path in files}
    run("new_ids.py", str(project))
    for path in files:
        after = rows(path)
        assert [(row[0], *row[2:]) for row in after] == [(row[0], *row[2:]) for row in before[path]]
        assert not {row[1] for row in after} & {row[1] for row in before[path]}
        assert len({row[1] for row in after}) == len(after)
        with closing(sqlite3.connect(path)) as connection:
            plan = "EXPLAIN QUERY PLAN SELECT * FROM data WHERE id = 'x'"
            assert "sqlite_autoindex_data_1" in connection.execute(plan).fetchone()[3]


def test_a_clean_up_is_measured_and_what_is_left_is_right() -> None:
    printed = run("cleanup.py", "--size-mb", "3", "--turns", "1")
    lines = [line.split() for line in printed.splitlines()[1:]]
    assert [line[0] for line in lines] == ["scattered", "together"]
    assert float(lines[0][2]) < float(lines[0][1]) / 5  # MB after and before


def test_looking_inside_and_comparing_are_measured_and_right(tmp_path: Path) -> None:
    sizes = ("--devices", "5", "--size-mb", "3", "--turns", "1")
    printed = run("inside.py", *sizes, "--work", str(tmp_path)).splitlines()
    assert printed[0].startswith("newest rows of a device of 5: engine ")
    assert printed[1].startswith("two days of 9 MB, 40 new rows: engine ")


def test_other_forms_of_what_is_stored_have_their_gain_and_price(tmp_path: Path) -> None:
    printed = run("forms.py", "--size-mb", "2", "--work", str(tmp_path)).splitlines()
    share = {line[:30].strip(): float(line[30:38].rstrip("% ")) for line in printed[2:]}
    assert len(share) == 5
    assert share["columns apart"] < share["as it is"] == 100


def test_an_index_of_many_chunks_is_measured_in_memory_and_in_a_file() -> None:
    table = [line.split() for line in run("chunks.py", "--chunks", "300000").splitlines()[1:]]
    assert [line[:2] for line in table] == [["300000", "memory"], ["300000", "file"]]
    in_memory, in_file = (float(line[4]) for line in table)
    assert in_memory > 2 * in_file


def test_every_index_has_its_costs(tmp_path: Path) -> None:
    printed = run("indexes.py", "--size-mb", "2", "--shape", "one", "--work", str(tmp_path))
    table = [line.split() for line in printed.splitlines()[3:]]
    assert [name for name, *_ in table[:-1]] == [
        "sqlite_autoindex_data_1",
        "data_variable_value_time_index",
        "data_variable_time_index",
        "data_variable_created_at_index",
        "data_time_index",
        "data_group_index",
        "data_created_at_index",
    ]
    for _, stored, added, _, _ in table[:-1]:
        assert float(stored) > 0
        assert float(added) >= 0
    assert float(table[-1][-2]) > 0
