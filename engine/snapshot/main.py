"""The task of a child process that copies the main database, plugins' storage and settings.

The databases are small and hold what must not be kept, so they are copied row by row. First their
pages are copied to a private file, as fast as memory allows, for only that is done under the lock;
pages of tables that a backup never holds are passed over.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.errors import MAIN_DAMAGED_HINT, SourceDamaged, SourceMissing
from engine.names import shown
from engine.pages.accounting import EMPTY
from engine.pages.btree import walk
from engine.pages.header import Header, NotCanonical
from engine.project.instance import Instance
from engine.project.maindb import EMPTY_TABLES, MainFacts, copy_main, copy_plugin_storage
from engine.project.settings_files import collect
from engine.repository.manifest import Stamp
from engine.repository.manifest_json import PLUGIN_ID
from engine.snapshot.child import SLICE, setup
from engine.snapshot.databases import page_reader, store_plain
from engine.snapshot.live import LiveFile
from engine.snapshot.results import Copied, MainRead
from engine.stamps import stamp_of
from engine.syncing import write_all


def read_main(instance: Instance, mark_prefix: str) -> MainRead:
    """Read and store the main database, the plugins' storage and the settings.

    Raises `SourceMissing`, `SourceDamaged`, `SettingsInvalid` and `Busy`.
    """
    stamps: list[tuple[str, Stamp]] = []
    target = setup.scratch / "main.db"
    with (
        _named(instance.database, target),
        _private_copy(instance.database) as (source, stamp, longest),
    ):
        stamps.append((str(instance.database), stamp))
        facts: MainFacts = copy_main(source, target, mark_prefix)
    main = _stored(target)
    plugins: list[tuple[str, Copied]] = []
    notes = list(facts.notes)
    for file in instance.storage_files:
        if not PLUGIN_ID.fullmatch(file.stem):
            named = shown(file.name)
            notes.append(f"{named} is not named like a plugin's storage; it is left out.")
            continue
        target = setup.scratch / "plugin.db"
        with _named(file, target), _private_copy(file) as (source, stamp, lock):
            stamps.append((str(file), stamp))
            longest = max(longest, lock)
            copy_plugin_storage(source, target, facts.scrub)
        plugins.append((file.stem, _stored(target)))
    for name in instance.settings:
        with contextlib.suppress(OSError):  # `collect` says what is wrong with it
            status = (instance.root / name).stat()
            stamps.append((str(instance.root / name), stamp_of(status, 0)))
    files = collect(instance, facts.scrub)
    return MainRead(
        main=main,
        devices=facts.devices,
        unusable=facts.unusable,
        actions=facts.actions,
        analyses=facts.analyses,
        accounts=facts.accounts,
        plugins=tuple(plugins),
        settings=tuple((file.path, file.text) for file in files),
        stamps=tuple(stamps),
        notes=tuple(notes),
        longest_lock=longest,
    )


@contextlib.contextmanager
def _named(path: Path, target: Path) -> Iterator[None]:
    """Name the database by its path, not our copy of it; and it cannot be left out."""
    try:
        yield
    except SourceDamaged as error:
        message = error.message
        for name in (target.name, path.name):
            if str(path) not in message:
                message = message.replace(name, str(path), 1)
        raise SourceDamaged(message, hint=MAIN_DAMAGED_HINT) from error


def device_exists(database: str, device: str) -> bool:
    """Whether the main database still has a device."""
    address = f"{Path(database).absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
        found = connection.execute("SELECT 1 FROM device WHERE id = ?", (device,)).fetchone()
    return found is not None


def _stored(path: Path) -> Copied:
    """Store a finished copy, count its rows, and remove it."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid"
        ).fetchall()
        tables = tuple((name, _rows(connection, name)) for (name,) in names)
    image, chunks = store_plain(path)
    path.unlink()
    return Copied(image, chunks, tables)


def _rows(connection: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    query = f'SELECT count(*) FROM "{quoted}"'  # noqa: S608  # quoted
    return int(connection.execute(query).fetchone()[0])


@contextlib.contextmanager
def _private_copy(path: Path) -> Iterator[tuple[sqlite3.Connection, Stamp, float]]:
    """A connection to a private copy of a live database, its stamp, and how long it was held."""
    copy = setup.scratch / "source.db"
    copy.unlink(missing_ok=True)
    if not path.is_file():
        raise SourceMissing(f"{path} is not there any more.")
    with LiveFile(path) as live:
        if live.glance().wal:
            stamp = live.stamp()
            with contextlib.closing(sqlite3.connect(copy)) as target, live.told():
                live.connection.backup(target, pages=-1)
                target.execute("PRAGMA journal_mode = DELETE")
        else:
            with live.locked():
                stamp = live.stamp()
                _copy_pages(live, live.header(), copy)
    connection = sqlite3.connect(copy, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")  # it is private, and gone in a moment
    try:
        yield connection, stamp, live.longest_lock
    finally:
        connection.close()
        copy.unlink()


def _copy_pages(live: LiveFile, header: Header, copy: Path) -> None:
    """Copy the pages of a file inside its lock, without those of tables that are never kept."""
    kinds = np.zeros(header.page_count, np.uint8)
    with contextlib.suppress(NotCanonical):  # then all of it is copied, and passed over later
        for name, root in live.connection.execute(
            "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'"
        ):
            if str(name).lower() in EMPTY_TABLES - {"account_token"}:
                tree = walk(page_reader(live, header), root, header.page_count, index=False)
                kinds[tree.interior - 1] = EMPTY
                kinds[tree.leaves - 1] = EMPTY
    wanted = np.concatenate([[False], kinds != EMPTY, [False]])
    edges = np.flatnonzero(np.diff(wanted.astype(np.int8))).reshape(-1, 2)
    buffer = setup.buffer.data
    file = os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(file, header.page_count * header.page_size)
        for begin, end in (edges * header.page_size).tolist():
            for at in range(begin, end, SLICE):
                part = buffer[: min(SLICE, end - at)]
                live.read_into(part, at)
                write_all(file, part, at)
    finally:
        os.close(file)
