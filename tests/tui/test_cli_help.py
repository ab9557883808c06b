"""Help, and commands that were not understood: neither touches a home."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tui.cli import COMMANDS, main, root
from tui.command import Command, Group
from tui.invocation import Invocation, default_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that is not there, and is the one that commands would use."""
    absent = tmp_path / "absent"
    monkeypatch.setenv("BACKSTAY_HOME", str(absent))
    return absent


def commands(group: Group, *above: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*above, name), command
        if isinstance(command, Group):
            yield from commands(command, *above, name)


ALL = dict(commands(root))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_has_an_example_of_the_command_and_leaves_the_home_alone(
    words: tuple[str, ...], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Example:\n  backstay {' '.join(words)}" in text
    assert "--home" in text
    assert "--as" in text
    assert "--json" in text
    assert max(map(len, text.splitlines())) <= 100
    assert not [line for line in text.splitlines() if line.endswith("-")]  # a name in two parts
    assert not home.exists()


def test_the_list_of_commands_tells_each_in_a_whole_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out.partition("Commands:")[2]
    for name in COMMANDS:
        line = next(line for line in text.splitlines() if line.startswith(f"  {name} "))
        assert line.endswith(".")
        assert not line.endswith("...")


@pytest.mark.parametrize(
    "words", [words for words, command in ALL.items() if isinstance(command, Command)], ids=" ".join
)
def test_every_example_can_be_parsed(words: tuple[str, ...]) -> None:
    import shlex

    command = ALL[words]
    assert isinstance(command, Command)
    for line in command.example.splitlines():
        typed = shlex.split(line.partition(" <")[0])
        assert typed[: 1 + len(words)] == ["backstay", *words]
        command.make_context(words[-1], typed[1 + len(words) :], obj=Invocation())


@pytest.mark.parametrize(
    "arguments",
    [
        ["bakcup"],
        ["backup"],
        ["backup", "one", "two"],
        ["backups", "P", "--nonsense"],
        ["adopt", "/srv"],
        ["restore", "P@latest"],
        ["costs", "--month", "2026-13"],
        ["costs", "--month", "november"],
        ["members", "P", "add"],
        ["members", "P", "add", "rui"],
        ["members", "P", "promote", "rui"],
        ["members", "P", "--role", "owner"],
        ["members", "P", "remove", "rui", "--role", "owner"],
        ["members", "P", "add", "rui", "--role", "king"],
        ["delete", "P"],
        ["demo", "--devices", "0"],
        ["demo", "--seed", "seven"],
        ["--home", "", "projects"],
        ["--home"],
        ["repository"],
        ["repository", "lock"],
    ],
    ids=" ".join,
)
def test_what_is_not_understood_ends_with_2_and_touches_nothing(
    arguments: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    plain = capsys.readouterr()
    assert plain.out == ""
    assert "Error: " in plain.err
    assert main([*arguments, "--json"] if arguments != ["--home"] else ["--json", "--home"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    error = json.loads(told.err)["error"]
    assert set(error) == {"code", "name", "message", "hint"}
    assert error["code"] == 2
    assert error["message"]
    assert not home.exists()


def test_a_mistyped_command_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bakcups"]) == 2
    assert "Did you mean backups" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("backstay ")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (["--home", "/a", "--as", "ana", "--json"], [], Invocation("/a", "ana", True)),
        ([], ["--home", "/a", "--as", "ana", "--json"], Invocation("/a", "ana", True)),
        (["--json", "--home", "/a"], ["--as", "rui"], Invocation("/a", "rui", True)),
        (["--home", "/a", "--as", "ana"], ["--home", "/b", "--as", "rui"], Invocation("/b", "rui")),
        ([], [], Invocation()),
    ],
)
@pytest.mark.parametrize("words", [("backups", "P"), ("repository", "key")], ids=" ".join)
def test_global_options_stand_before_or_after_the_command(
    words: tuple[str, ...],
    before: list[str],
    after: list[str],
    expected: Invocation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Invocation] = []

    def note(invocation: Invocation, *_: object, **__: object) -> None:
        seen.append(invocation)
        raise click.UsageError("seen")

    module = ALL[words if words == ("repository", "key") else words[:1]].callback.__module__
    monkeypatch.setattr(sys.modules[module], "with_engine", note)
    assert main([*before, *words, *after]) == 2
    assert seen == [expected]


def test_the_home_is_the_one_given_then_the_environments_then_the_data_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BACKSTAY_HOME", "/environment")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setenv("HOME", "/people/ana")
    assert Invocation("/given").home == Path("/given")
    assert Invocation().home == Path("/environment")
    monkeypatch.setenv("BACKSTAY_HOME", "")
    assert Invocation().home == Path("/data/backstay")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_home() == Path("/people/ana/.local/share/backstay")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_home() == Path("/people/ana/.local/share/backstay")


def test_a_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Invocation("here").home == tmp_path / "here"


def test_the_next_command_can_be_pasted_into_a_shell() -> None:
    line = Invocation("/my home", "ana").command_line("wake", "Plant 7")
    assert line == "backstay --home '/my home' --as ana wake 'Plant 7'"
    assert Invocation().command_line("demo") == "backstay demo"
