"""The folder of a project that is made or removed: whole under its name, or not there at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from engine.syncing import sync_file, sync_folder


def make_folder(folder: Path) -> None:
    """Make a private folder, which must not be there yet."""
    folder.mkdir(mode=0o700)
    folder.chmod(0o700)


def make_folders(folder: Path, below: Path) -> None:
    """Make a private folder, and those between it and `below`, as far as they are not there."""
    if folder != below and not folder.is_dir():
        make_folders(folder.parent, below)
        make_folder(folder)


def sync_tree(folder: Path) -> None:
    """Bring small files and all names of a folder to disk; databases of devices are there already.

    Bottom up, so that nothing is named before it is there.
    """
    for base, _, files in os.walk(folder, topdown=False):
        if Path(base).name != "devices":
            for file in files:
                sync_file(Path(base, file))
        sync_folder(Path(base))


def publish(partial: Path, root: Path) -> None:
    """Give a finished project its name: one atomic step, on disk when this returns. Blocks."""
    partial.rename(root)
    sync_folder(root.parent)


def remove(folder: Path) -> None:
    """Remove the folder of a project for good: first out of sight, then piece by piece. Blocks."""
    gone = folder.with_name(f".partial-gone-{folder.name}")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
    sync_folder(folder.parent)
