"""Backstay and the tools it is measured against, each as the commands that a person would run.

What makes the comparison fair is said here, tool by tool, and printed with the table. Passwords
are given in the environment: they protect nothing here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from measuring import Command
from project_files import size_of

_HERE = Path(__file__).parent


class Tool(Protocol):
    """A way to back up the project in `live` and to restore it. Numbers count from 1."""

    name: str
    note: str
    whole: bool  # whether every backup stores everything again, whatever was stored before

    def prepare(self) -> None:
        """Make the empty repository; not timed."""

    def backup(self, number: int) -> list[Command]:
        """The commands of one backup, synced to disk when they end."""

    def stored(self) -> int:
        """Bytes that all backups so far take."""

    def restore(self, number: int) -> list[Command]:
        """The commands that make a new project, with new ids, of the latest backup."""

    def discard(self) -> None:
        """Remove what was restored; not timed."""


def program(name: str) -> str | None:
    """Where an installed program is, or None."""
    return shutil.which(name)


def needed(name: str) -> str:
    """Where a program is that the benchmark cannot do without. Raises SystemExit."""
    found = program(name)
    if found is None:
        raise SystemExit(f"{name} is not installed, and the benchmark needs it")
    return found


def sync_files(folder: Path) -> Command:
    """Write the file system that holds a folder to disk."""
    return Command((needed("sync"), "-f", str(folder)))


def renew_ids(folder: Path) -> Command:
    """Give the restored project under a folder new ids; see new_ids.py."""
    return Command((sys.executable, str(_HERE / "new_ids.py"), str(folder)), added=True)


class Ours:
    """Backstay itself, encrypted, with one of the settings of which indexes are left out."""

    def __init__(self, work: Path, live: Path, leave_out: str) -> None:
        self.name = f"backstay, {leave_out}"
        self.note = f"leaves out {leave_out}; AES-256-GCM; syncs itself; restores are checked"
        self.whole = False
        self._home = work / f"home-{leave_out}"
        self.live = live
        self._leave_out = leave_out
        self._program = str(Path(sys.executable).parent / "backstay")

    def prepare(self) -> None:
        """Make a home without prices and adopt the project."""
        self._home.mkdir(mode=0o700)
        (self._home / "backstay.toml").write_text(f'[snapshot]\nleave_out = "{self._leave_out}"\n')
        self.json("adopt", str(self.live), "--name", "Bench")

    def json(self, *arguments: str) -> object:
        """Run one of Backstay's commands, not timed, and give what it prints."""
        command = self.command(*arguments)
        done = subprocess.run(command.arguments, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command.arguments)}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def command(self, *arguments: str) -> Command:
        """One of Backstay's commands on this home."""
        return Command((self._program, "--home", str(self._home), *arguments, "--json"))

    def backup(self, number: int) -> list[Command]:
        """A manual backup."""
        return [self.command("backup", "Bench")]

    def stored(self) -> int:
        """All bytes of the repository."""
        return size_of(self._home / "repository")

    def restore(self, number: int) -> list[Command]:
        """A new project of the latest backup."""
        return [
            self.command(
                "restore", "Bench@latest", "--name", f"Restored {number}", "--accept-cost", "0"
            )
        ]

    def discard(self) -> None:
        """Delete the restored project's data, as any other's."""
        shutil.rmtree(self._home / "projects")


class Restic:
    """restic, with its own encryption, cache and compression (repository format 2)."""

    def __init__(self, work: Path, live: Path) -> None:
        self.name = "restic"
        self.note = "AES-256-CTR and Poly1305; syncs backups itself; sync -f after a restore"
        self.whole = False
        self._repository = work / "restic"
        self._live = live
        self._out = work / "restic-restored"
        self._environment = {
            "RESTIC_PASSWORD": "bench",
            "RESTIC_REPOSITORY": str(self._repository),
            "RESTIC_CACHE_DIR": str(work / "restic-cache"),
            "RESTIC_PROGRESS_FPS": "0.1",
        }

    def _command(self, *arguments: str) -> Command:
        return Command((needed("restic"), "--quiet", *arguments), self._live, self._environment)

    def prepare(self) -> None:
        """Make the repository."""
        _run_now(self._command("init"))

    def backup(self, number: int) -> list[Command]:
        """Back up the whole project folder."""
        return [self._command("backup", ".")]

    def stored(self) -> int:
        """All bytes of the repository."""
        return size_of(self._repository)

    def restore(self, number: int) -> list[Command]:
        """Restore the latest snapshot, then give new ids."""
        target = self._out / str(number)
        return [
            self._command("restore", "latest", "--target", str(target)),
            renew_ids(target),
            sync_files(self._out.parent),
        ]

    def discard(self) -> None:
        """Remove what was restored."""
        shutil.rmtree(self._out)


