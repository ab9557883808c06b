"""An empty database for a device, as TagoCore makes it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

_TABLE = (
    "CREATE TABLE `data` (`id` varchar(24), `variable` varchar(100), `type` varchar(15),"
    " `value` text, `unit` varchar(100), `group` varchar(24), `location` json, `metadata` json,"
    " `time` datetime, `created_at` datetime, `chunk_timestamp_start` datetime,"
    " `chunk_timestamp_end` datetime, `serie` varchar(100){more}, primary key (`id`))"
)
_INDEXES = (
    "CREATE INDEX `data_variable_value_time_index` on `data` (`variable`, `value`, `time`)",
    "CREATE INDEX `data_variable_time_index` on `data` (`variable`, `time`)",
    "CREATE INDEX `data_variable_created_at_index` on `data` (`variable`, `created_at`)",
    "CREATE INDEX `data_time_index` on `data` (`time`)",
    "CREATE INDEX `data_group_index` on `data` (`group`)",
    "CREATE INDEX `data_created_at_index` on `data` (`created_at`)",
)
MUTABLE = "mutable"


def device_schema(kind: str) -> tuple[str, ...]:
    """The statements that make the table and the indexes of a mutable or immutable device."""
    if kind == MUTABLE:
        updated = "CREATE INDEX `data_updated_at_index` on `data` (`updated_at`)"
        return (_TABLE.format(more=", `updated_at` datetime"), updated, *_INDEXES)
    return (_TABLE.format(more=""), *_INDEXES)


def create_device_database(path: Path, kind: str) -> None:
    """Make an empty private database for a device, and bring it to disk; it must not be there."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    make_tables(path, kind)


def make_tables(path: Path, kind: str) -> None:
    """Make the table and indexes of a device in a database that has none, wholly or not at all."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for statement in device_schema(kind):
            connection.execute(statement)
        connection.execute("COMMIT")
