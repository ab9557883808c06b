"""Kills a job at one step, with `kill_at.c`, and checks what is there afterwards."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "engine"))

from one_job import COPY, FEE, OWNER, PROJECT, clock
from promises_support import all_rows, change, hashes, leftovers, query

from engine.engine import Engine
from engine.model import JobState, Origin, Project
from engine.project.demo.instance import write_instance
from engine.project.instance import find

HERE = Path(__file__).parent
JOB = HERE / "one_job.py"
PRICES = '[prices]\ncreation_fee = "49.00"\nhourly = "0.034"\n'
_HEAD = struct.Struct("=QQQ")  # `struct counter` of kill_at.c
_MOST_STEPS = 65536
KILLED = -9


def build(folder: Path) -> Path:
    """Compile the library that kills. Skips the test where that cannot be done."""
    if platform.system() != "Linux":
        pytest.skip("LD_PRELOAD and /proc are Linux's")
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed")
    library = folder / "kill_at.so"
    source = str(HERE / "kill_at.c")
    options = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-D_FORTIFY_SOURCE=0"]
    subprocess.run([compiler, *options, "-o", str(library), source, "-ldl"], check=True)
    return library


def _earlier() -> datetime:
    return clock() - timedelta(hours=1)


def _later() -> datetime:
    return clock() + timedelta(hours=1)


@dataclass(frozen=True)
class Outcome:
    """How a job ended, and the kinds of its steps, a letter each (see kill_at.c)."""

    killed: bool
    kinds: str


@dataclass(frozen=True)
class Stage:
    """A home at a moment before a job, which can be brought back to that moment."""

    folder: Path
    library: Path

    @property
    def home(self) -> Path:
        """The home. It is always at the same path: its catalog names it."""
        return self.folder / "home"

    @property
    def source(self) -> Path:
        """The project that is backed up."""
        return self.folder / "source"

    @property
    def before(self) -> Path:
        """The home as it was before the job."""
        return self.folder / "before"

    def reset(self) -> None:
        """Bring back the moment before the job."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self.before, self.home)
        self.home.chmod(0o700)

    def run(self, job: str, *, kill_at: int = 0, only_leader: bool = False) -> Outcome:
        """Do the job in a session of its own, and kill all of it, or the leader alone, at a step.

        Waits until every process of it is gone.
        """
        counter = self.folder / "counter"
        counter.write_bytes(_HEAD.pack(0, kill_at, only_leader) + bytes(_MOST_STEPS))
        arguments = [str(self.source)] if job == "adopt" else []
        process = subprocess.Popen(
            [sys.executable, str(JOB), str(self.home), job, *arguments],
            env={
                **os.environ,
                "LD_PRELOAD": str(self.library),
                "KILL_COUNTER": str(counter),
                "KILL_UNDER": str(self.home.resolve()),
            },
            start_new_session=True,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:  # every process of the session holds the other end of the pipe
            _, said = process.communicate(timeout=180)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        raw = counter.read_bytes()
        steps, _, _ = _HEAD.unpack(raw[: _HEAD.size])
        assert 0 < steps <= _MOST_STEPS
        assert process.returncode in (0, KILLED), said
        kinds = raw[_HEAD.size : _HEAD.size + steps].decode("ascii")
        return Outcome(process.returncode == KILLED, kinds)


async def make_stage(folder: Path, library: Path, job: str) -> Stage:
    """Everything that `job` needs, up to the moment before it."""
    stage = Stage(folder, library)
    until = datetime(2026, 11, 23, tzinfo=UTC)
    write_instance(stage.source, seed=3, devices=2, rows=60, until=until, port=18900)
    stage.home.mkdir(mode=0o700)
    settings = stage.home / "backstay.toml"
    settings.write_text(PRICES)
    settings.chmod(0o600)
    if job != "adopt":
        async with Engine.open(
            stage.home, user=OWNER, clock=_earlier, create=True, works=True
        ) as engine:
            await engine.adopt(stage.source, PROJECT)
            await (await engine.backup(PROJECT)).result()
            if job in ("delete", "transfer"):
                handle = await engine.restore(f"{PROJECT}@latest", COPY, accept_cost=FEE)
                await handle.result()
    instance = find(stage.source)
    if job == "backup":
        for file in sorted(instance.devices.glob("*.db")):
            change(file, "DELETE FROM data WHERE rowid % 7 = 0", "UPDATE data SET value = 'new'")
    shutil.copytree(stage.home, stage.before)
    return stage


def sample(kinds: str, most: int) -> list[int]:
    """Steps to kill at: before and after the last renames and links, and at even distances."""
    names = [at for at, kind in enumerate(kinds, 1) if kind in "rl"][-3:]
    chosen = {at + after for at in names for after in (0, 1)}
    stride = max(1, len(kinds) // max(1, most - len(chosen)))
    chosen |= set(range(1, len(kinds) + 1, stride))
    return sorted(step for step in chosen if step <= len(kinds))


async def kill_and_check(job: str, folder: Path, steps: Callable[[str], Iterable[int]]) -> None:
    """Kill a job at the steps that are chosen by their kinds, and check what is left each time."""
    stage = await make_stage(folder, build(folder), job)
    whole = stage.run(job)
    assert not whole.killed
    await check(stage, thorough=True)
    tried, killed = 0, 0
    for step in steps(whole.kinds):
        stage.reset()
        outcome = stage.run(job, kill_at=step)
        tried += 1
        killed += outcome.killed
        try:
            await check(stage, thorough=False)
        except BaseException as error:
            error.add_note(f"killed at step {step}: {outcome.kinds}")
            raise
    # Two processes share the work, so the number of steps differs a little from run to run.
    assert killed >= tried * 3 // 4


async def check(stage: Stage, *, thorough: bool) -> None:
    """What must hold of a home after a job was killed, whenever that was.

    `thorough` restores every backup that is listed, and not only those that the job made.
    """
    earlier = hashes(stage.before / "repository")
    assert earlier.items() <= hashes(stage.home / "repository").items(), "a backup was touched"
    known = {Path(name).name for name in earlier if name.startswith("manifests/")}
    async with Engine.open(stage.home, user=OWNER, clock=_later, create=True, works=True) as engine:
        projects = {each.name: each for each in await engine.projects()}
        if PROJECT not in projects:
            await engine.adopt(stage.source, PROJECT)
        _check_projects(stage, projects.values())
        made = [each.id for each in await engine.backups(PROJECT) if each.id not in known]
        assert len(known) + len(made) == len(await engine.backups(PROJECT)), "a backup is gone"
        wanted = all_rows(stage.source)
        for number, backup in enumerate(made):
            handle = await engine.restore(backup, f"Made {number}", accept_cost=FEE)
            assert all_rows((await handle.result()).project.path) == wanted
        if thorough:
            for number, backup in enumerate(sorted(known)):
                handle = await engine.restore(backup, f"Known {number}", accept_cost=FEE)
                assert (await handle.result()).devices == 2
        await (await engine.backup(PROJECT)).result()
        handle = await engine.restore(f"{PROJECT}@latest", "After", accept_cost=FEE)
        assert all_rows((await handle.result()).project.path) == wanted
        _check_projects(stage, await engine.projects())
    left = leftovers(stage.home)
    assert left == [], left
    states = {str(state) for (state,) in query(stage.home / "catalog.db", "SELECT state FROM job")}
    assert states <= {JobState.SUCCEEDED.value, JobState.LOST.value}


def _check_projects(stage: Stage, listed: Collection[Project]) -> None:
    """No half-made project, and a charge for every project that was made: neither alone."""
    folder = stage.home / "projects"
    there = set(folder.iterdir()) if folder.is_dir() else set()
    made = {each.id: each.path for each in listed if each.origin is Origin.RESTORED}
    assert set(made.values()) == there
    for root in there:
        instance = find(root)
        for database in (instance.database, *instance.devices.glob("*.db")):
            assert query(database, "PRAGMA integrity_check") == [("ok",)]
    charged = _ids(stage.home, "SELECT project FROM charge")
    assert len(charged) == len(set(charged))
    earlier = _ids(stage.before, "SELECT project FROM charge")
    assert set(charged) - set(earlier) <= set(made), "a charge without a project"
    assert set(made) <= set(charged), "a project without a charge"
    active = _ids(stage.home, "SELECT project FROM active_interval WHERE ended IS NULL")
    assert sorted(active) == sorted(made)


def _ids(home: Path, sql: str) -> list[str]:
    catalog = home / "catalog.db"
    return [str(key) for (key,) in query(catalog, sql)] if catalog.exists() else []
