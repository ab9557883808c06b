"""A port of its own for a restored project: an instance listens on all interfaces."""

from __future__ import annotations

import socket
from collections.abc import Collection

from engine.errors import Busy

LOWEST = 1024  # below lies what only root may use
HIGHEST = 65535


def free_port(wanted_after: int, taken: Collection[int]) -> int:
    """The next port above `wanted_after` that is neither in `taken` nor in use right now.

    After the highest port the search goes on from 1024. Raises `Busy` when there is none.
    """
    first = wanted_after + 1 if LOWEST <= wanted_after < HIGHEST else LOWEST
    candidates: list[int] = [*range(first, HIGHEST + 1), *range(LOWEST, first)]
    for port in candidates:
        if port not in taken and _can_bind(port):
            return port
    raise Busy("No port is free for the new project: every one above 1023 is in use.")


def _can_bind(port: int) -> bool:
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104  # bound to look, never listened on
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True
