"""What a process loads: a library has no screen in it, and a command does not wait for the app."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
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


def test_a_package_offers_what_type_checkers_are_told_of_it() -> None:
    packages = [
        (import_module(".".join(file.parent.relative_to(ROOT).parts)), ast.parse(text))
        for file in sorted(ROOT.glob("engine/**/__init__.py"))
        if "lazily(" in (text := file.read_text())
    ]
    assert len(packages) == 3
    for package, source in packages:
        told = {
            name.name: imported.module or ""
            for imported in ast.walk(source)
            if isinstance(imported, ast.ImportFrom)
            for name in imported.names
        }
        for name in set(package.__all__) & set(told):
            assert getattr(package, name) is getattr(import_module(told[name]), name)
        assert all(hasattr(package, name) for name in package.__all__)
        assert not hasattr(package, "no such name")


@pytest.mark.parametrize("words", [["projects"], ["backups", "Plant 7"], ["status"], []], ids=str)
def test_a_command_does_not_load_the_app(backstay: Runner, words: list[str]) -> None:
    modules = loaded(COMMAND, "--home", str(backstay.home), "--as", "ana", *words)
    assert "engine.engine" in modules
    assert modules & {"textual", "rich", "tui.app"} == set()


def test_looking_at_backups_loads_nothing_that_only_taking_one_needs(backstay: Runner) -> None:
    (backstay.home / "backstay.toml").unlink()  # few homes have one
    words = ("--home", str(backstay.home), "--as", "ana", "backups", "Plant 7", "--json")
    modules = loaded(COMMAND, *words)
    assert "asyncio" in modules
    heavy = {"ssl", "numpy", "cryptography", "zstandard", "yaml", "shutil", "hashlib", "tomllib"}
    small = {"dataclasses", "decimal", "shlex", "importlib.util"}  # each a hundredth of the time
    assert modules & (heavy | small) == set()
    ours = {each for each in modules if each.startswith("engine.")}
    assert {each for each in ours if each.startswith("engine.model.")} == {
        f"engine.model.{each}" for each in ("backups", "kinds", "people", "written")
    }
    records = {"engine.catalog.backups", "engine.catalog.jobs", "engine.catalog.members"}
    parts = {"columns", "connection", "past", "projects", "schema"}
    assert {each for each in ours if each.startswith("engine.catalog.")} == records | {
        f"engine.catalog.{each}" for each in parts
    }
    others = ("backup", "worker", "performing", "planning", "settings", "repository.manifest")
    assert ours.isdisjoint(f"engine.{each}" for each in others)


def test_who_takes_a_backup_leaves_numpy_to_its_children(backstay: Runner, source: Path) -> None:
    assert backstay("adopt", str(source), "--name", "New").code == 0
    modules = loaded(COMMAND, "--home", str(backstay.home), "--as", "ana", "backup", "New")
    assert "engine.reading" in modules  # something had changed
    assert "numpy" not in modules


@pytest.mark.parametrize(
    "words",
    [
        ["restore", "Plant 7@latest", "--name", "Copy", "--accept-cost", "49.00"],
        ["verify", "Plant 7@latest"],
        ["export", "Plant 7@latest", "{folder}/plant.tar"],
    ],
    ids=lambda words: words[0],
)
def test_who_makes_databases_of_a_backup_leaves_numpy_to_its_children(
    backstay: Runner, tmp_path: Path, words: list[str]
) -> None:
    words = [each.replace("{folder}", str(tmp_path)) for each in words]
    modules = loaded(COMMAND, "--home", str(backstay.home), "--as", "ana", *words)
    assert "engine.rebuild.large" in modules
    assert "numpy" not in modules


def test_a_backup_of_nothing_new_loads_neither_what_reads_databases_nor_what_they_cost(
    backstay: Runner, source: Path
) -> None:
    (backstay.home / "backstay.toml").unlink()
    assert backstay("adopt", str(source), "--name", "New").code == 0
    command = ("--home", str(backstay.home), "--as", "ana", "backup", "New", "--json")
    assert "engine.reading" in loaded(COMMAND, *command)
    modules = loaded(COMMAND, *command)
    assert "engine.worker" in modules
    ours = {"engine.reading", "engine.children", "engine.model.money", "engine.model.reports"}
    assert modules & (ours | {"numpy", "yaml", "decimal", "dataclasses", "tomllib"}) == set()


def test_the_version_is_told_without_what_commands_need() -> None:
    modules = loaded(PROGRAM, "--version")
    assert "tui.version" in modules
    assert modules & {"click", "engine", "asyncio", "re", "importlib.metadata"} == set()
