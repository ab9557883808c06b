"""A unit for systemd that keeps a home's worker running."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

_BARE = re.compile(r"[A-Za-z0-9_./:@+=,-]+")

_UNIT = """\
# To install it: {again} | sudo tee /etc/systemd/system/backstay.service
# Then: sudo systemctl daemon-reload && sudo systemctl enable --now backstay
[Unit]
Description=Backstay: backups of projects, every day
Wants=network-online.target
After=network-online.target
RequiresMountsFor={mount}

[Service]
User={user}
ExecStart={command}
Restart=on-failure
RestartSec=30
# The worker ends its own children, when it is told to end.
KillMode=mixed
UMask=0077
NoNewPrivileges=yes
{private}ProtectSystem=full
ReadWritePaths={home}
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""

# In a private one, a home or a program that is there would not be seen.
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - nothing is written there


def unit_text(home: Path, again: str) -> str:
    """The unit for the worker of the home at `home`, run as the account that the home belongs to.

    `again` is the command that prints it. Raises `NotFound` where there is no home, `Invalid` where
    a unit cannot name it. It stops neither the reading of projects, wherever they are, nor the
    writing to their databases' logs, which reading takes in WAL mode.
    """
    from engine import Invalid, NotFound, login_name

    if not home.is_dir():
        raise NotFound(
            f"There is no home at {home}.",
            hint="Make it first, as the account that the worker is to run as: "
            "backstay adopt PATH --name NAME.",
        )
    owner = home.stat().st_uid
    program = program_words()
    unnamed = next((word for word in (str(home), *program) if not word.isprintable()), None)
    if unnamed is not None:
        raise Invalid(
            f"A unit cannot name {unnamed}: there are characters in it that do not print.",
            hint="Choose a folder with another name, or start it by hand with: backstay worker",
        )
    places = [home, *(Path(word) for word in program if word.startswith("/"))]
    hidden = any(place.is_relative_to(temporary) for place in places for temporary in _TEMPORARY)
    return _UNIT.format(
        again=again,
        mount=_quoted(str(home)),
        user=login_name() if owner == os.getuid() else str(owner),
        command=" ".join(
            [
                *(_quoted(word) for word in program),
                *(_quoted(word).replace("$", "$$") for word in ("--home", str(home), "worker")),
            ]
        ),
        home=_quoted(str(home)),
        private="" if hidden else "PrivateTmp=yes\n",
    )


def program_words(*, isolated: bool = False) -> list[str]:
    """How this program is called from anywhere: by its absolute path, else through Python.

    With `isolated`, so that nothing in the environment changes what Python does, nor which
    characters it reads.
    """
    if isolated:
        return [sys.executable, "-I", "-X", "utf8", "-m", "tui"]
    called = Path(sys.argv[0]).absolute()
    beside = Path(sys.executable).with_name("backstay")
    for script in (called, beside):
        if script.name == "backstay" and script.is_file() and os.access(script, os.X_OK):
            return [str(script)]
    return [sys.executable, "-m", "tui"]


def _quoted(word: str) -> str:
    """A word as a unit takes it, in its commands and in its lists of folders.

    The latter know quotes and backslashes, but no codes such as ``\\x20``.
    """
    word = word.replace("%", "%%")
    if _BARE.fullmatch(word):
        return word
    inner = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'
