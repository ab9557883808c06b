"""A look at a catalog that needs no event loop: whether a home ever held a backup."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from engine.errors import StorageFailed
from engine.model import JobKind, JobState

_LOOK = """
    SELECT EXISTS (SELECT 1 FROM backup)
        OR EXISTS (SELECT 1 FROM job WHERE kind = ? AND state = ?)
"""


def ever_backed_up(catalog: Path) -> bool:
    """Whether the catalog in that file knows a backup, or that one was made. Blocks.

    Raises `StorageFailed` where it cannot be asked. There is none before a home is made.
    """
    if not catalog.exists():
        return False
    address = f"{catalog.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            values = (JobKind.BACKUP.value, JobState.SUCCEEDED.value)
            ((found,),) = database.execute(_LOOK, values)
    except sqlite3.Error as error:
        raise StorageFailed(
            f"The catalog {catalog} does not tell whether this home has backups: {error}."
        ) from error
    return bool(found)
