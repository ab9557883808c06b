"""A TagoCore instance on SQLite: where its parts are, and why a folder may not be one."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import NamedTuple

from engine.errors import (
    NotAnInstance,
    SettingsInvalid,
    SourceDamaged,
    SourceMissing,
    StorageFailed,
)
from engine.names import shown, shown_path
from engine.project import yaml_file

MAIN_SETTINGS = "tagocore.yml"
PLUGIN_FILES = "PluginFiles"
PLUGIN_SETTINGS = "settings.yml"
DEFAULT_PORT = 8888  # what TagoCore takes when its settings name none

NO_FILE = "A device in data.db has the id"  # how it begins what `names_no_file` says
_SAFE_NAME = re.compile(r"[0-9A-Za-z_-]{1,64}")
_MISSING_HINT = (
    "Nothing was changed, and backups that were made of it are safe. Check the path; is a disk "
    "not mounted?"
)


class Instance(NamedTuple):
    """Where the parts of an instance are; all paths are absolute.

    `settings` are the settings files as POSIX paths relative to `root`, tagocore.yml first.
    `notes` tell its owner what was noticed.
    """

    root: Path
    plugin: str  # the id of the SQLite plugin: an md5 in hex
    database: Path  # data.db
    devices: Path  # the folder of the devices' databases; it may not exist yet
    storage: Path  # the folder of the plugins' storage; the same holds for it
    storage_files: tuple[Path, ...]  # plugins/<plugin id>.db
    settings: tuple[str, ...]
    port: int
    notes: tuple[str, ...]

    @property
    def plugin_folder(self) -> Path:
        """The SQLite plugin's folder."""
        return self.root / PLUGIN_FILES / self.plugin

    def device_file(self, device_id: str) -> Path:
        """Where the database of a device is, whether or not it exists.

        Raises `SourceDamaged` for an id that could not be a file's name: it comes from the
        database, and anyone who may write there could have put a path in its place.
        """
        if not names_file(device_id):
            raise SourceDamaged(names_no_file(device_id))
        return self.devices / f"{device_id}.db"


def names_file(device_id: str) -> bool:
    """Whether the id of a device can be the name of its database."""
    return _SAFE_NAME.fullmatch(device_id) is not None


def names_no_file(device_id: str) -> str:
    """What is wrong with a device whose id cannot be that."""
    return f"{NO_FILE} {shown(device_id, 80)}, which names no file of a device of its own."


def find(path: Path) -> Instance:
    """Check and describe the instance at `path`: its folder, or the tagocore.yml in it.

    Raises `SourceMissing` when the folder or its main database is not there, `NotAnInstance` when
    it is no instance on SQLite, `SettingsInvalid` when a settings file cannot be used, and
    `Busy`, `SourceDamaged` or `StorageFailed` when data.db cannot be looked into.
    """
    root = _root(path)
    try:
        return _describe(root)
    except OSError as error:
        raise StorageFailed(
            f"{shown_path(root)} cannot be read: {error.strerror}.",
            hint="Nothing was changed. Let the user that runs Backstay read the project's folder.",
        ) from error


def remembered(
    path: Path, *, plugin: str, database: Path, devices: Path, storage: Path, port: int
) -> Instance:
    """The instance at `path` as it was found before, with the files that it has now.

    It is right as long as its settings are those that it was found with: the caller sees to that.
    Raises OSError where its folders cannot be listed.
    """
    return Instance(
        root=path,
        plugin=plugin,
        database=database,
        devices=devices,
        storage=storage,
        storage_files=_storage_files(storage),
        settings=(MAIN_SETTINGS, *_plugin_settings(path, [])),
        port=port,
        notes=(),
    )


def _describe(root: Path) -> Instance:
    from engine.project.main_tables import check_tables

    try:
        text = yaml_file.read_text(root / MAIN_SETTINGS, root, MAIN_SETTINGS)
    except FileNotFoundError:
        raise NotAnInstance(
            f"{shown_path(root)} is not a TagoCore instance: it holds no tagocore.yml."
        ) from None
    settings = yaml_file.parse(text, MAIN_SETTINGS)
    plugin = _sqlite_plugin(settings, root)
    plugin_folder = root / PLUGIN_FILES / plugin
    notes: list[str] = []
    database = _database(root, plugin, notes)
    devices = _beside("devices", plugin_folder, database, notes)
    storage = _beside("plugins", plugin_folder, database, notes)
    notes += check_tables(database)
    return Instance(
        root=root,
        plugin=plugin,
        database=database,
        devices=devices,
        storage=storage,
        storage_files=_storage_files(storage),
        settings=(MAIN_SETTINGS, *_plugin_settings(root, notes)),
        port=_port(settings),
        notes=tuple(notes),
    )


def _root(path: Path) -> Path:
    try:
        folder = path.parent if path.name == MAIN_SETTINGS and path.is_file() else path
        root = folder.resolve(strict=True)
        if root.is_dir():
            return root
    except FileNotFoundError:
        raise SourceMissing(
            f"There is nothing at {shown_path(path)}.", hint=_MISSING_HINT
        ) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise NotAnInstance(f"{shown(str(path), 200)} cannot be opened as a folder.") from error
    raise NotAnInstance(f"{shown_path(path)} is neither a folder nor a tagocore.yml.")


