"""A new file for new tokens: private from its first byte, and gone again if the restore fails."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tui.plain_text import plain

if TYPE_CHECKING:
    from engine import NewToken

HEADINGS = ("device", "device_name", "token_name", "permission", "token")


def tokens_csv(tokens: Sequence[NewToken]) -> str:
    """Tokens as CSV, a line for each below their headings."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADINGS)
    for token in tokens:
        names = (plain(token.device_name), plain(token.name))
        rows.writerow((token.device, *names, token.permission, token.token))
    return text.getvalue()


class TokensFile:
    """A file made before the work begins, so that a path that cannot be used costs nothing.

    Entering raises `Taken` where something is there already (a link counts too), `StorageFailed`
    where the file cannot be made, `NotAllowed` in a session over SSH. Its mode is 0600 whatever the
    umask. Leaving with an error removes it, unless its tokens were written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._written = False

    def __enter__(self) -> Self:
        """Make the file."""
        from engine import StorageFailed, Taken
        from tui.remote import refuse_files

        refuse_files()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            self._descriptor = os.open(self._path, flags, 0o600)
        except FileExistsError:
            raise Taken(
                f"{self._path} exists already; tokens are only written to a new file.",
                hint="Nothing was made and nothing is charged. Give another name.",
            ) from None
        except OSError as error:
            raise StorageFailed(
                f"{self._path} cannot be made: {error.strerror}.",
                hint="Nothing was made and nothing is charged. Give a file that you can write.",
            ) from error
        os.fchmod(self._descriptor, 0o600)
        return self

    def write(self, tokens: Sequence[NewToken]) -> None:
        """Write the tokens as CSV and sync them to disk.

        Raises `StorageFailed` where they cannot be written; the project itself is ready then.
        """
        from engine import StorageFailed

        try:
            _write_all(self._descriptor, tokens_csv(tokens).encode())
            os.fsync(self._descriptor)
        except OSError as error:
            raise StorageFailed(
                f"The project is ready, but its tokens could not be written to {self._path}: "
                f"{error.strerror}.",
                hint="They are safe in the new project. List them: backstay jobs JOB --tokens",
            ) from error
        self._written = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, and remove it if no tokens came to stand in it."""
        os.close(self._descriptor)
        if not self._written:
            self._path.unlink(missing_ok=True)


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
