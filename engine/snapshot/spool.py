"""What the tasks of one backup leave for each other about a large file.

It lies in the home's scratch folder, which is as private as the home: handed on through the parent
it would be in the memory of several processes at a time, and there is some of it for every page.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path

from engine.snapshot.results import Spooled


class Spool:
    """A file that one process adds to, and every process of the backup takes from."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"spool-{os.getpid()}"

    def put(self, made: object) -> Spooled:
        """Leave something here."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with os.fdopen(os.open(self._path, flags, 0o600), "ab") as file:
            offset = file.tell()
            pickle.dump(made, file, protocol=5)
        return Spooled(str(self._path), offset)


def take(left: Spooled) -> object:
    """What was left somewhere."""
    with Path(left.path).open("rb") as file:
        file.seek(left.offset)
        return pickle.load(file)  # noqa: S301  # only the processes of this backup write there