def _sqlite_plugin(settings: yaml_file.Mapping, root: Path) -> str:
    chosen = settings.get("database_plugin")
    if chosen is None or chosen == "":
        raise NotAnInstance(
            f"tagocore.yml in {shown_path(root)} names no database plugin: this instance was never "
            "set up, or gets its database from an environment variable, which Backstay cannot see."
        )
    plugin, _, module = str(chosen).partition(":")
    if module != "sqlite":
        raise NotAnInstance(
            f"The database plugin of {shown_path(root)} is {shown(str(chosen), 80)}. Backstay "
            "backs up TagoCore on SQLite; PostgreSQL and other databases are not supported yet."
        )
    if not _SAFE_NAME.fullmatch(plugin):
        raise SettingsInvalid(
            f"tagocore.yml: database_plugin is {shown(str(chosen), 80)}; expected is a plugin's "
            "id, then :sqlite."
        )
    return plugin


def _port(settings: yaml_file.Mapping) -> int:
    port = settings.get("port")
    if port is None or port == "":
        return DEFAULT_PORT
    text = str(port).strip()
    if re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= 65535:
        return int(text)
    raise SettingsInvalid(
        f"tagocore.yml: port is {shown(str(port), 40)}; allowed is a number from 1 to 65535."
    )


def _database(root: Path, plugin: str, notes: list[str]) -> Path:
    folder = root / PLUGIN_FILES / plugin
    beside = folder / "data.db"
    stored = _stored_database(root, plugin)
    if stored is not None and stored.is_absolute() and _is_database(stored):
        if not stored.resolve().is_relative_to(root):
            also = "; the data.db beside settings.yml is not used" if _is_database(beside) else ""
            notes.append(
                f"settings.yml names {shown_path(stored)}, outside this folder: TagoCore works on "
                f"that database, so that one is backed up{also}."
            )
        return stored
    if not _is_database(beside):
        where = f"neither {shown_path(stored)}, as settings.yml says, nor" if stored else "no"
        raise SourceMissing(
            f"The main database of {shown_path(root)} is missing: there is {where} "
            f"{shown_path(beside)}.",
            hint=_MISSING_HINT,
        )
    if stored is not None:
        why = f"settings.yml names {shown_path(stored)}, which is not there"
    elif (folder / PLUGIN_SETTINGS).exists():
        why = "settings.yml names no database"
    else:
        why = f"There is no settings.yml in {PLUGIN_FILES}/{plugin}"
    notes.append(f"{why}; using {shown_path(beside)}.")
    return beside


def _stored_database(root: Path, plugin: str) -> Path | None:
    """The path of data.db in the plugin's settings.yml; None where it names none."""
    name = f"{PLUGIN_FILES}/{plugin}/{PLUGIN_SETTINGS}"
    try:
        text = yaml_file.read_text(root / name, root, name)
    except FileNotFoundError:
        return None
    modules = yaml_file.parse(text, name).get("modules")
    if modules is None:
        return None
    if not isinstance(modules, list):
        raise SettingsInvalid(f"{name}: modules is not a list.")
    for module in modules:
        if isinstance(module, dict) and module.get("id") == "sqlite":
            values = module.get("values")
            file = values.get("file") if isinstance(values, dict) else None
            if file is None or file == "":
                return None
            if not isinstance(file, str) or "\0" in file:
                raise SettingsInvalid(f"{name}: file of the module sqlite is not a path.")
            return Path(file)
    return None


def _is_database(path: Path) -> bool:
    """Whether a regular file is at `path`, raising `NotAnInstance` for any other thing."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StorageFailed(
            f"The main database {shown(str(path), 200)} cannot be reached: {error.strerror}.",
            hint="Nothing was changed. Let the user that runs Backstay read it.",
        ) from error
    if not stat.S_ISREG(mode):
        raise NotAnInstance(
            f"The main database should be at {shown_path(path)}, but that is not a regular file."
        )
    return True


def _beside(name: str, plugin_folder: Path, database: Path, notes: list[str]) -> Path:
    """TagoCore keeps `name` in the plugin's folder wherever data.db is; older ones beside it."""
    usual, other = plugin_folder / name, database.parent / name
    if usual.is_dir() or usual == other or not other.is_dir():
        return usual
    notes.append(f"The folder {name} is not in the plugin's folder; using {shown_path(other)}.")
    return other


def _storage_files(folder: Path) -> tuple[Path, ...]:
    if not folder.is_dir():
        return ()
    return tuple(
        sorted(
            file
            for file in folder.iterdir()
            if file.suffix == ".db"
            and _SAFE_NAME.fullmatch(file.stem)
            and stat.S_ISREG(file.lstat().st_mode)
        )
    )


def _plugin_settings(root: Path, notes: list[str]) -> list[str]:
    folder = root / PLUGIN_FILES
    names = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    found = []
    for name in names:
        file = folder / name / PLUGIN_SETTINGS
        if not file.is_file():
            continue
        if _SAFE_NAME.fullmatch(name) and file.resolve().is_relative_to(root):
            found.append(f"{PLUGIN_FILES}/{name}/{PLUGIN_SETTINGS}")
        else:
            notes.append(f"The settings in {shown(f'{PLUGIN_FILES}/{name}')} are not backed up.")
    return found
