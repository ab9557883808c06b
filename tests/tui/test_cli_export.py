"""Exporting a backup by command: to a file, to standard output, and being told to end meanwhile."""

from __future__ import annotations

import fcntl
import io
import json
import os
import select
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from conftest import Runner, Terminal

ROOT = Path(__file__).parents[2]
MAIN = "from tui.__main__ import program; program()"
KEYS = {
    *("backup", "format", "file", "size", "data", "files", "devices", "rows", "missing"),
    *("checksums", "not_included", "notes", "seconds"),
}


def started(backstay: Runner, *arguments: str, stdout: int = subprocess.PIPE) -> Any:
    """An export in a process of its own; what it writes is bytes."""
    return subprocess.Popen(
        [
            *(sys.executable, "-c", MAIN, "--home", str(backstay.home), "--as", "ana"),
            *("export", "Plant 7@latest", *arguments),
        ],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    )


def names(tar: bytes) -> set[str]:
    """The names of the files in a tar, without the folder that all are in."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {entry.name.partition("/")[2] for entry in archive if entry.isreg()}


def test_an_export_to_a_file_is_told_and_overwrites_nothing(
    backstay: Runner, tmp_path: Path
) -> None:
    (backup,) = backstay("backups", "Plant 7", "--json").json
    file = tmp_path / "plant.tar.zst"
    report = backstay("export", "Plant 7@latest", str(file), "--json").json
    assert set(report) == KEYS
    assert (report["backup"], report["file"]) == (backup["id"], str(file))
    assert (report["size"], report["rows"]) == (file.stat().st_size, backup["variables"])
    assert "Device tokens" in report["not_included"]
    before = file.read_bytes()
    there = backstay("export", "Plant 7@latest", str(file), "--json")
    assert there.error["name"] == "Taken"
    assert there.code == 2
    assert file.read_bytes() == before
    told = backstay("export", backup["id"], str(file), "--force")
    assert told.code == 0
    assert f"The backup {backup['id']} is in {file}." in told.out
    assert "not encrypted" in told.out
    assert f"\n  Devices    {report['devices']}\n" in told.out
    assert "\n  Not in it  log-in tokens, analysis code, " in told.out
    other = tmp_path / "parquet"
    told = backstay("export", backup["id"], str(other), "--format", "parquet")
    assert told.code == 0
    assert (other / "devices.parquet").is_file()
    assert backstay("export", backup["id"], str(tmp_path / "joao"), user="joao").code == 3


def test_standard_output_is_the_archive_and_nothing_else(backstay: Runner) -> None:
    for more, inside in (([], "tagocore.yml"), (["--format", "parquet"], "devices.parquet")):
        process = started(backstay, "-", *more)
        out, err = process.communicate()
        assert (process.returncode, err) == (0, b"")
        if not more:
            out = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(out)).read()
        assert {inside, "manifest.json", "SHA256SUMS"} <= names(out)


def test_a_terminal_gets_no_archive(on_terminal: Callable[..., Terminal]) -> None:
    terminal = on_terminal("export", "Plant 7@latest", "-")
    terminal.read_until("An export is nothing for a terminal.")
    assert terminal.end() == 2


def test_who_waits_for_a_slow_reader_ends_when_told_to(backstay: Runner) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    process = started(backstay, "-", stdout=writing)
    os.close(writing)
    try:
        select.select([reading], [], [])  # it has begun, and nobody reads on
        assert list(backstay.home.glob(".aside-*"))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    finally:
        os.close(reading)
    assert process.returncode == 143
    assert b"Nothing was kept" in err
    assert not list(backstay.home.glob(".aside-*"))


def test_a_reader_that_leaves_is_no_failure(backstay: Runner) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = started(backstay, "-", "--json", stdout=writing)
    os.close(writing)
    _, err = process.communicate()
    assert (process.returncode, err) == (141, b"")
    trail = json.loads(backstay("audit", "--json").out)
    assert any(line["action"] == "export" for line in trail)
