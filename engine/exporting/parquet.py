"""Parquet files, written in child processes; pyarrow is imported only there.

All devices' files have the same columns, so that readers take a folder of them as one table. What
does not fit its column, such as a BLOB among texts or a time beyond the year 9999, and columns that
TagoCore's tables do not have, stand in `other`: JSON text of the column's name and what is stored,
as in ``{"value": {"blob": "00ff"}}``. So nothing is lost, and nothing stops a reader.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from engine.errors import RepositoryDamaged
from engine.exporting.listing import DeviceFacts, devices
from engine.model import HeldItem
from engine.project.tables import BrokenText, Row, Value, quote
from engine.rebuild.child import setup
from engine.rebuild.stored import IN_MEMORY, Stored, opened_device
from engine.repository.manifest import Image

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Kind = Literal["text", "time"]
DEVICE, OTHER = "device", "other"
COLUMNS: dict[str, Kind] = {
    "variable": "text",
    "type": "text",
    "value": "text",
    "unit": "text",
    "group": "text",
    "location": "text",
    "metadata": "text",
    "time": "time",
    "created_at": "time",
    "updated_at": "time",
    "chunk_timestamp_start": "time",
    "chunk_timestamp_end": "time",
    "serie": "text",
}
# Milliseconds: from the year 1 to the year 9999, as far as every reader's calendar goes.
_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999
_ROWS = 64  # read at once: rows may be wide
_BATCH_ROWS, _BATCH_BYTES = 1 << 12, 4 << 20  # that are made columns of at once, about
_GROUP_ROWS, _GROUP_BYTES = 1 << 16, 8 << 20  # of a row group, about: all of it is in memory
_DEVICE_TIMES = frozenset({"created_at", "updated_at", "last_input", "last_output"})
_DEVICE_FLAGS = frozenset({"active"})
_FLAGS = {"1": True, "0": False}
Other = dict[int, dict[str, object]]  # by the number of a row and the name of a column


class Variables(NamedTuple):
    """A device (an id) whose variables are to be written, and the new file that they go to.

    `what` is how an error names it.
    """

    device: str
    image: Image
    rows: int
    path: str
    scratch: str
    what: str


def write_variables(job: Variables) -> None:
    """Write the variables of a device, in the order in which they were stored.

    Raises `RepositoryDamaged`, naming the device, where they are not what was backed up.
    """
    path, small = Path(job.path), job.image.size <= IN_MEMORY
    with opened_device(setup.reader, job.image, Path(job.scratch), job.what) as stored:
        losing_nothing = stored.connection.text_factory
        try:
            stored.connection.text_factory = str  # many times as fast, but only for UTF-8
            rows = _write(path, job.device, stored, small)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0):  # Python's own, of such texts, has no code
                raise
            path.unlink()
            stored.connection.text_factory = losing_nothing
            rows = _write(path, job.device, stored, small)
    if rows != job.rows:
        raise RepositoryDamaged(f"{job.what} has {rows} rows; {job.rows} were backed up.")


def _write(path: Path, device: str, stored: Stored, small: bool) -> int:
    import pyarrow as pa

    schema = pa.schema(
        [
            pa.field(DEVICE, pa.string()),
            *(pa.field(name, _arrow(kind)) for name, kind in COLUMNS.items()),
            pa.field(OTHER, pa.string()),
        ]
    )
    total = 0
    with _new_file(path, schema) as writer:
        for batches in _groups(device, stored, schema, small):
            writer.write_table(pa.Table.from_batches(batches))
            total += sum(batch.num_rows for batch in batches)
    return total


def _arrow(kind: Kind) -> pa.DataType:
    import pyarrow as pa

    return pa.timestamp("ms", tz="UTC") if kind == "time" else pa.string()


@contextlib.contextmanager
def _new_file(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    import pyarrow.parquet as pq

    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            yield writer


def _groups(
    device: str, stored: Stored, schema: pa.Schema, small: bool
) -> Iterator[list[pa.RecordBatch]]:
    """The rows in groups, each of which is small enough to be in memory."""
    import pyarrow as pa

    group: list[pa.RecordBatch] = []
    for rows in _batches(stored, small):
        group.append(pa.record_batch(_arrays(device, stored.columns, rows), schema=schema))
        large = sum(batch.nbytes for batch in group) >= _GROUP_BYTES
        if large or sum(batch.num_rows for batch in group) >= _GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group


def _batches(stored: Stored, small: bool) -> Iterator[list[Row]]:
    """The rows, some at a time: as Python has them they take many times what they take in Arrow.

    All rows of a `small` database are of no concern together.
    """
    columns = ", ".join(map(quote, stored.columns))
    reader = stored.connection.execute(
        f"SELECT {columns} FROM {stored.source()} ORDER BY {stored.key}"  # noqa: S608  # quoted
    )
    at_once = _BATCH_ROWS if small else _ROWS
    batch: list[Row] = []
    size = 0
    while rows := reader.fetchmany(at_once):
        batch += rows
        size += 0 if small else _width(rows)
        if len(batch) >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _width(rows: Sequence[Row]) -> int:
    """About how many bytes the texts of the rows take."""
    values = chain.from_iterable(rows)
    return sum([len(value) for value in values if type(value) is str or type(value) is bytes])


def _arrays(device: str, columns: Sequence[str], rows: Sequence[Row]) -> list[pa.Array]:
    """The columns of a file for some rows."""
    import pyarrow as pa

    other: Other = {}
    names = [name.lower() if name.lower() in COLUMNS else name for name in columns]
    values = dict(zip(names, zip(*rows, strict=True), strict=True))
    arrays = [pa.repeat(device, len(rows))]
    for name, kind in COLUMNS.items():
        if name not in values:
            arrays.append(pa.nulls(len(rows), _arrow(kind)))
        elif kind == "time":
            arrays.append(_times(values[name], name, other))
        else:
            arrays.append(_texts(values[name], name, other))
    for name in values.keys() - COLUMNS.keys():  # none of TagoCore's
        for number, value in enumerate(values[name]):
            if value is not None:
                other.setdefault(number, {})[name] = _told(value)
    told = [json.dumps(other[number]) if number in other else None for number in range(len(rows))]
    return [*arrays, pa.array(told, pa.string())]


def _texts(values: Sequence[Value], name: str, other: Other) -> pa.Array:
    import pyarrow as pa

    if not {str, type(None)}.issuperset(map(type, values)):
        values = _fitting(values, name, _text, other)
    return pa.array(values, pa.string())


def _times(values: Sequence[Value], name: str, other: Other) -> pa.Array:
    import pyarrow as pa

    if {int, type(None)}.issuperset(map(type, values)):
        numbers = [value for value in values if isinstance(value, int)]
        if not numbers or (min(numbers) >= _FIRST and max(numbers) <= _LAST):
            return pa.array(values, pa.int64()).cast(_arrow("time"))
    return pa.array(_fitting(values, name, _time, other), pa.int64()).cast(_arrow("time"))


def _fitting(
    values: Sequence[Value], name: str, fit: Callable[[Value], Value], other: Other
) -> list[Any]:
    """The values as `fit` gives them; where that is None, what there is goes into `other`."""
    kept = []
    for number, value in enumerate(values):
        fitting = fit(value)
        if fitting is None and value is not None:
            other.setdefault(number, {})[name] = _told(value)
        kept.append(fitting)
    return kept


def _text(value: Value) -> str | None:
    """A value for a column of texts; JSON that is a number alone is stored as that number."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    return None


