"""Ctrl+C at moments at which a command is not yet, or no longer, able to tell of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Runs the program, and does as a terminal does when a module is imported.
AT_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == at and not sent:
            sent.append(name)
            os.killpg(0, signal.SIGINT)

at, sent = sys.argv.pop(1), []
sys.meta_path.insert(0, Finder())
from tui.__main__ import program
program()
"""
AT_LOOP = """
import asyncio, os, signal, sys
plain = asyncio.new_event_loop

def made():
    os.kill(os.getpid(), signal.SIGINT)
    return plain()

asyncio.events.new_event_loop = made
from tui.__main__ import program
program()
"""


def python(code: str, *arguments: str, ignoring: bool = False) -> tuple[int, str, str]:
    """Run code in a fresh process, in a group of its own: its code, and what it said."""
    how = "trap '' INT; " if ignoring else ""
    done = subprocess.run(
        ["/bin/sh", "-c", f'{how}exec "$@"', "sh", sys.executable, "-c", code, *arguments],
        capture_output=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
        text=True,
        process_group=0,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [("projects", -signal.SIGINT), ("backup", 128 + signal.SIGINT)],
    ids=["itself", "detached"],
)
def test_what_has_not_begun_ends_without_a_word(tmp_path: Path, command: str, code: int) -> None:
    home = ["--home", str(tmp_path / "home")]
    assert python(AT_IMPORT, "click", *home, command) == (code, "", "")


def test_an_error_that_nobody_waits_to_hear_is_not_told_in_pieces() -> None:
    told = python(AT_IMPORT, "tui.failures", "backups")
    assert told == (-signal.SIGINT, "", "")


def test_a_stop_while_the_loop_is_made_is_told(tmp_path: Path) -> None:
    home = ["--home", str(tmp_path)]
    assert python(AT_LOOP, *home, "jobs") == (128 + signal.SIGINT, "", "Error: Stopped.\n")


def test_who_was_started_to_ignore_it_goes_on(tmp_path: Path) -> None:
    home = ["--home", str(tmp_path / "home")]
    code, said, complained = python(AT_IMPORT, "click", *home, ignoring=True)
    assert (code, complained) == (0, "")
    assert said


def test_who_was_started_to_ignore_it_hears_of_an_error() -> None:
    code, _, complained = python(AT_IMPORT, "tui.failures", "backups", ignoring=True)
    assert code == 2
    assert complained
