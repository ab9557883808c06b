"""What a process loads: a library has no screen in it, and a command does not wait for the app."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Runner

ROOT = Path(__file__).parents[2]
SCREEN = {"textual", "rich", "click", "tui"}
WHOLE_ENGINE = """
import importlib, pkgutil, engine
from engine import *
for each in pkgutil.walk_packages(engine.__path__, "engine."):
    importlib.import_module(each.name)
"""
COMMAND = "from tui.cli import main; main()"
PROGRAM = """
import os
def leave(code):
    raise SystemExit(code)
os._exit = leave
from tui.__main__ import program
try:
    program()
except SystemExit:
    pass
"""


def loaded(code: str, *arguments: str) -> set[str]:
    """What a fresh process has loaded once it has run some code."""
    tell = "import sys; print('', *sys.modules, sep='\\n', file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tell}", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    return set(done.stderr.splitlines())


def test_the_engine_has_no_screen_in_it() -> None:
    modules = loaded(WHOLE_ENGINE)
    assert "engine.restore" in modules
    assert modules & SCREEN == set()


@pytest.mark.parametrize("words", [["projects"], ["backups", "Plant 7"], ["status"], []], ids=str)
def test_a_command_does_not_load_the_app(backstay: Runner, words: list[str]) -> None:
    modules = loaded(COMMAND, "--home", str(backstay.home), "--as", "ana", *words)
    assert "engine.engine" in modules
    assert modules & {"textual", "rich", "tui.app"} == set()


def test_looking_at_backups_loads_nothing_that_only_taking_one_needs(backstay: Runner) -> None:
    modules = loaded(COMMAND, "--home", str(backstay.home), "--as", "ana", "backups", "Plant 7")
    assert "asyncio" in modules
    heavy = {"ssl", "numpy", "cryptography", "zstandard", "yaml", "shutil"}
    assert modules & (heavy | {"engine.backup", "engine.worker", "engine.performing"}) == set()


def test_who_takes_a_backup_leaves_numpy_to_its_children(backstay: Runner, source: Path) -> None:
    assert backstay("adopt", str(source), "--name", "New").code == 0
    modules = loaded(COMMAND, "--home", str(backstay.home), "--as", "ana", "backup", "New")
    assert "engine.reading" in modules  # something had changed
    assert "numpy" not in modules


def test_the_version_is_told_without_what_commands_need() -> None:
    modules = loaded(PROGRAM, "--version")
    assert "tui.version" in modules
    assert modules & {"click", "engine", "asyncio", "re", "importlib.metadata"} == set()
