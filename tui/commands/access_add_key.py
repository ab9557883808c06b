"""backstay access add-key: let somebody in over SSH."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.keys_file import authorized_keys, file_option
from tui.output import print_json, print_lines
from tui.plain_text import plain
from tui.running import with_engine

_LONGEST = 64 * 1024  # characters of a file with a key


@click.command(
    "add-key",
    cls=Command,
    example="backstay access add-key ana ana.pub\nbackstay access add-key ana - --print < ana.pub",
)
@click.argument("user")
@click.argument("keyfile", type=click.Path(path_type=Path, allow_dash=True, readable=False))
@click.option("--print", "prints", is_flag=True, help="Print the line instead of writing it.")
@file_option
@pass_invocation
def command(
    invocation: Invocation, user: str, keyfile: Path, prints: bool, file: Path | None
) -> None:
    """Let USER in with the public key in KEYFILE (- is standard input).

    Adds a line to this account's authorized_keys. Other lines of it are left as they are, and what
    the file was before is kept beside it.
    """
    from tui.unit import program_words

    key = _read(keyfile)
    program = program_words(isolated=True)
    _check_starts(program)
    if prints:
        line = with_engine(invocation, lambda engine: engine.key_line(user, key, program))
        if invocation.json:
            print_json({"line": line})
        else:
            print_lines([line])
        return
    where = authorized_keys(file)
    added = with_engine(invocation, lambda engine: engine.add_key(user, key, where, program))
    if invocation.json:
        print_json(added.as_json())
        return
    print_lines(
        [
            plain(f"{added.user} gets in with {added.type} {added.fingerprint}."),
            plain(f"The line is in {where}."),
            f"What {plain(user)} may see and do there is decided by: backstay members PROJECT.",
        ]
    )


def _check_starts(program: Sequence[str]) -> None:
    """Raise `Failed` where the line's program would not start: nobody would get in by it.

    Such as where Backstay is installed for one user only, which Python leaves out when isolated.
    """
    from engine import Failed

    try:
        done = subprocess.run(
            [*program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={},
            check=False,
        )
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    except OSError as error:
        why = error.strerror or type(error).__name__
    else:
        if done.returncode == 0:
            return
    raise Failed(
        f"{program[0]} does not start Backstay where nothing is said of its environment: {why}.",
        hint="Nothing was changed. Install Backstay into an environment of its own, as the README "
        "shows for a team, and run this with that one.",
    )


def _read(path: Path) -> str:
    from engine import Invalid

    try:
        if str(path) == "-":
            text = sys.stdin.read(_LONGEST)
        else:
            with path.open(encoding="utf-8") as file:
                text = file.read(_LONGEST)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Invalid(
            f"{path} cannot be read: {reason}.",
            hint="Nothing was changed. Give a file with one public key, such as id_ed25519.pub.",
        ) from error
    return text
