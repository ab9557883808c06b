"""Starting is light, and no terminal, pipe or encoding makes a command crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAIN = "from tui.__main__ import program; program()"
HEAVY = ("numpy", "rich", "humanize", "cryptography", "yaml", "aiosqlite", "asyncio", "textual")


def python(
    code: str,
    *arguments: str,
    stdout: int = subprocess.PIPE,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run code in a fresh process, from the project's folder."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": ""} | (environment or {}),
        check=False,
    )


@pytest.mark.parametrize(
    "code",
    [
        "import tui.cli",
        "from tui.cli import main; main(['--help'])",
        "from tui.cli import main; main(['restore', '--help'])",
        "from tui.cli import main; main(['--home', '/nonexistent/home'])",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    told = f"{code}\nimport sys; print('HEAVY', [m for m in {HEAVY} if m in sys.modules])"
    done = python(told)
    assert done.stderr == b""
    assert done.stdout.endswith(b"HEAVY []\n")


# Tells what children are started for before the command line is read.
EARLY = """
import os, sys
import engine.starting
os.cpu_count = lambda: 2
def started(preload):
    print("tui.cli" in sys.modules, *preload, flush=True)
    raise OSError("no more processes")
engine.starting.start = started
from tui.__main__ import program
program()
"""


@pytest.mark.parametrize(
    ("arguments", "early"),
    [
        (["backup", "Plant"], b"engine.snapshot.databases"),
        (
            ["restore", "Plant@latest", "--name", "Copy", "--accept-cost", "0"],
            b"engine.rebuild.indexing",
        ),
        (["restore", "Plant@latest", "--name", "Copy"], b""),
        (["backups", "Plant"], b""),
        (["verify", "Plant@latest"], b""),
    ],
    ids=str,
)
def test_children_get_ready_while_the_command_does_where_they_are_needed(
    arguments: list[str], early: bytes, tmp_path: Path
) -> None:
    done = python(EARLY, "--home", str(tmp_path / "no"), *arguments)
    assert done.returncode == 4
    assert done.stderr.startswith(b"Error: There is no home")
    assert done.stdout.startswith(b"False " + early if early else b"")
    assert bool(done.stdout) == bool(early)


def test_a_reader_that_leaves_is_no_error_worth_a_word() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = python(MAIN, "--help", stdout=writer)
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_an_answer_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = python(MAIN, "--home", str(tmp_path / "no"), stdout=full.fileno())
    assert done.returncode == 7
    assert done.stderr.startswith(b"Error: The answer could not be written: No space left")
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("closed", ["1", "2", "0"])
def test_a_stream_that_is_closed_from_the_start_is_no_fault(closed: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *("/bin/sh", "-c", f'exec "$@" {closed}>&-', "sh"),
            *(sys.executable, "-c", MAIN, "--home", str(tmp_path / "no")),
        ],
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0"},
        {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1:strict"},
    ],
    ids=str,
)
def test_an_encoding_without_the_characters_of_a_name_is_no_fault(
    environment: dict[str, str], tmp_path: Path
) -> None:
    done = python(MAIN, "--home", str(tmp_path / "冷蔵庫é"), environment=environment)
    assert done.stderr == b""
    assert done.returncode == 0
    assert b"backstay --home" in done.stdout


def test_a_fault_of_our_own_is_told_without_the_values_at_hand(tmp_path: Path) -> None:
    code = (
        "import sys, tui.commands.projects as p\n"
        "def broken(*_, **__): raise ValueError('secret-token')\n"
        "p.with_engine = broken\n"
        "from tui.cli import main; sys.exit(main(['projects', *sys.argv[1:]]))"
    )
    done = python(code, "--json")
    assert done.returncode == 1
    assert b'"name": "Fault"' in done.stderr
    assert b"ValueError" in done.stderr
    assert b"secret-token" not in done.stderr
    in_full = python(code, environment={"BACKSTAY_TRACEBACK": "1"})
    assert b"secret-token" in in_full.stderr
