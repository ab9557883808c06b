"""A store on top of another: what is put goes to a folder of its own, what is read may be in both.

So that something can be read as a backup reads it, and be compared with what the repository has,
without anything being added to that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.repository.storage import Buffer, LocalStorage, NotStored, Storage

_MARKS = "damaged/"  # tell of what lies below, and belong there


class Overlay:
    """Keeps the contract of `Storage`, but that it removes and replaces only its own.

    And its own is gone after a power cut: nothing of it is to outlive the process.
    """

    def __init__(self, below: Storage, folder: Path) -> None:
        self._below = below
        self._own = LocalStorage(folder, durable=False)

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        """Put into the folder; marks of damage below."""
        (self._below if name.startswith(_MARKS) else self._own).put(name, parts)

    def replace(self, name: str, parts: Sequence[Buffer]) -> None:
        """Replace what is in the folder."""
        self._own.replace(name, parts)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read from the folder, else from below."""
        try:
            return self._own.read(name, offset, length)
        except NotStored:
            return self._below.read(name, offset, length)

    def size(self, name: str) -> int:
        """Look into the folder, else below."""
        try:
            return self._own.size(name)
        except NotStored:
            return self._below.size(name)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """What is in the folder, then what is below."""
        yield from self._own.list(prefix)
        yield from self._below.list(prefix)

    def delete(self, name: str) -> None:
        """Remove from the folder."""
        self._own.delete(name)

    def clean(self) -> None:
        """Clean the folder."""
        self._own.clean()
