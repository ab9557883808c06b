"""What the schema of a device's database says, and whether its images can be canonical."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from engine.model import LeaveOut
from engine.pages.header import Header, NotCanonical

TABLE = "data"
ID = "id"
_REAL = re.compile("REAL|FLOA|DOUB", re.IGNORECASE)  # https://www.sqlite.org/datatype3.html 3.1


@dataclass(frozen=True, slots=True)
class Index:
    """An index of the table: its name, the page its b-tree starts at, and what it is over.

    `columns` are places in a record. They are None where the index orders values in another way
    than by their bytes and upwards, or has other values than the record: that of a default where a
    row lacks one, or real numbers where it has integers.
    """

    name: str
    root: int
    columns: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the rows of a device's database are, and the indexes over them."""

    table_root: int
    id_column: int  # position of the id in a record
    primary_key: Index
    others: tuple[Index, ...]
    internal: tuple[int, ...]  # where tables of SQLite's own start, such as statistics

    def left_out(self, choice: LeaveOut) -> tuple[Index, ...]:
        """The indexes that a backup leaves out under `choice`."""
        if choice is LeaveOut.NONE:
            return ()
        if choice is LeaveOut.PRIMARY_KEY:
            return (self.primary_key,)
        return (self.primary_key, *self.others)


def check_header(header: Header) -> None:
    """Raise `NotCanonical` for files that are laid out in a way that images do not cover."""
    if header.auto_vacuum:
        raise NotCanonical("it uses auto-vacuum")
    if header.reserved:
        raise NotCanonical("its pages have reserved bytes")
    if header.text_encoding != 1:
        raise NotCanonical("its text is not UTF-8")
    if header.schema_format != 4:
        raise NotCanonical("its schema has an old format")
    if header.page_count >= 0x0D000000:
        raise NotCanonical("it has too many pages")


def read_shape(connection: sqlite3.Connection) -> Shape:
    """Read the shape inside the connection's transaction.

    Raises `NotCanonical` for a schema that is not a device's: another table beside ``data``, no
    text primary key ``id``, generated columns, WITHOUT ROWID, a hidden or partial primary key, or
    another index that may depend on the id: its entries would be of the old ids.
    """
    tables: list[tuple[str, int]] = []
    indexes: list[Index] = []
    internal: list[int] = []
    for kind, name, table, root in connection.execute(
        "SELECT type, name, tbl_name, rootpage FROM sqlite_schema"
    ):
        if kind == "table" and str(name).startswith("sqlite_"):
            internal.append(root)
        elif kind == "table":
            tables.append((name, root))
        elif kind == "index" and table == TABLE:
            indexes.append(Index(name, root))
        elif kind != "index":
            raise NotCanonical(f"its schema has a {kind}")
    if [name for name, _ in tables] != [TABLE]:
        raise NotCanonical("its tables are not those of a device")
    _, root = tables[0]
    kind_of_table = connection.execute(
        "SELECT type, wr FROM pragma_table_list(?) WHERE schema = 'main'", (TABLE,)
    ).fetchone()
    if not root or kind_of_table != ("table", 0):
        raise NotCanonical("its table has no rowids")
    primary = _primary_key(connection, indexes)
    others = _others(connection, [index for index in indexes if index != primary])
    return Shape(
        table_root=root,
        id_column=_id_column(connection),
        primary_key=primary,
        others=others,
        internal=tuple(internal),
    )


def _id_column(connection: sqlite3.Connection) -> int:
    position = -1
    for number, name, _, _, _, key, hidden in connection.execute(f"PRAGMA table_xinfo({TABLE})"):
        if hidden:
            raise NotCanonical("its table has generated columns")
        if (name == ID) != (key == 1) or key > 1:
            raise NotCanonical("its primary key is not the id")
        if name == ID:
            position = number
    if position < 0:
        raise NotCanonical("its table has no id")
    return position


def _primary_key(connection: sqlite3.Connection, indexes: list[Index]) -> Index:
    for row in connection.execute(f"PRAGMA index_list({TABLE})").fetchall():
        name, unique, origin, partial = row[1:5]
        if origin != "pk":
            continue
        keys = [
            (column, descending, collation)
            for _, _, column, descending, collation, key in connection.execute(
                f'PRAGMA index_xinfo("{name}")'
            )
            if key
        ]
        if unique and not partial and keys == [(ID, 0, "BINARY")]:
            return next(index for index in indexes if index.name == name)
    raise NotCanonical("its primary key has no plain index")


def _others(connection: sqlite3.Connection, indexes: list[Index]) -> tuple[Index, ...]:
    partial = {row[1] for row in connection.execute(f"PRAGMA index_list({TABLE})") if row[4]}
    changed = {
        place
        for place, _, kind, _, default, *_ in connection.execute(f"PRAGMA table_xinfo({TABLE})")
        if default is not None or _REAL.search(str(kind))
    }
    others = []
    for index in indexes:
        keys = connection.execute(
            "SELECT cid, name, desc, coll FROM pragma_index_xinfo(?) WHERE key", (index.name,)
        ).fetchall()
        # An expression has no name.
        if index.name in partial or any(name in (ID, None) for _, name, _, _ in keys):
            raise NotCanonical("an index may depend on the id")
        plain = all((descending, how) == (0, "BINARY") for _, _, descending, how in keys)
        columns = tuple(place for place, _, _, _ in keys)
        plain = plain and changed.isdisjoint(columns)
        others.append(Index(index.name, index.root, columns if plain else None))
    return tuple(others)