class Borg:
    """borg with zstd,1 and encryption in repokey mode."""

    def __init__(self, work: Path, live: Path) -> None:
        self.name = "borg"
        self.note = (
            "repokey (AES-256-CTR, HMAC-SHA256), zstd,1; syncs backups; sync -f after restore"
        )
        self.whole = False
        self._repository = work / "borg"
        self._live = live
        self._out = work / "borg-restored"
        self._environment = {"BORG_PASSPHRASE": "bench", "BORG_BASE_DIR": str(work / "borg-base")}

    def _command(self, *arguments: str, folder: Path | None = None) -> Command:
        return Command((needed("borg"), *arguments), folder or self._live, self._environment)

    def prepare(self) -> None:
        """Make the repository."""
        _run_now(self._command("init", "--encryption", "repokey", str(self._repository)))

    def backup(self, number: int) -> list[Command]:
        """Back up the whole project folder."""
        archive = f"{self._repository}::{number}"
        return [self._command("create", "--compression", "zstd,1", archive, ".")]

    def stored(self) -> int:
        """All bytes of the repository."""
        return size_of(self._repository)

    def restore(self, number: int) -> list[Command]:
        """Extract one archive, then give new ids."""
        target = self._out / str(number)
        target.mkdir(parents=True)
        return [
            self._command("extract", f"{self._repository}::{number}", folder=target),
            renew_ids(target),
            sync_files(target),
        ]

    def discard(self) -> None:
        """Remove what was restored."""
        shutil.rmtree(self._out)


class SqliteBackup:
    """``sqlite3 .backup`` of every database, then ``zstd -1``, two files at a time."""

    def __init__(self, work: Path, live: Path) -> None:
        self.name = ".backup + zstd"
        self.note = (
            "sqlite3; not encrypted; every backup is whole; sync -f after backup and restore"
        )
        self.whole = True
        self._out = work / "sqlite"
        self._live = live
        self._restored = self._out / "restored"
        self._stored = 0
        self._target = Path()

    def prepare(self) -> None:
        """Make the folder."""
        self._out.mkdir()

    def backup(self, number: int) -> list[Command]:
        """Back up every database of the project into a folder of its own."""
        if self._target != Path():
            # Only its size matters any more, and seven days of it would fill the disk.
            self._stored += size_of(self._target)
            shutil.rmtree(self._target)
        self._target = self._out / str(number)
        each = 'sqlite3 "$1" ".backup \\"$0/$1\\"" && zstd -q -1 --rm "$0/$1"'
        return [
            _each_file("*.db", each, self._live, self._target),
            sync_files(self._target),
        ]

    def stored(self) -> int:
        """All backups, those included that were removed to spare the disk."""
        return self._stored + size_of(self._target)

    def restore(self, number: int) -> list[Command]:
        """Decompress every file, then give new ids."""
        restored = self._restored
        each = 'exec zstd -q -d "$1" -o "$0/${1%.zst}"'
        return [
            _each_file("*.zst", each, self._target, restored),
            renew_ids(restored),
            sync_files(restored),
        ]

    def discard(self) -> None:
        """Remove what was restored."""
        shutil.rmtree(self._restored)


def _each_file(pattern: str, script: str, source: Path, target: Path) -> Command:
    """Run a script on every file of that name, two at a time: $0 is `target`, $1 the file."""
    for folder in [source, *(path for path in source.rglob("*") if path.is_dir())]:
        (target / folder.relative_to(source)).mkdir(parents=True, exist_ok=True)
    shell = needed("sh")
    find = f"find . -name '{pattern}' -print0 | xargs -0 -P 2 -n 1 sh -c '{script}' \"$0\""
    return Command((shell, "-c", find, str(target)), source)


class PlainCopy:
    """``cp -r``, then ``sync``: what a backup costs that saves nothing."""

    def __init__(self, work: Path, live: Path) -> None:
        self.name = "cp -r + sync"
        self.note = "not encrypted, not compressed, not consistent; sync -f after both"
        self.whole = True
        self._out = work / "cp"
        self._live = live
        self._restored = self._out / "restored"
        self._stored = 0
        self._target = Path()

    def prepare(self) -> None:
        """Make the folder."""
        self._out.mkdir()

    def backup(self, number: int) -> list[Command]:
        """Copy the whole project folder."""
        if self._target != Path():
            self._stored += size_of(self._target)
            shutil.rmtree(self._target)
        self._target = self._out / str(number)
        return [self._copy(self._live, self._target), sync_files(self._out)]

    def _copy(self, source: Path, target: Path) -> Command:
        # A reflink would copy nothing.
        return Command((needed("cp"), "-r", "--reflink=never", str(source), str(target)))

    def stored(self) -> int:
        """All backups, those included that were removed to spare the disk."""
        return self._stored + size_of(self._target)

    def restore(self, number: int) -> list[Command]:
        """Copy it back, then give new ids."""
        return [
            self._copy(self._target, self._restored),
            renew_ids(self._restored),
            sync_files(self._out),
        ]

    def discard(self) -> None:
        """Remove what was restored."""
        shutil.rmtree(self._restored)


PEERS: dict[str, tuple[tuple[str, ...], Callable[[Path, Path], Tool]]] = {
    "restic": (("restic",), Restic),
    "borg": (("borg",), Borg),
    "sqlite": (("sqlite3", "zstd"), SqliteBackup),
    "cp": (("cp",), PlainCopy),
}


def _run_now(command: Command) -> None:
    done = subprocess.run(
        command.arguments,
        cwd=command.folder,
        env=os.environ | dict(command.environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command.arguments)}\n{done.stdout}{done.stderr}")
