"""What every command is told: which home, who is asking, and whether a script is listening."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import click


class Invocation(NamedTuple):
    """The options that every command takes, before or after its name.

    `user` is None for the login name; the engine checks it, as it checks every right. `mouse` says
    whether the app may use the mouse; `remote`, whether it came in over SSH, where the key decides
    on home and user.
    """

    given_home: str | None = None
    user: str | None = None
    json: bool = False
    mouse: bool = True
    remote: bool = False

    @property
    def home(self) -> Path:
        """The home: ``--home``, else ``BACKSTAY_HOME``, else the user's data folder."""
        given = self.given_home or os.environ.get("BACKSTAY_HOME")
        return Path(given).absolute() if given else default_home()

    def for_anyone(self) -> Invocation:
        """The same, for commands that do not ask who calls them."""
        return self._replace(user=None)

    def command_line(self, *arguments: str) -> str:
        """A command to run next, ready for a shell, for the same home and the same user."""
        import shlex

        words = ["backstay"]
        if self.given_home and not self.remote:
            words += ["--home", self.given_home]
        if self.user and not self.remote:
            words += ["--as", self.user]
        return shlex.join([*words, *arguments])


def default_home() -> Path:
    """The home where none is named: backstay in ``XDG_DATA_HOME`` or in ~/.local/share.

    Raises `click.UsageError` where the user has no home folder.
    """
    data = os.environ.get("XDG_DATA_HOME", "")
    if data.startswith("/"):  # the specification tells to ignore a relative one
        return Path(data) / "backstay"
    try:
        return Path.home() / ".local" / "share" / "backstay"
    except RuntimeError as error:
        raise click.UsageError("There is no home folder here: give --home DIR.") from error
