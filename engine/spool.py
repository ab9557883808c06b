"""What the tasks of one job leave for each other about a large file.

Handed on through the parent it would be in the memory of several processes at a time, and there is
some of it for every page. The files lie in folders that are as private as what is read or made.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar, cast

T = TypeVar("T")


class Spooled(NamedTuple, Generic[T]):
    """Where something was left for another task; a parent hands this on, and need not know it."""

    path: str
    offset: int


class Spool:
    """A file that this process adds to, and every process of the job takes from.

    Its name is `path` with this process's id behind it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.{os.getpid()}")

    def put(self, made: T) -> Spooled[T]:
        """Leave something here."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with os.fdopen(os.open(self._path, flags, 0o600), "ab") as file:
            offset = file.tell()
            pickle.dump(made, file, protocol=5)
        return Spooled(str(self._path), offset)


def take(left: Spooled[T]) -> T:
    """What was left somewhere."""
    with Path(left.path).open("rb") as file:
        file.seek(left.offset)
        return cast("T", pickle.load(file))  # noqa: S301  # only processes of this job write there
