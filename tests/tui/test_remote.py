"""What a session may run: no file is named, nobody else's name taken, no command forgotten."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import NotAllowed
from tui.cli import COMMANDS, root
from tui.command import Command, Group
from tui.commands.session import serve
from tui.invocation import Invocation
from tui.remote import LONGEST, begin_serving, refuse_options, words_of
from tui.tokens_file import TokensFile

if TYPE_CHECKING:
    from conftest import Runner

FIXED = {"home", "as_user"}
HERE_ONLY = {"adopt", "demo", "worker", "access", "session", "recover"}
ANA = Invocation(given_home="/srv/home", user="ana", remote=True)


def commands(group: Group, *above: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, Group):
            yield from commands(command, *above, name)
        else:
            yield (*above, name), command


ALL = dict(commands(root))
PATHS = [
    (words, parameter)
    for words, command in ALL.items()
    for parameter in command.params
    if isinstance(parameter.type, click.Path | click.File)
]


def test_there_are_paths_to_refuse() -> None:
    assert ("restore",) in [words for words, _ in PATHS]
    assert {words[0] for words, _ in PATHS} > {"access", "adopt"}


@pytest.mark.parametrize(("words", "parameter"), PATHS, ids=str)
@pytest.mark.parametrize("value", ["/etc/passwd", "relative", "-", ""])
def test_whatever_takes_a_path_is_refused(
    words: tuple[str, ...], parameter: click.Parameter, value: str
) -> None:
    if (words, value) == (("export",), "-"):  # the one stream that the other side gets
        assert words_of("export x -") == ["export", "x", "-"]
        return
    before = [[], ["--json"]]
    for more in before:
        if isinstance(parameter, click.Argument):
            with pytest.raises(NotAllowed):  # every word could be the path
                words_of(shlex.join([*more, *words, *(["x", value] if value else ["x", "y"])]))
            continue
        for name in parameter.opts:
            for line in ([*words, name, value], [*words, f"{name}={value}"], [*words, name]):
                with pytest.raises(NotAllowed):
                    words_of(shlex.join([*more, *line, "x"]))


# What stands for anything but a file, in help and in error messages.
NO_FILES = {
    *("PROJECT", "USER", "NAME", "BACKUP", "JOB", "ID", "AMOUNT", "DATE", "T"),
    *("HH:MM", "ZONE", "N", "MONTH", "FINGERPRINT", "YYYY-MM", "SEAL", "PLACE"),
}


@pytest.mark.parametrize(
    "words", [words for words in ALL if words[0] not in HERE_ONLY], ids=" ".join
)
def test_whatever_is_no_path_is_known_to_be_none(words: tuple[str, ...]) -> None:
    context = click.Context(ALL[words])
    for parameter in ALL[words].params:
        kind = parameter.type
        if isinstance(kind, click.types.StringParamType) and parameter.name not in FIXED:
            name = parameter.make_metavar(context)
            assert name.strip("[].") in NO_FILES, f"is {parameter.name} a path? {name}"


def export(kind: click.ParamType[Any], *, several: bool = False) -> click.Group:
    """A command that writes a file, in a group, as a command line has it."""
    group = click.Group("backstay")
    parameters: list[click.Parameter] = [
        click.Argument(["backup"]),
        click.Argument(["file"], type=kind, required=False, nargs=-1 if several else 1),
        click.Option(["--also", "-a"], type=kind, multiple=several),
    ]
    group.add_command(click.Command("export", params=parameters, callback=print))
    return group


@pytest.mark.parametrize("several", [False, True])
def test_only_a_dash_passes_for_a_file_where_it_is_the_connection(several: bool) -> None:
    for kind in (click.Path(allow_dash=True), click.File("wb")):
        group = export(kind, several=several)
        for line in ("x -", "x", "x --also -", "x --also=-", "x -a-", "-- x -", "x - --also -"):
            refuse_options(group, ["export", *line.split()])
        for line in (
            "x y",
            "x /y",
            "x --also y",
            "x --also=y",
            "x -ay",
            "x -- --",
            "x ./-",
            "x - -a y",
        ):
            with pytest.raises(NotAllowed, match="names a file of the other machine"):
                refuse_options(group, ["export", *line.split()])
    with pytest.raises(NotAllowed):
        refuse_options(export(click.Path(), several=several), ["export", "x", "-"])
    pair = click.Option(["--pair"], type=(str, click.Path()))
    group.add_command(click.Command("pair", params=[pair]))
    with pytest.raises(NotAllowed):
        refuse_options(group, ["pair", "--pair", "y", "z"])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_either_for_sessions_or_told_why_it_is_not(name: str) -> None:
    if name in HERE_ONLY:
        with pytest.raises(NotAllowed, match=f"over SSH: {name} "):
            words_of(f"{name} list")
    else:
        assert words_of(f"{name} --json") == [name, "--json"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", []),
        ("   ", []),
        ("backstay", []),
        ("backups 'Plant 7' --json", ["backups", "Plant 7", "--json"]),
        ('backstay backups "Plant 7"', ["backups", "Plant 7"]),
        ("show Plant\\ 7@latest", ["show", "Plant 7@latest"]),
        ("--help", ["--help"]),
        ("export 'Plant 7@latest' -", ["export", "Plant 7@latest", "-"]),
        ("repository key", ["repository", "key"]),
        ("repository", ["repository"]),
        ("open 'Plant 7' --no-mouse", ["open", "Plant 7", "--no-mouse"]),
        ("backups Fábrica", ["backups", "Fábrica"]),
        ("restore b --name 'a $(b) `c`; d'", ["restore", "b", "--name", "a $(b) `c`; d"]),
    ],
)
def test_what_an_owner_types_is_taken_apart_as_by_a_shell(command: str, words: list[str]) -> None:
    assert words_of(command) == words


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("projects --as root", "--as is decided by the key"),
        ("projects --as=root", "--as is decided by the key"),
        ("--home / projects", "--home is decided by the key"),
        ("'--h'ome=/ projects", "--home is decided by the key"),
        ("projects -- --as", "--as is decided by the key"),
        ("projects '", "has no end"),
        ("projects \\", "has no end"),
        ("projects\0", "cannot be printed"),
        ("projects\n", "cannot be printed"),
        ("projects \udcff", "cannot be printed"),
        ("projects \u202e", "cannot be printed"),
        ("x" * (LONGEST + 1), f"longer than {LONGEST} characters"),
        ("sftp-server", "no such command"),
        ("./backstay projects", "no such command"),
        ("backstay backstay projects", "no such command"),
        ("export x /y", "FILE names a file of the other machine; give - to have it sent to you"),
        ("restore x --tokens-file=y", "--tokens-file names a file of the other machine."),
        ("repository key --enter", "replaces the home's key"),
        ("repository -- key --enter", "replaces the home's key"),
        ("repository --json key --json --enter", "replaces the home's key"),
    ],
)
def test_what_reaches_further_is_refused_with_the_reason(command: str, why: str) -> None:
    with pytest.raises(NotAllowed) as told:
        words_of(command)
    assert why in told.value.message
    assert told.value.hint
    assert "root" not in told.value.message


PIECES = st.sampled_from(
    [
        *(*COMMANDS, "key", "add-key", "list", "Plant 7", "backstay", "root", "/", "..", "x"),
        *(
            "--as",
            "--as=root",
            "--home",
            "--home=/",
            "--home=",
            "--a",
            "--hom",
            "-as",
            "-a",
            "--AS",
        ),
        *("--as =root", " --as", "--as\t", "'--as'", '"--as" root', "--a's'", "--\\as", "-\\-as"),
        *("-", "--", "=", "--=", "--json", "-h", "--help", "--enter", "--tokens-file"),
        *(
            "--name",
            "--project",
            "--at",
            "--user",
            "--no-mouse",
            "''",
            '""',
            "'",
            "\\",
            "#",
            "$(x)",
        ),
    ]
)
LINES = st.one_of(
    st.text(max_size=60), st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=8).map(" ".join)
)


@settings(max_examples=600, deadline=None)
@given(line=LINES)
def test_no_words_ever_change_who_asks_or_what_for(line: str) -> None:
    try:
        words = words_of(line)
    except NotAllowed:
        return
    assert not {word.partition("=")[0] for word in words} & {"--as", "--home"}
    assert not HERE_ONLY & set(words[:1])
    run: list[click.Context] = []
    # Everything but the last step, as a session does it.
    begun: list[Invocation | None] = []
    with (
        patch.object(Command, "invoke", lambda _, context: run.append(context)),
        patch("tui.cli._begin", begun.append),
    ):
        try:
            with root.make_context("backstay", list(words), obj=ANA) as context:
                root.invoke(context)
        except (click.exceptions.Exit, click.UsageError):
            return
    begun += [context.find_object(Invocation) for context in run]
    assert len(begun) == 1
    for invocation in begun:
        assert invocation is not None
        assert invocation._replace(json=False, mouse=True) == ANA
    for context in run:
        assert context.info_name not in HERE_ONLY
        assert not context.params.get("enter")
        for parameter in context.command.params:
            if isinstance(parameter.type, click.Path | click.File):
                assert context.params[parameter.name or ""] is None


def test_commands_that_are_named_to_a_session_leave_home_and_user_out() -> None:
    assert ANA.command_line("show", "Plant 7@latest") == "backstay show 'Plant 7@latest'"
    assert ANA._replace(remote=False).command_line("show").split()[1:] == [
        *("--home", "/srv/home", "--as", "ana", "show"),
    ]


def test_a_process_that_serves_somebody_makes_no_file_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tui.remote._process", {"serves": False})
    with TokensFile(tmp_path / "before") as file:
        file.write([])
    begin_serving()
    with pytest.raises(NotAllowed, match="over SSH"), TokensFile(tmp_path / "after"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["before"]


def test_an_end_that_cannot_be_noted_is_told_and_changes_no_exit_code(
    backstay: Runner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tui.remote._process", {"serves": False})

    def run(_: list[str], invocation: Invocation) -> int:
        (invocation.home / "catalog.db").unlink()
        return 4

    monkeypatch.setattr("tui.cli.main", run)
    assert serve(ANA._replace(given_home=str(backstay.home)), "projects", "192.0.2.1 port 5") == 4
    told = capsys.readouterr().err
    assert told.startswith("The end of this session is not in the audit trail: The home ")
    assert told.count("\n") == 1
