"""Private folders for what is only looked at: each belongs to a process, and goes when it ends.

A job empties a home's scratch folder when it begins, whoever uses it. Whoever looks into a backup
meanwhile has a folder of its own, which is locked while it is in use: the kernel lets go of it
however the process ends, and then the next one that looks removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

_NAME = ".aside-"


@contextlib.contextmanager
def aside(home: Path, *, keeps: str = "") -> Iterator[Path]:
    """A new private folder in a home, removed at the end. Blocks; raises OSError.

    While it is there no clean-up removes the backup (an id) that it `keeps`: who looks for the
    backup's manifest only then may take his time.
    """
    folder = home / f"{_NAME}{keeps}-{os.urandom(8).hex()}"
    try:
        with contextlib.ExitStack() as held:
            while not folder.exists():  # one that is not locked yet may be removed at once
                folder.mkdir(mode=0o700)
                with contextlib.suppress(FileNotFoundError):
                    folder.chmod(0o700)
                    handle = held.enter_context(_opened(folder))
                    fcntl.flock(handle, fcntl.LOCK_EX)
            yield folder
    finally:
        _remove(folder)


def kept(home: Path) -> set[str]:
    """The ids of the backups that are kept. Blocks."""
    folders = set(home.glob(f"{_NAME}*")).difference(_abandoned(home))
    return {folder.name.removeprefix(_NAME).partition("-")[0] for folder in folders} - {""}


def has_abandoned(home: Path) -> bool:
    """Whether a process died that had such a folder."""
    return next(_abandoned(home), None) is not None


def remove_abandoned(home: Path) -> None:
    """Remove the folders of processes that died. Blocks."""
    for folder in _abandoned(home):
        _remove(folder)


def _remove(folder: Path) -> None:
    import shutil  # with all its compressors, which a command that looks needs rarely

    shutil.rmtree(folder, ignore_errors=True)


def _abandoned(home: Path) -> Iterator[Path]:
    for folder in home.glob(f"{_NAME}*"):
        with contextlib.suppress(OSError), _opened(folder) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)
