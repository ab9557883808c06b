"""Every error an owner can meet: what happened, to what, what is safe, what to do next.

Each class carries the exit code that the command line ends with and a stable name for scripts.
A message never holds a token, a key or a password. Exit codes: 1 failed, 2 usage, 3 not allowed,
4 not found, 5 busy, 6 damaged, 7 storage, 8 price not accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class BackstayError(Exception):
    """The base of all errors of the engine; on its own it means that the work failed.

    `message` says what happened to what; `hint` says what is safe and what to do next.
    """

    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    @property
    def name(self) -> str:
        """The stable name of the kind of error, such as ``NotAllowed``."""
        return type(self).__name__

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross from child processes whole, hint included."""
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[BackstayError], message: str, hint: str) -> BackstayError:
    return kind(message, hint=hint)


class Failed(BackstayError):
    """Work did not succeed for a reason that no other error names."""


class Cancelled(BackstayError):
    """Somebody asked for the work to stop; nothing half-made is left and nothing is charged."""

    default_hint = "Nothing was kept and nothing is charged. Run it again when you like."


class ExtraMissing(Failed):
    """What was asked for needs a library that is installed only where it is wanted."""


class Invalid(BackstayError):
    """A name, a number or a setting that cannot be used as it was given."""

    exit_code = 2


class SettingsInvalid(Invalid):
    """backstay.toml, or a setting in it, cannot be used."""

    default_hint = "Nothing was changed. Mend the file, then run the command again."


class NotAllowed(BackstayError):
    """The user may not do this; the refusal is in the audit trail."""

    exit_code = 3


class NotFound(BackstayError):
    """No such project, backup, home, file or job."""

    exit_code = 4


class NotAnInstance(NotFound):
    """The folder is not a TagoCore instance, or lacks what makes it one."""

    default_hint = "Nothing was changed. Give the folder that holds tagocore.yml."


class SourceMissing(NotFound):
    """A project's folder or main database is no longer where it was."""

    default_hint = (
        "Its backups are safe. Bring the folder back (is a disk not mounted?), then try again."
    )


class Taken(Invalid):
    """A name or an instance that is in use already."""


class Busy(BackstayError):
    """Something else holds what this needs; trying again later is safe."""

    exit_code = 5
    default_hint = "Nothing was changed. Try again in a moment."


class Damaged(BackstayError):
    """Bytes that are missing, altered, or not what they claim to be."""

    exit_code = 6


class SourceDamaged(Damaged):
    """Databases of the project itself cannot be read as SQLite; the backup was not made."""

    default_hint = (
        "Earlier backups are safe and nothing was changed. Mend or bring back the files named, "
        "or back up without these devices: backstay backup PROJECT --without-damaged."
    )


# For the main database and plugins' storage: without these there is no backup.
MAIN_DAMAGED_HINT = (
    "Earlier backups are safe and nothing was changed. Mend the file named or bring it back, then "
    "try again; or make a new project of an earlier backup: backstay restore."
)


class RepositoryDamaged(Damaged):
    """A pack or manifest of the repository is missing or altered."""

    default_hint = (
        "The project itself is not touched. Other backups may still restore, and the next backup "
        "stores again what is missing."
    )


# For a damaged or missing manifest: nothing stores an old one again.
MANIFEST_HINT = (
    "The project itself is not touched. This backup is lost unless a copy of its manifest is "
    "brought back; other backups are not concerned: choose another one."
)


class WrongKey(Damaged):
    """The key at hand does not open this repository."""

    default_hint = (
        "Nothing was changed. Bring back the key file of this home, or enter the recovery key: "
        "backstay repository key --enter."
    )


class TooNew(Damaged):
    """Written by a newer Backstay, in a form that this one does not know."""

    default_hint = "Nothing was changed. Install the newer Backstay that wrote it."


class StorageFailed(BackstayError):
    """The disk or store is full, read-only or out of reach."""

    exit_code = 7
    default_hint = (
        "Existing backups are safe. Make room or make the folder writable, then try again."
    )


# For a full disk: these work even then, with the room that a home holds back for them.
FULL_HINT = (
    "Existing backups are safe. Make room, then try again: backstay cleanup PROJECT removes the "
    "backups beyond those to keep, and backstay schedule PROJECT --keep N keeps fewer."
)


class HomeUnsafe(StorageFailed):
    """The home, or a file in it, belongs to someone else or can be written by others."""

    default_hint = "Nothing was changed. Only its owner should reach the home: chmod 700, own it."


class PriceNotAccepted(BackstayError):
    """The price was not confirmed, or is no longer what was confirmed. Nothing was charged.

    `quote` is the price as it is now, with the stable keys of a quote, where it is known.
    """

    exit_code = 8

    def __init__(
        self, message: str, *, hint: str = "", quote: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.quote = quote
