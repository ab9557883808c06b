"""Runs a command and tells how long it took and how much memory its whole process tree had."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY = 0.05  # seconds


@dataclass(frozen=True, slots=True)
class Command:
    """One process to run. `ours` marks a step that the benchmark adds to a peer's own work."""

    arguments: tuple[str, ...]
    folder: Path | None = None
    environment: Mapping[str, str] | None = None
    added: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds of wall time of all commands, and the peak memory in bytes of the tool's own."""

    seconds: float
    memory: int
    output: str


class CommandFailed(Exception):
    """A command of the benchmark ended with an error; the message holds what it printed."""


def measure(commands: Sequence[Command]) -> Figures:
    """Run commands one after the other. Raises CommandFailed at the first one that fails.

    Memory is the highest sum, over the processes alive at a time, of each one's highest resident
    size until then. It counts pages that processes share once for each of them. Steps that the
    benchmark adds count in the time and not in the memory.
    """
    seconds, memory, output = 0.0, 0, ""
    for command in commands:
        figures = _run(command)
        seconds += figures.seconds
        if not command.added:
            memory = max(memory, figures.memory)
            output = figures.output
    return Figures(seconds, memory, output)


def _run(command: Command) -> Figures:
    begin = time.perf_counter()
    process = subprocess.Popen(
        command.arguments,
        cwd=command.folder,
        env=os.environ | dict(command.environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watch = _MemoryWatch(process.pid)
    watch.start()
    output, errors = process.communicate()
    seconds = time.perf_counter() - begin
    watch.stop()
    if process.returncode != 0:
        raise CommandFailed(f"{' '.join(command.arguments)}\n{output}{errors}")
    return Figures(seconds, watch.peak, output)


class _MemoryWatch(threading.Thread):
    """Samples the memory of a process and its descendants until it is stopped."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._root = root
        self._stopped = threading.Event()

    def run(self) -> None:
        while True:
            self.peak = max(self.peak, sum(memory(pid) for pid in _tree(self._root)))
            if self._stopped.wait(SAMPLE_EVERY):
                return

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _tree(root: int) -> list[int]:
    """The process and all its descendants that are alive."""
    tree = [root]
    for process in tree:
        with contextlib.suppress(OSError):  # it, or a thread of it, ended since it was listed
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                tree += [int(child) for child in children.read_text().split()]
    return tree


def memory(process: int, what: str = "VmHWM") -> int:
    """Bytes of a process's memory, as Linux calls them; VmHWM is the most that was resident.

    0 for a process that has ended.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:  # it ended since it was listed
        return 0
    for line in status.splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    return 0