def _time(value: Value) -> int | None:
    return value if isinstance(value, int) and _FIRST <= value <= _LAST else None


def _told(value: Value) -> dict[str, object]:
    """A value with its kind, so that it can be put back as it was."""
    match value:
        case bytes():
            return {"blob": value.hex()}
        case BrokenText():
            return {"broken_text": value.raw.hex()}
        case float():
            return {"real": repr(value)}
        case int():
            return {"integer": value}
        case _:
            return {"text": value}


def write_devices(database: str, held: Sequence[HeldItem], rows: dict[str, int], path: str) -> None:
    """Write the devices of a restored main database; `rows` is how many variables each has.

    What is no moment, no number or no flag where there should be one is null.
    """
    import pyarrow as pa

    found = devices(Path(database), held)
    columns: dict[str, pa.Array] = {}
    for place, name in enumerate(DeviceFacts._fields):
        values = [device[place] for device in found]
        if name in _DEVICE_TIMES:
            numbers = [_time(_number(value)) for value in values]
            columns[name] = pa.array(numbers, pa.int64()).cast(_arrow("time"))
        elif name in _DEVICE_FLAGS:
            columns[name] = pa.array([_FLAGS.get(value or "") for value in values], pa.bool_())
        else:
            columns[name] = pa.array(values, pa.string())
    columns["rows"] = pa.array([rows.get(device.id or "", 0) for device in found], pa.int64())
    table = pa.table(columns)
    with _new_file(Path(path), table.schema) as writer:
        writer.write_table(table)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?[0-9]{1,18}", text) else None
