"""What the README says of commands is so: each is understood, and the first ones do their work."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from engine import BackstayError
from tui.cli import COMMANDS, root

if TYPE_CHECKING:
    from conftest import Runner

README = (Path(__file__).parents[2] / "README.md").read_text()
HIDDEN = {"open", "session"}  # the app itself, and what only a key's line starts


def lines(section: str = "") -> list[list[str]]:
    """The words of each line of the README, or of one section, that begins with backstay."""
    begin = README.index(f"\n## {section}") if section else 0
    end = README.find("\n## ", begin + 1) if section else len(README)
    blocks = re.findall(r"```sh\n(.*?)```", README[begin:end], re.DOTALL)
    return [
        shlex.split(line, comments=True)[1:]
        for block in blocks
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("backstay ")
    ]


def understood(words: list[str]) -> click.Command:
    """The command that words call, its arguments and options read; nothing is run."""
    command: click.Command = root
    above = click.Context(root)
    while isinstance(command, click.Group):
        found = command.get_command(above, words[0])
        assert found is not None, words
        command, words = found, words[1:]
        if not isinstance(command, click.Group):
            command.make_context("backstay", list(words), parent=above)
    return command


@pytest.mark.parametrize("words", lines(), ids=" ".join)
def test_every_command_in_it_is_understood(words: list[str]) -> None:
    try:
        understood(words)
    except (click.UsageError, BackstayError) as error:
        pytest.fail(f"backstay {shlex.join(words)}: {error}")


def test_it_names_all_commands_and_no_other() -> None:
    listed = re.search(r"There are (`demo`.*?)\. Exit codes", README, re.DOTALL)
    assert listed is not None
    named = [each.partition(" ")[0] for each in re.findall(r"`(.*?)`", listed[1])]
    assert sorted(named) == sorted(set(COMMANDS) - HIDDEN)


def test_the_first_steps_work_as_they_stand(nowhere: Runner, source: Path) -> None:
    nowhere.home.mkdir(mode=0o700)
    settings = nowhere.home / "backstay.toml"
    settings.touch(mode=0o600)
    settings.write_text('[prices]\ncreation_fee = "49.00"\n')
    steps = lines("Use it on your project")
    assert [words[0] for words in steps[:2]] == ["adopt", "backup"]
    for words in steps:
        given = [str(source) if word == "/srv/tagocore" else word for word in words]
        answer = nowhere(*given)
        assert answer.code == 0, answer.err
        assert answer.out
