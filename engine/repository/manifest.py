"""What a manifest says of a backup, as facts; `engine.repository.manifest_json` is their form."""

# No annotations from __future__ here: NamedTuple would compile each one, at every start.

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from engine.model import BackupKind

NAME_LENGTH = 16  # bytes of a chunk's name
LIST_NAMES = 1024  # names of chunks in one list


class Image(NamedTuple):
    """A stored image of a database.

    `lists` are the names of its lists of chunks. `left_out` are the indexes that a restore has to
    rebuild. `id_column` is None where the file was kept as it is; `lookalikes` are pages that start
    like leaves of the table but are none. `stored` is the bytes that the image's chunks occupy.
    """

    page_size: int
    page_count: int
    lists: tuple[bytes, ...]
    id_column: int | None
    left_out: tuple[str, ...]
    lookalikes: tuple[int, ...]
    stored: int

    @property
    def size(self) -> int:
        """Bytes of the database."""
        return self.page_size * self.page_count


class Stamp(NamedTuple):
    """What a file looked like when it was read; nanoseconds for times."""

    size: int
    modified: int
    changed: int
    inode: int
    counter: int  # SQLite's change counter
    looked: int  # when the look was taken


class DeviceEntry(NamedTuple):
    """A device's database. `first` and `last` are epoch milliseconds of its rows' times.

    `image` is None where the backup does not hold the data; `missing` says why.
    """

    id: str
    name: str
    rows: int
    first: int | None
    last: int | None
    image: Image | None
    missing: str
    stamp: Stamp | None

    @property
    def first_moment(self) -> datetime | None:
        """`first` as a moment, where there is one that a calendar has."""
        return _moment(self.first)

    @property
    def last_moment(self) -> datetime | None:
        """`last` as a moment, where there is one that a calendar has."""
        return _moment(self.last)


def _moment(milliseconds: int | None) -> datetime | None:
    if milliseconds is None:
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


class MainEntry(NamedTuple):
    """The main database, copied logically; `tables` are its tables and how many rows each has."""

    image: Image
    tables: tuple[tuple[str, int], ...]
    actions: int
    analyses: int
    accounts: int
    stamps: tuple[tuple[str, Stamp], ...]  # of the files that this part of the backup was read from


class PluginEntry(NamedTuple):
    """A plugin's storage, copied logically."""

    plugin: str
    image: Image
    tables: tuple[tuple[str, int], ...]


class Layout(NamedTuple):
    """Where the parts of the project were: its plugin's id, and paths. Never written to."""

    plugin: str
    database: str
    devices: str
    storage: str


class Manifest(NamedTuple):
    """All that one backup holds.

    `size`, `added` and `data` are bytes without the manifest's own; `packs` are the packs that hold
    its chunks (and perhaps more), with their sizes. `mark_prefix` begins the marks that stand for
    tokens. `path`, `owners` and `port` are the project's at that time.
    """

    backup: str
    project: str
    project_name: str
    path: str
    owners: tuple[str, ...]
    port: int
    date: datetime
    kind: BackupKind
    main: MainEntry
    devices: tuple[DeviceEntry, ...]
    plugins: tuple[PluginEntry, ...]
    settings: tuple[tuple[str, str], ...]
    packs: dict[str, int]
    mark_prefix: str
    leave_out: str  # which indexes the project's settings left out
    size: int
    added: int
    data: int
    longest_lock: float
    notes: tuple[str, ...]
    layout: Layout
