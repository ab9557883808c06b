"""An instance's settings files: into a backup without tokens, and out of it for a new project.

A copied folder whose settings still name the original's paths would open, and write to, the
original: so a restored project's settings are written anew, with its own folder, database and port.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from engine.errors import RepositoryDamaged, SettingsInvalid, SourceMissing, StorageFailed
from engine.model import QuietItem
from engine.names import shown, shown_path
from engine.project import yaml_file
from engine.project.instance import MAIN_SETTINGS, PLUGIN_FILES, PLUGIN_SETTINGS, Instance

PLUGIN = "plugin"  # the kind of a quiet item
_PLUGIN_FILE = re.compile(rf"{PLUGIN_FILES}/([0-9A-Za-z_-]{{1,64}})/{re.escape(PLUGIN_SETTINGS)}")
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600

Change = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """One settings file: its POSIX path relative to the instance's folder, and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class WrittenSettings:
    """What was written for a new project.

    `plugin` is the id of its SQLite plugin; its data.db belongs at `database`, relative to its
    folder, with `devices` and `plugins` beside it. `quiet` names the plugins that are not loaded.
    """

    plugin: str
    database: PurePosixPath
    quiet: tuple[QuietItem, ...]
    notes: tuple[str, ...]


def collect(instance: Instance, scrub: Change) -> tuple[SettingsFile, ...]:
    """The settings files of an instance, tagocore.yml first, their texts passed by `scrub`.

    Raises `SourceMissing` when one has gone meanwhile, `SettingsInvalid` or `StorageFailed` when
    one cannot be read.
    """
    files = []
    for name in instance.settings:
        try:
            text = yaml_file.read_text(instance.root / name, instance.root, name)
        except FileNotFoundError:
            raise SourceMissing(f"{name} in {shown_path(instance.root)} has just gone.") from None
        yaml_file.parse(text, name)  # what does not parse now could not be restored either
        files.append(SettingsFile(name, scrub(text)))
    return tuple(files)


def write(
    files: Sequence[SettingsFile],
    folder: Path,
    *,
    root: Path | None,
    port: int,
    follow: Change,
) -> WrittenSettings:
    """Write a new project's settings under `folder` (0700, its files 0600).

    `root` is the absolute path that the folder will have in the end: what pointed into the old
    folder points there. Where that is not known, it is None: paths are then relative to the folder,
    and data.db is where TagoCore takes it to be by itself. The port is its own, the master password
    is kept as it is, and folders of plugins outside the backup are not loaded. `follow` gives texts
    the new tokens. Raises `RepositoryDamaged` when the files are not an instance's, before anything
    is written, and `StorageFailed` when they cannot be written.
    """
    parsed = {file.path: _parsed(file, follow) for file in files}
    main = parsed.get(MAIN_SETTINGS)
    if main is None or len(parsed) != len(files):
        raise RepositoryDamaged("The backup's settings lack tagocore.yml, or hold a file twice.")
    plugin, _, module = str(main.get("database_plugin")).partition(":")
    database = PurePosixPath(PLUGIN_FILES, plugin, "data.db")
    plugin_file = f"{PLUGIN_FILES}/{plugin}/{PLUGIN_SETTINGS}"
    if module != "sqlite" or not _PLUGIN_FILE.fullmatch(plugin_file):
        raise RepositoryDamaged("The backup's tagocore.yml names no SQLite plugin.")

    old = main.get("settings_folder")
    moved = {path: _moved(content, _old_root(old), root) for path, content in parsed.items()}
    quiet, notes = _own_main(moved[MAIN_SETTINGS], root, port)
    place = None if root is None else str(root / database)
    _own_database(moved.setdefault(plugin_file, {}), place)
    for path, content in moved.items():
        _write(folder, path, yaml_file.render(content))
    return WrittenSettings(plugin, database, quiet, (*notes, *_outside(moved, root)))


