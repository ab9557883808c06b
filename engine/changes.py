"""What changed of a project since its last backup. Importing this is cheap: often nothing did."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from engine.errors import (
    MAIN_DAMAGED_HINT,
    NotAnInstance,
    SettingsInvalid,
    SourceDamaged,
    SourceMissing,
)
from engine.names import shown_path
from engine.project.instance import MAIN_SETTINGS, NO_FILE, Instance, find, remembered
from engine.repository.manifest import Manifest
from engine.stamps import is_unchanged


class Changes(NamedTuple):
    """What may have changed since the last backup: the main database, or devices (ids)."""

    main: bool
    devices: frozenset[str]

    @property
    def anything(self) -> bool:
        """Whether there is anything to read."""
        return self.main or bool(self.devices)


def look_for_changes(instance: Instance, previous: Manifest | None) -> Changes:
    """Compare files with what they looked like at the last backup. Blocks, for milliseconds."""
    if previous is None:
        return Changes(True, frozenset())
    before = dict(previous.main.stamps)
    files = [*(str(file) for file in (instance.database, *instance.storage_files))]
    settings = [str(instance.root / name) for name in instance.settings]
    main = (
        any(note.startswith(NO_FILE) for note in previous.notes)  # told each time
        or set(before) != {*files, *settings}
        or not all(is_unchanged(Path(file), before[file]) for file in files)
        or not all(is_unchanged(Path(file), before[file], counter=False) for file in settings)
    )
    devices = frozenset(
        device.id
        for device in previous.devices
        if device.image is None or not is_unchanged(instance.device_file(device.id), device.stamp)
    )
    return Changes(main, devices)


def find_changes(path: Path, previous: Manifest | None) -> tuple[Instance, Changes]:
    """The instance at `path`, and what of it may have changed. Blocks, for milliseconds.

    While its settings are as they were at the last backup, it is what it was found to be then.
    Raises what `find` raises.
    """
    if previous is not None and previous.path == str(path):
        layout = previous.layout
        try:
            instance = remembered(
                path,
                plugin=layout.plugin,
                database=Path(layout.database),
                devices=Path(layout.devices),
                storage=Path(layout.storage),
                port=previous.port,
            )
            changes = look_for_changes(instance, previous)
            if not changes.main:
                return instance, changes
        except OSError:
            pass  # what cannot be read is told by `find`
    instance = _find(path)
    return instance, look_for_changes(instance, previous)


def _find(path: Path) -> Instance:
    """`find` for what was a project when it was adopted: what is wrong is damage or loss."""
    try:
        return find(path)
    except SettingsInvalid as error:
        raise SettingsInvalid(
            f"The settings of the project at {shown_path(path)} cannot be used: {error.message}",
            hint="Earlier backups are safe and nothing was changed. Mend the file, then try again.",
        ) from error
    except NotAnInstance as error:
        if not (path / MAIN_SETTINGS).exists():
            raise SourceMissing(
                f"{shown_path(path / MAIN_SETTINGS)} is missing.",
                hint="Earlier backups are safe. Bring the file back (is a disk not mounted?), then "
                "try again.",
            ) from error
        raise SourceDamaged(error.message, hint=MAIN_DAMAGED_HINT) from error
    except SourceDamaged as error:
        raise SourceDamaged(error.message, hint=MAIN_DAMAGED_HINT) from error
