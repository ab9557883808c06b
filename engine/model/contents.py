"""What is in a backup: its devices, and the rows of one of them."""

import base64
import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from engine.model.backups import Backup
from engine.model.details import DeviceFacts
from engine.model.written import Json, iso

Value = str | int | float | bytes | None  # bytes for a BLOB, and for a text that is no UTF-8


class Contents(NamedTuple):
    """The devices of a backup, as its manifest tells them."""

    backup: Backup
    project_name: str
    devices: tuple[DeviceFacts, ...]

    def as_json(self) -> Json:
        """The stable keys of a backup's contents."""
        return {
            "backup": self.backup.id,
            "project": self.backup.project,
            "project_name": self.project_name,
            "date": iso(self.backup.date),
            "devices": [device.as_json() for device in self.devices],
        }


class VariableFacts(NamedTuple):
    """What a device has of one variable. Times are epoch milliseconds, where there are any.

    `rows` is None where a device has so many that they were not counted.
    """

    name: Value
    rows: int | None
    first: int | float | None
    last: int | float | None

    def as_json(self) -> Json:
        """The stable keys of a variable."""
        return {
            "variable": _json(self.name),
            "rows": self.rows,
            "first": _precise(moment_of(self.first)),
            "last": _precise(moment_of(self.last)),
        }


class DataRow(NamedTuple):
    """One row of a device, without its id: a backup keeps none.

    `number` is its place in the device's table. `time` is as it stands there, epoch milliseconds
    nearly always. `others` are its other columns, by name.
    """

    number: int
    time: Value
    variable: Value
    value: Value
    others: tuple[tuple[str, Value], ...]

    @property
    def moment(self) -> datetime | None:
        """`time` as a moment, where a calendar has it."""
        return moment_of(self.time)

    def other(self, column: str) -> Value:
        """What stands in another column; None where there is none of that name."""
        return next((value for name, value in self.others if name == column), None)

    def as_json(self) -> Json:
        """The stable keys of a row; its other columns stand under their own names.

        `time` is a date, or null where no calendar has it; `epoch_ms` is what is stored. Bytes are
        an object with the key `base64`.
        """
        own: Json = {
            "row": self.number,
            "time": _precise(self.moment),
            "epoch_ms": _json(self.time),
            "variable": _json(self.variable),
            "value": _json(self.value),
        }
        return own | {name: _json(value) for name, value in self.others if name not in own}


class RowsPage(NamedTuple):
    """Some rows of a device, newest first. `next` is where the page behind it begins, or empty.

    `variables` are those of the whole device, by name, where they were asked for.
    """

    backup: str
    device: DeviceFacts
    rows: tuple[DataRow, ...]
    next: str
    variables: tuple[VariableFacts, ...] | None = None

    def as_json(self) -> Json:
        """The stable keys of a page of rows."""
        variables = None
        if self.variables is not None:
            variables = [variable.as_json() for variable in self.variables]
        return {
            "backup": self.backup,
            "device": self.device.as_json(),
            "variables": variables,
            "rows": [row.as_json() for row in self.rows],
            "next": self.next or None,
        }


def moment_of(milliseconds: Value) -> datetime | None:
    """Epoch milliseconds as a moment, where it is a number that a calendar has."""
    if not isinstance(milliseconds, int | float) or not math.isfinite(milliseconds):
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def _precise(moment: datetime | None) -> str | None:
    """A date with its milliseconds: rows of one second are apart."""
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(value: Value) -> object:
    """A value as JSON has it, which knows neither bytes nor infinities."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value
