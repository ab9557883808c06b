"""What a session over SSH believes of its environment: what a terminal is, and nothing more.

Even the language is not: the libraries that read it look for their texts in a folder of that name,
and Debian's sshd takes ``LANG`` and ``LC_*`` from everyone.
"""

from __future__ import annotations

import os

_OF_TERMINAL = ("TERM", "COLORTERM", "NO_COLOR")
_OF_SYSTEM = ("HOME", "USER", "LOGNAME", "SHELL", "PATH")  # sshd sets them after the client's
_OF_SSHD = ("SSH_ORIGINAL_COMMAND", "SSH_CONNECTION")


def in_session(arguments: list[str]) -> bool:
    """Whether a process with these arguments was started by a line of authorized_keys."""
    return arguments[2:4] == ["session", "--as"]


def clear_environment(*, keep_sent: bool = False) -> None:
    """Forget everything that a session has no need of.

    With `keep_sent`, what sshd says of the client and its command is kept for now.
    """
    for name, value in tuple(os.environ.items()):
        if name in _OF_SYSTEM or (keep_sent and name in _OF_SSHD):
            continue
        # No folder: a terminal's description is a file of that name.
        if name not in _OF_TERMINAL or not value.isascii() or "/" in value:
            del os.environ[name]


def source() -> str:
    """Where the client comes from, in the words of sshd's own log: address and port.

    The port tells apart what is at work at once, here and in that log.
    """
    words = os.environ.get("SSH_CONNECTION", "").split(" ")
    return f"{words[0]} port {words[1]}" if len(words) > 1 else "this machine"
