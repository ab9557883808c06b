"""What the tables of devices look like, so that rows of one can go into another."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

KEY = ("variable", "value", "time", "group")  # rows that have the same are the same
SAME = " AND ".join(f'{{0}}."{name}" IS p."{name}"' for name in KEY[:3]) + (
    ' AND +{0}."group" IS p."group"'  # the plus keeps SQLite from the index on group alone
)


class Shape(NamedTuple):
    """The columns of a device's table. `by_time` tells whether it has an index on time."""

    types: dict[str, str]  # by the column's name in lower case
    by_time: bool


def shape_of(database: sqlite3.Connection, schema: str) -> Shape | str:
    """The columns of a device's table, or why it cannot be used."""
    found = database.execute(
        "SELECT name, type, hidden FROM pragma_table_xinfo('data', ?)", (schema,)
    ).fetchall()
    types = {str(name).lower(): str(kind) for name, kind, hidden in found if not hidden}
    missing = [name for name in ("id", *KEY) if name not in types]
    if missing:
        return f"lacks the columns {', '.join(missing)}" if types else "holds no table data"
    if "rowid" in types:
        return "has a column called rowid"
    indexes = [
        [
            str(name).lower()
            for (name,) in database.execute(
                "SELECT name FROM pragma_index_info(?, ?) ORDER BY seqno", (index, schema)
            )
        ]
        for (index,) in database.execute(
            "SELECT name FROM pragma_index_list('data', ?) WHERE NOT partial", (schema,)
        ).fetchall()
    ]
    if any(columns[:1] == ["variable"] and "time" in columns[:3] for columns in indexes):
        return Shape(types, any(columns[:1] == ["time"] for columns in indexes))
    return "lacks the index on variable and time that TagoCore makes"


def affinity(kind: str) -> str:
    """What SQLite makes of a column's type; section 3.1 of its page on datatypes."""
    upper = kind.upper()
    if "INT" in upper:
        return "integer"
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if "BLOB" in upper or not upper:
        return "blob"
    return "real" if any(word in upper for word in ("REAL", "FLOA", "DOUB")) else "numeric"
