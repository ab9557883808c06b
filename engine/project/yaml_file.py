"""TagoCore's YAML files: read with limits, written so that TagoCore reads back the same.

TagoCore reads and writes them with js-yaml (YAML 1.2); strings that look like something else in
either dialect are quoted.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from engine.errors import SettingsInvalid, StorageFailed
from engine.names import shown_path

LIMIT = 1024 * 1024  # bytes; a real settings file has some hundreds
_DEPTH = 64
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z_ .-]*[A-Za-z_]|[A-Za-z_]")

Mapping = dict[str, object]


def read_text(path: Path, root: Path, name: str) -> str:
    """The text of the settings file `path`, which messages call `name`.

    Raises `FileNotFoundError` when it is not there, `SettingsInvalid` when it is not a regular
    file within `root`, longer than 1 MiB or not UTF-8, `StorageFailed` when it cannot be read.
    """
    try:
        if not path.resolve(strict=True).is_relative_to(root):
            raise SettingsInvalid(f"{name} is a link that leads out of {shown_path(root)}.")
        # O_NONBLOCK: a pipe in its place must not hold us up
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise SettingsInvalid(f"{name} is not a regular file.")
            content = file.read(LIMIT + 1)
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links
        reason = getattr(error, "strerror", None) or "links that go in a circle"
        raise StorageFailed(
            f"{name} in {shown_path(root)} cannot be read: {reason}.",
            hint="Nothing was changed. Let the user that runs Backstay read the project's folder.",
        ) from error
    if len(content) > LIMIT:
        raise SettingsInvalid(f"{name} is longer than 1 MiB: that is no settings file.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsInvalid(f"{name} is not UTF-8 text.") from None


def parse(text: str, name: str) -> Mapping:
    """The mapping that a settings file holds.

    Raises `SettingsInvalid`, naming the file and the line, when it does not parse, nests deeper
    than 64 levels, uses aliases (which could unfold to any size), or is not a mapping. What the
    parser said is not carried along: it may quote the file, and with it a password.
    """
    import yaml

    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > _DEPTH or isinstance(event, yaml.AliasEvent):
                why = "an alias" if isinstance(event, yaml.AliasEvent) else "nesting beyond reason"
                where = f" in line {event.start_mark.line + 1}" if event.start_mark else ""
                raise SettingsInvalid(f"{name} cannot be used: {why}{where}.")
        # a SafeLoader either way: it makes plain values and nothing else
        content = yaml.load(text, Loader=loader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}" if mark else ""
        raise SettingsInvalid(f"{name} does not parse as YAML{where}.") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SettingsInvalid(
            f"{name} holds a character that YAML forbids in line {line}."
        ) from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise SettingsInvalid(f"{name} holds a value that does not parse.") from None
    if not isinstance(content, dict):
        raise SettingsInvalid(f"{name} does not hold settings: a list of names and values.")
    return content


def render(content: Mapping) -> str:
    """The YAML text of a mapping, its keys in their order."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes every string that is not plain words, so that both dialects read a string."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    def text(dumper: Dumper, value: str) -> yaml.ScalarNode:
        style = None if _PLAIN.fullmatch(value) else "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(
        content,
        Dumper=Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=1000,
    )
