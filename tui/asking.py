"""Questions to the person at the terminal: asked on standard error, answered on standard input.

A question is asked while no home is open, so that nothing waits on a person, and Ctrl+C ends it.
"""

from __future__ import annotations

import sys

from tui.output import print_question


def ask(question: str) -> str:
    """Ask and return the answer without the spaces around it; nothing at the end of input."""
    print_question(f"{question} ")
    return sys.stdin.readline().strip()


def agree(question: str) -> bool:
    """Ask a question of yes or no; anything but a yes is a no."""
    return ask(f"{question} [y/N]").casefold() in ("y", "yes")


def ask_secret(question: str) -> str:
    """Ask for something that must not be seen while it is typed; without a terminal, read it."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    from getpass import getpass

    return getpass(f"{question} ", stream=sys.stderr).strip()
