"""The catalog's tables, how a new catalog is made, and how an older one is brought up to date.

A catalog appears under its name only when it is complete, so that an empty or cut file is always
damage and never taken for a new home. Migrations are numbered by SQLite's `user_version`.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.catalog.connection import PATIENCE, Database, damaged
from engine.errors import Busy, StorageFailed, TooNew

# Each migration is a list of statements that are applied in one transaction. They are history:
# a change of the tables is a new migration at the end, never an edit of one that was published.
_FIRST = (
    """
    CREATE TABLE project (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        key TEXT NOT NULL UNIQUE,
        path BLOB NOT NULL UNIQUE,
        state TEXT NOT NULL,
        origin TEXT NOT NULL,
        created TEXT NOT NULL
    )
    """,
    # Roles stay when their project is gone: its owners still reach its backups and its costs.
    """
    CREATE TABLE member (
        project TEXT NOT NULL,
        user TEXT NOT NULL,
        role TEXT NOT NULL,
        PRIMARY KEY (project, user)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX member_by_user ON member (user)",
    # No foreign key: the backups of a forgotten project stay in the repository.
    """
    CREATE TABLE backup (
        id TEXT PRIMARY KEY,
        project TEXT NOT NULL,
        project_name TEXT NOT NULL,
        date TEXT NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        size INTEGER NOT NULL,
        added INTEGER NOT NULL,
        data INTEGER NOT NULL,
        devices INTEGER NOT NULL,
        variables INTEGER NOT NULL,
        actions INTEGER NOT NULL,
        analyses INTEGER NOT NULL,
        accounts INTEGER NOT NULL,
        verified TEXT,
        notes TEXT NOT NULL
    )
    """,
    "CREATE INDEX backup_by_project ON backup (project, date, id)",
    """
    CREATE TABLE job (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        project TEXT NOT NULL,
        project_name TEXT NOT NULL,
        user TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        started TEXT NOT NULL,
        finished TEXT
    )
    """,
    "CREATE INDEX job_by_state ON job (state)",
    """
    CREATE TABLE held_item (
        project TEXT NOT NULL REFERENCES project (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        kind TEXT NOT NULL,
        item TEXT NOT NULL,
        name TEXT NOT NULL,
        "column" TEXT NOT NULL,
        was TEXT NOT NULL,
        held TEXT NOT NULL,
        PRIMARY KEY (project, position)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE charge (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        project TEXT NOT NULL,
        project_name TEXT NOT NULL,
        at TEXT NOT NULL,
        amount TEXT NOT NULL,
        currency TEXT NOT NULL,
        what TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE active_interval (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        project TEXT NOT NULL,
        project_name TEXT NOT NULL,
        started TEXT NOT NULL,
        ended TEXT,
        hourly TEXT NOT NULL,
        currency TEXT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX one_open_interval ON active_interval (project) WHERE ended IS NULL",
    """
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        user TEXT NOT NULL,
        action TEXT NOT NULL,
        project TEXT,
        project_name TEXT,
        verdict TEXT NOT NULL,
        detail TEXT NOT NULL
    )
    """,
)

# For tables whose lines are only ever added; INSERT OR REPLACE would remove a line without asking
# the trigger against DELETE, so it has one of its own.
_ONLY_ADDED = """
    CREATE TRIGGER {table}_is_never_changed BEFORE UPDATE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} lines are never changed'); END;

    CREATE TRIGGER {table}_is_never_removed BEFORE DELETE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} lines are never removed'); END;

    CREATE TRIGGER {table}_is_never_replaced BEFORE INSERT ON {table}
    WHEN EXISTS (SELECT 1 FROM {table} WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, '{table} lines are never replaced'); END;
"""

_PROTECTION = tuple(
    statement
    for table in ("audit", "charge")
    for statement in _ONLY_ADDED.format(table=table).strip().split("\n\n")
)

# Jobs wait in a queue and tell how far they are; projects have a schedule.
_SECOND = (
    """
    CREATE TABLE new_job (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        project TEXT NOT NULL,
        project_name TEXT NOT NULL,
        user TEXT NOT NULL,
        state TEXT NOT NULL,
        asked TEXT NOT NULL,
        started TEXT,
        finished TEXT,
        request TEXT NOT NULL,
        cancel INTEGER NOT NULL DEFAULT 0,
        stage TEXT NOT NULL DEFAULT '',
        done INTEGER NOT NULL DEFAULT 0,
        total INTEGER NOT NULL DEFAULT 0,
        rate REAL,
        error TEXT NOT NULL DEFAULT '',
        reason TEXT NOT NULL DEFAULT '',
        hint TEXT NOT NULL DEFAULT '',
        result TEXT NOT NULL DEFAULT '{}',
        slot TEXT,
        attempt INTEGER NOT NULL DEFAULT 1
    )
    """,
    """
    INSERT INTO new_job (id, kind, project, project_name, user, state, asked, started, finished,
        request, reason)
    SELECT id, kind, project, project_name, user, state, started, started, finished, '{}', reason
    FROM job ORDER BY rowid
    """,
    "DROP TABLE job",
    "ALTER TABLE new_job RENAME TO job",
    "CREATE INDEX job_by_state ON job (state)",
    "CREATE INDEX job_by_project ON job (project, asked)",
    # `at` and `zone` are null while backups are taken by hand only.
    """
    CREATE TABLE schedule (
        project TEXT PRIMARY KEY REFERENCES project (id) ON DELETE CASCADE,
        at TEXT,
        zone TEXT,
        since TEXT,
        keep INTEGER NOT NULL
    )
    """,
    # One row for each date that a backup was scheduled for: it makes a slot run once.
    """
    CREATE TABLE slot (
        project TEXT NOT NULL REFERENCES project (id) ON DELETE CASCADE,
        date TEXT NOT NULL,
        due TEXT NOT NULL,
        job TEXT,
        note TEXT NOT NULL,
        PRIMARY KEY (project, date)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX slot_by_date ON slot (date)",
    """
    CREATE TABLE incident (
        project TEXT NOT NULL REFERENCES project (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        since TEXT NOT NULL,
        PRIMARY KEY (project, kind)
    ) WITHOUT ROWID
    """,
)

