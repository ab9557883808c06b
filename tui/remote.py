"""What a session over SSH may run: the command line of its owner, and nothing that reaches further.

The words come from SSH_ORIGINAL_COMMAND, which holds whatever the other side sent. They are taken
apart as a shell would do it, never given to one, and run in this process.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

    from engine import NotAllowed

LONGEST = 8192  # characters of a command
_FIXED = ("--as", "--home")  # who is asking and what for is decided by the key
_KEEPER = "is for the account that the home belongs to"
_HERE_ONLY = {
    "adopt": "makes a project of a folder of the other machine",
    "demo": "makes a home",
    "recover": "makes a home",
    "worker": _KEEPER,
    "access": _KEEPER,
    "session": "is what runs already",
}
_HERE_ONLY_OPTIONS: Mapping[tuple[str, ...], Mapping[str | None, str]] = {
    ("repository", "key"): {"enter": "--enter replaces the home's key"},
}


_process = {"serves": False}


def begin_serving() -> None:
    """From now on this process serves somebody over SSH, to its end."""
    _process["serves"] = True


def serving() -> bool:
    """Whether this process serves somebody over SSH, who may not name files of this machine."""
    return _process["serves"]


def start_worker(here: str) -> str:
    """How to get a worker that stays: `here` says it; over SSH, whom to ask for one."""
    return "Ask whoever keeps this machine to start a worker." if serving() else here


def refuse_files() -> None:
    """Raise `NotAllowed` where a file of this machine must not be named: over SSH."""
    if serving():
        raise _refused("it would make a file on the other machine")


def words_of(command: str) -> list[str]:
    """The words of a command that was sent; a ``backstay`` before them is left out.

    Raises `NotAllowed`, which says what in it no session may run and repeats nothing that was sent
    but names of ours; nothing of it was begun then.
    """
    from tui.cli import COMMANDS, root

    if len(command) > LONGEST:
        raise _refused(f"the command is longer than {LONGEST} characters")
    if not command.isprintable():
        raise _refused("the command holds characters that cannot be printed")
    try:
        words = shlex.split(command)
    except ValueError:
        raise _refused("a quote or a backslash in the command has no end") from None
    if words[:1] == ["backstay"]:
        del words[0]
    for word in words:
        option = word.partition("=")[0]
        if option in _FIXED:
            raise _refused(f"{option} is decided by the key that you came in with")
    name = first_name(words)
    if name in _HERE_ONLY:
        raise _refused(f"{name} {_HERE_ONLY[name]}")
    if name and name not in COMMANDS:
        raise _refused("there is no such command; --help lists them")
    if name:
        refuse_options(root, words)
    return words


def first_name(words: Sequence[str]) -> str:
    """The first word that is no option, which is a command's name; nothing where there is none."""
    return next((word for word in words if not word.startswith("-")), "")


def refuse_options(group: click.Group, words: Sequence[str], *above: str) -> None:
    """Raise `NotAllowed` where a file of this machine is named, or what only its keeper may do.

    Whatever click takes for a path or a file is one, be it an option or an argument of any command
    of `group`; only ``-`` passes, where it stands for the connection itself. `above` are the names
    of the groups around `group`.
    """
    import click

    context = click.Context(group, info_name="backstay", resilient_parsing=True)
    name = first_name(words)
    command = group.get_command(context, name)
    if command is None:
        return
    rest = list(words[words.index(name) + 1 :])
    if isinstance(command, click.Group):
        refuse_options(command, rest, *above, name)
        return
    inner = click.Context(command, info_name=name, parent=context, resilient_parsing=True)
    # What is wrong with the rest of it the command itself says.
    given, _, _ = command.make_parser(inner).parse_args(rest)
    here_only = _HERE_ONLY_OPTIONS.get((*above, name), {})
    for parameter in command.params:
        value = given.get(parameter.name or "")
        if parameter.name in here_only and value:
            raise _refused(here_only[parameter.name])
        harmless = _no_file(parameter)
        if harmless is not None and not harmless.issuperset(_texts(value)):
            option = isinstance(parameter, click.Option)
            named = parameter.opts[0] if option else parameter.human_readable_name
            instead = "; give - to have it sent to you" if "-" in harmless else ""
            raise _refused(f"{named} names a file of the other machine{instead}")


def _no_file(parameter: click.Parameter) -> frozenset[str] | None:
    """The values of an option or argument that name no file; None where none does."""
    import click

    kind = parameter.type
    kinds = kind.types if isinstance(kind, click.Tuple) else [kind]
    if not any(isinstance(each, click.Path | click.File) for each in kinds):
        return None
    takes_dash = not any(isinstance(each, click.Path) and not each.allow_dash for each in kinds)
    return frozenset({"-"} if takes_dash else ())


def _texts(value: object) -> Iterator[str]:
    """The texts that click found for an option or argument: one, several, several of several."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _refused(why: str) -> NotAllowed:
    from engine import NotAllowed

    return NotAllowed(
        f"This cannot be run over SSH: {why}.",
        hint="Nothing was begun; the refusal is in the audit trail.",
    )
