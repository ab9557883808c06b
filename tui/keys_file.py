"""Which authorized_keys is meant: that of the account, unless another is named."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import click

file_option = click.option(
    "--file",
    type=click.Path(path_type=Path, readable=False),  # what is wrong with it the engine tells
    metavar="FILE",
    help="The file to use. [default: .ssh/authorized_keys of this account]",
)


def authorized_keys(given: Path | None) -> Path:
    """The file: the one that was given, else that of the account which runs this.

    The account's folder comes from the system's list of users, as it does for sshd.
    """
    if given is not None:
        return given.absolute()
    return Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh" / "authorized_keys"
