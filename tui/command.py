"""What all commands have in common: the global options on either side, and an example each."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from tui.invocation import Invocation

pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def global_options() -> list[click.Parameter]:
    """The options that are accepted before a command and after it; the later one wins."""
    return [
        click.Option(
            ["--home"],
            metavar="DIR",
            expose_value=False,
            callback=_set_home,
            help="The folder of backups and restored projects. [default: BACKSTAY_HOME, "
            "or backstay in the user's data folder]",
        ),
        click.Option(
            ["--as", "as_user"],
            metavar="USER",
            expose_value=False,
            callback=_set_user,
            help="Act as this user instead of the login name.",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_set_json,
            help="Print one JSON document; errors too.",
        ),
    ]


def _set_no_mouse(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.obj = _invocation(context)._replace(mouse=False)


no_mouse_option = click.option(
    "--no-mouse",
    is_flag=True,
    expose_value=False,
    callback=_set_no_mouse,
    help="In the app, leave the mouse to the terminal.",
)


def _invocation(context: click.Context) -> Invocation:
    return context.find_object(Invocation) or Invocation()


def _set_home(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value == "":
        raise click.BadParameter("an empty name is not a folder.")
    if value is not None:
        context.obj = _invocation(context)._replace(given_home=value)


def _set_user(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.obj = _invocation(context)._replace(user=value)


def _set_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.obj = _invocation(context)._replace(json=True)


class Command(click.Command):
    """A command with the global options and one example in its help."""

    def __init__(self, *arguments: Any, example: str, **settings: Any) -> None:
        settings.setdefault("context_settings", SETTINGS)
        super().__init__(*arguments, **settings)
        self.example = example
        self.params += global_options()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example as it would be typed."""
        _write_example(self.example, formatter)


class Group(click.Group):
    """Commands that are imported only when they are run, so that starting stays quick.

    `commands` maps a command's name to the module that defines it as ``command``.
    """

    def __init__(
        self, *arguments: Any, example: str, modules: Mapping[str, str], **settings: Any
    ) -> None:
        settings.setdefault("context_settings", SETTINGS)
        super().__init__(*arguments, **settings)
        self.example = example
        self.modules = modules
        self.params += global_options()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands' names, in the order in which an owner meets them."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None where there is none of that name."""
        module = self.modules.get(cmd_name)
        if module is None:
            return None
        command = importlib.import_module(module).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.command is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was typed; a wrong name is told with the nearest right ones."""
        name = args[0]
        if not name.startswith("-") and name not in self.modules:
            import difflib

            near = difflib.get_close_matches(name, self.modules, n=2)
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"There is no command {name!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example as it would be typed."""
        _write_example(self.example, formatter)


def _write_example(example: str, formatter: click.HelpFormatter) -> None:
    with formatter.section("Example"):
        for line in example.splitlines():
            formatter.write(f"{'':{formatter.current_indent}}{line}\n")
