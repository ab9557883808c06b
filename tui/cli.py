"""The command line: `backstay` alone opens the app, each sub-command does one thing.

Everything here is light: a command's module, the engine and what they need are imported when the
command is run. Exit codes are those of `engine.errors`, 2 for a command that was not understood
and 130 after Ctrl+C.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from tui import ctrl_c
from tui.command import Group, no_mouse_option
from tui.invocation import Invocation
from tui.output import prepare_streams
from tui.version import VERSION

COMMANDS = (
    "open",
    "demo",
    "adopt",
    "projects",
    "status",
    "backup",
    "backups",
    "show",
    "contents",
    "diff",
    "verify",
    "quote",
    "restore",
    "transfer",
    "export",
    "jobs",
    "cancel",
    "schedule",
    "cleanup",
    "worker",
    "notify",
    "wake",
    "stop",
    "start",
    "forget",
    "delete",
    "members",
    "costs",
    "audit",
    "access",
    "session",
    "repository",
    "recover",
)


@click.group(
    cls=Group,
    modules={name: f"tui.commands.{name}" for name in COMMANDS},
    invoke_without_command=True,
    example="backstay demo\nbackstay backups 'Plant 7'",
)
@click.version_option(VERSION, message="%(prog)s %(version)s")
@no_mouse_option
@click.pass_context
def root(context: click.Context) -> None:
    """Backups of an IoT project's main database, run by its owner.

    Without a command, the app is opened, or the projects are listed where there is no terminal.
    PROJECT is a name or an id; BACKUP is an id, the beginning of one, or PROJECT@latest.
    """
    if context.invoked_subcommand is None:
        _begin(context.find_object(Invocation) or Invocation())


def _begin(invocation: Invocation) -> None:
    """What `backstay` alone does."""
    from tui.commands.open import can_draw, open_app

    if can_draw() and not invocation.json and invocation.home.exists():
        open_app(invocation)
        return
    from tui.commands.projects import welcome

    welcome(invocation)


def main(arguments: Sequence[str] | None = None, invocation: Invocation | None = None) -> int:
    """Run one command and return its exit code; nothing is raised, all is told.

    Its options add to `invocation`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    prepare_streams()
    try:
        ctrl_c.be_told()
        # Not root.main: it would end the process by itself where a reader has left.
        with root.make_context("backstay", list(given), obj=invocation) as context:
            root.invoke(context)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - the last place that can tell
        ctrl_c.end_at_once()  # who does not want to hear how all ended, ends that, too
        from tui.failures import report

        return report(error, as_json=asks_for_json(given))
    return 0


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether ``--json`` was given, even where the rest could not be understood."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options
