"""What leaves a home as files that other programs read."""

from typing import NamedTuple

from engine.model.kinds import ExportFormat
from engine.model.written import Json


class ExportReport(NamedTuple):
    """What an export wrote.

    `file` is empty where it went to standard output, or another open file. `size` is the bytes
    that were written, `data` those of the files in it, before they were compressed. `rows` are
    variables. `missing` are devices (ids) whose data the backup does not hold.
    """

    backup: str
    form: ExportFormat
    file: str
    size: int
    data: int
    files: int
    devices: int
    rows: int
    missing: tuple[str, ...]
    checksums: str  # the file in it that holds the checksum of every other
    not_included: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    def as_json(self) -> Json:
        """The stable keys of an export."""
        return {
            "backup": self.backup,
            "format": self.form.value,
            "file": self.file or None,
            "size": self.size,
            "data": self.data,
            "files": self.files,
            "devices": self.devices,
            "rows": self.rows,
            "missing": list(self.missing),
            "checksums": self.checksums,
            "not_included": list(self.not_included),
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }
