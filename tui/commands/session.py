"""backstay session: what a key in authorized_keys starts, and the only thing it starts."""

from __future__ import annotations

import os
import time

import click

from tui.command import Command, pass_invocation
from tui.detached import detach, works
from tui.environment import clear_environment, source
from tui.invocation import Invocation
from tui.output import print_error
from tui.plain_text import plain
from tui.running import with_engine


@click.command("session", cls=Command, example="backstay session --home /srv/backstay --as ana")
@pass_invocation
def command(invocation: Invocation) -> None:
    """Begin a session over SSH as the user that --as names.

    It is not typed: `backstay access add-key` writes it into authorized_keys. With a terminal it is
    the app; with a command, as in `ssh HOST backups PROJECT`, that command.
    """
    if invocation.user is None or invocation.given_home is None:
        raise click.UsageError("A session needs --home and --as: see backstay access add-key.")
    sent = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    came_from = source()
    clear_environment()
    os.umask(0o077)
    code = serve(invocation._replace(remote=True), sent, came_from)
    if code:
        raise click.exceptions.Exit(code)


def serve(invocation: Invocation, sent: str, came_from: str) -> int:
    """Run what was sent, and tell the audit trail; gives its exit code.

    Raises what the engine raises where the home cannot be opened.
    """
    from engine import NotAllowed
    from tui.cli import main
    from tui.commands.open import can_draw
    from tui.failures import report
    from tui.remote import begin_serving, first_name, words_of

    begin_serving()
    begun = time.monotonic()
    try:
        words = words_of(sent)
    except NotAllowed as error:
        why = error.message  # what was sent is not written down: it may hold a password
        with_engine(invocation, lambda engine: engine.refuse_session(came_from, why), works=False)
        return report(error, as_json="--json" in sent)
    if works(words):
        detach()  # before any thread begins: a job goes on when the connection drops
    what = first_name(words) or "options only"
    if not words:
        what = "the app" if can_draw() else "the projects"
    with_engine(invocation, lambda engine: engine.begin_session(came_from, what), works=False)
    code = main(words, invocation)
    _end(invocation, came_from, f"exit code {code} after {time.monotonic() - begun:.0f} s")
    return code


def _end(invocation: Invocation, came_from: str, how: str) -> None:
    """Tell the audit trail of the end; where it cannot be told, what was done stays done."""
    from engine import BackstayError

    try:
        with_engine(invocation, lambda engine: engine.end_session(came_from, how), works=False)
    except BackstayError as error:
        told = f"The end of this session is not in the audit trail: {error.message}"
        print_error(f"{plain(told)}\n")