# Under which id the backups are of a folder that was a project.
_THIRD = (
    """
    CREATE TABLE forgotten (
        project TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        path BLOB NOT NULL,
        at TEXT NOT NULL
    ) WITHOUT ROWID
    """,
)

# How many devices' data a backup lacks: those before told it in their notes only.
_FOURTH = ("ALTER TABLE backup ADD COLUMN missing INTEGER NOT NULL DEFAULT 0",)

# People are invited; each line of the audit trail is sealed together with all before it.
_FIFTH = (
    """
    CREATE TABLE invitation (
        project TEXT NOT NULL REFERENCES project (id) ON DELETE CASCADE,
        user TEXT NOT NULL,
        role TEXT NOT NULL,
        by TEXT NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (project, user)
    ) WITHOUT ROWID
    """,
    "ALTER TABLE audit ADD COLUMN seal TEXT",
)

MIGRATIONS: tuple[Sequence[str], ...] = ((*_FIRST, *_PROTECTION), _SECOND, _THIRD, _FOURTH, _FIFTH)

_APPLICATION = 0x426B5379  # "BkSy", in the header of each catalog
_PAUSE = 0.02  # seconds between two tries


async def migrate(
    database: Database, migrations: Sequence[Sequence[str]] = MIGRATIONS, *, new: bool = False
) -> None:
    """Bring the catalog up to date, each migration in a transaction of its own.

    Another process may do the same at the same time: each looks again once it holds the lock.
    Raises `TooNew` for a catalog of a newer Backstay, and `Damaged` for what is no catalog; only
    with `new` is an empty database taken for one that is to be filled.
    """
    while await _version(database, len(migrations), new=new) < len(migrations):
        async with database.transaction():
            version = await _version(database, len(migrations), new=new)
            if version < len(migrations):
                for statement in migrations[version]:
                    await database.change(statement)
                await database.change(f"PRAGMA application_id = {_APPLICATION}")
                await database.change(f"PRAGMA user_version = {version + 1}")


async def create(path: Path, *, patience: float = PATIENCE) -> None:
    """Make a new, empty catalog at `path`, mode 0600; do nothing where there is one already.

    Safe when several processes do it at once, and when one of them is killed in the middle.
    Raises `Busy` when another process holds the folder's lock for too long, and `StorageFailed`.
    """
    with _storage(path), _folder(path.parent) as folder:
        await _lock(folder, path, patience)
        beside = path.with_name(f"{path.name}.new")
        if not _make_room(path, beside):
            return
        try:
            database = await Database.open(beside, patience=patience)
            try:
                await migrate(database, new=True)
            finally:
                await database.close()
            beside.rename(path)
            os.fsync(folder)
        except BaseException:
            _remove(beside)
            raise


async def _version(database: Database, known: int, *, new: bool) -> int:
    ((found, application),) = await database.rows(
        "SELECT user_version, application_id FROM pragma_user_version, pragma_application_id"
    )
    version = int(found)
    if new and version == 0 and application == 0:
        return 0
    if application != _APPLICATION or version < 1:
        raise damaged(database.path, "it is empty or was not written by Backstay")
    if version > known:
        raise TooNew(
            f"The catalog {database.path} has version {version}; this Backstay knows versions "
            f"up to {known}."
        )
    return version


async def _lock(folder: int, path: Path, patience: float) -> None:
    """Hold the folder's lock until it is closed; the kernel drops it when a process dies."""
    now = asyncio.get_running_loop().time
    deadline = now() + patience
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            if now() >= deadline:
                raise Busy(f"Another program is at work in {path.parent}.") from error
        else:
            return
        await asyncio.sleep(_PAUSE)


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def _storage(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageFailed(f"The catalog {path} cannot be made: {reason}.") from error


def _make_room(path: Path, beside: Path) -> bool:
    """Make an empty file `beside`, only ours to read, unless `path` is there already."""
    if os.path.lexists(path):
        return False
    _remove(beside)  # what a killed process left; nobody else is here, we hold the lock
    file = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(file, 0o600)  # a umask may have taken bits away, ours among them
    finally:
        os.close(file)
    return True


def _remove(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