def _parsed(file: SettingsFile, follow: Change) -> yaml_file.Mapping:
    """The content of a file whose path is one that we write; nothing else may be put on disk."""
    if file.path != MAIN_SETTINGS and not _PLUGIN_FILE.fullmatch(file.path):
        raise RepositoryDamaged(
            "The backup holds a settings file with a path that is not allowed: "
            f"{shown(file.path, 80)}."
        )
    try:
        content = yaml_file.parse(file.text, file.path)
    except SettingsInvalid as error:
        raise RepositoryDamaged(f"In the backup, {error.message}") from error
    return {_text(key): _changed(value, follow) for key, value in content.items()}


def _text(key: object) -> str:
    return key if isinstance(key, str) else str(key)


def _changed(value: object, change: Change) -> object:
    """A settings value with every text in it changed, keys too, all in their order."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(item, change) for item in value]
    if isinstance(value, dict):
        return {_changed(key, change): _changed(item, change) for key, item in value.items()}
    return value


def _old_root(stored: object) -> str:
    """The old folder as paths begin with it, or empty where it names none of its own."""
    return stored.rstrip("/") if isinstance(stored, str) and stored.startswith("/") else ""


def _moved(content: yaml_file.Mapping, old: str, root: Path | None) -> yaml_file.Mapping:
    new = "." if root is None else str(root)

    def moved(text: str) -> str:
        if old and (text == old or text.startswith(f"{old}/")):
            return f"{new}{text[len(old) :]}"
        return text

    return {key: _changed(value, moved) for key, value in content.items()}


def _own_main(
    main: yaml_file.Mapping, root: Path | None, port: int
) -> tuple[tuple[QuietItem, ...], tuple[str, ...]]:
    main["settings_folder"] = "" if root is None else str(root)
    main["port"] = str(port)  # TagoCore keeps it as text
    custom = main.get("custom_plugins")
    folders = [str(folder) for folder in custom] if isinstance(custom, list) else []
    if custom:
        main["custom_plugins"] = []
    installed = main.get("installed_plugins")
    count = len(installed) if isinstance(installed, list) else 0
    which = "1 installed plugin starts" if count == 1 else f"{count} installed plugins start"
    note = (
        f"{which} with the new project, with the settings of the old one: look at the ports and "
        "remote accounts that both projects would use."
    )
    notes = (note,) if count else ()
    return tuple(QuietItem(PLUGIN, "", folder, folder) for folder in folders), notes


def _own_database(settings: yaml_file.Mapping, database: str | None) -> None:
    modules = settings.get("modules")
    if not isinstance(modules, list):
        modules = settings["modules"] = []
    own = [
        module for module in modules if isinstance(module, dict) and module.get("id") == "sqlite"
    ]
    if not own:
        own = [{"id": "sqlite"}]
        modules += own
    for module in own:
        values = module.get("values")
        others = values if isinstance(values, dict) else {}
        if database is None:
            module["values"] = {name: value for name, value in others.items() if name != "file"}
        else:
            module["values"] = others | {"file": database}


def _outside(moved: Mapping[str, yaml_file.Mapping], root: Path | None) -> list[str]:
    """A note for each path in the plugins' settings that leads out of the new project."""
    notes: list[str] = []
    for path, content in moved.items():

        def look(text: str, path: str = path) -> str:
            inside = root is not None and Path(text).is_relative_to(root)
            if text.startswith("/") and "\n" not in text and not inside:
                notes.append(
                    f"{path} names {shown(text, 200)}, outside the new project: look whether both "
                    "projects may use it."
                )
            return text

        _changed(content, look)
    return notes


def _write(folder: Path, path: str, text: str) -> None:
    target = folder.joinpath(*path.split("/"))
    try:
        for parent in reversed(target.relative_to(folder).parents):
            made = folder / parent
            made.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            made.chmod(_FOLDER_MODE)
        handle = os.open(
            target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE
        )
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, _FILE_MODE)  # whatever the umask
            file.write(text)
            file.flush()
            os.fsync(handle)
    except OSError as error:
        raise StorageFailed(f"{shown_path(target)} cannot be written: {error.strerror}.") from error
