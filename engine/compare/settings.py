"""What differs between the settings of two backups: which they are, never what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.errors import RepositoryDamaged, SettingsInvalid
from engine.model import SettingChange
from engine.project import yaml_file
from engine.project.instance import MAIN_SETTINGS

Files = Sequence[tuple[str, str]]  # path and text
_TAGOCORE = "TagoCore"
_DEEPEST = 40  # levels that are told apart


def settings_between(before: Files, after: Files) -> tuple[SettingChange, ...]:
    """Compare settings files. Raises `RepositoryDamaged` where one cannot be read."""
    ours, theirs = _settings(before), _settings(after)
    changes = []
    for where, name in sorted(ours.keys() | theirs.keys()):
        known, now = ours.get((where, name)), theirs.get((where, name))
        if known != now:
            how = "added" if known is None else "removed" if now is None else "changed"
            changes.append(SettingChange(where, name, how))
    return tuple(changes)


def _settings(files: Files) -> dict[tuple[str, str], str]:
    """Every setting by where it is and what it is called."""
    found: dict[tuple[str, str], str] = {}
    for path, text in files:
        where = _TAGOCORE if path == MAIN_SETTINGS else f"plugin {path.split('/')[-2]}"
        try:
            content = yaml_file.parse(text, path)
        except SettingsInvalid as error:
            raise RepositoryDamaged(f"In the backup, {error.message}") from error
        found |= {(where, name): repr(value) for name, value in _flat(content, ())}
    return found


def _flat(value: object, above: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    """Settings by their names; of a list of modules, each by its id."""
    if len(above) > _DEEPEST:
        yield ".".join(above), value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, (*above, str(key)))
    elif isinstance(value, list) and all(_has_id(item) for item in value) and value:
        for item in value:
            yield from _flat(
                {k: v for k, v in item.items() if k != "id"}, (*above, str(item["id"]))
            )
    else:
        yield ".".join(above), value


def _has_id(item: object) -> bool:
    return isinstance(item, Mapping) and "id" in item
