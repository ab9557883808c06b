"""A home: the folder that holds the catalog, the repository, and restored projects."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from engine.access import account_name, login_name
from engine.catalog import CATALOG_FILE
from engine.catalog.past import ever_backed_up
from engine.errors import (
    BackstayError,
    HomeUnsafe,
    Invalid,
    NotFound,
    RepositoryDamaged,
    StorageFailed,
    Taken,
    WrongKey,
)
from engine.model import Encryption
from engine.names import shown, word
from engine.private import check_private, read_private
from engine.repository.keys import new_key, parse_recovery_text, recovery_text
from engine.repository.repository import (
    Repository,
    create_repository,
    open_repository,
    repository_encryption,
)
from engine.repository.storage import LocalStorage, publish, storage_failed
from engine.syncing import sync_folder

SETTINGS_FILE = "backstay.toml"
KEY_FILE = "repository.key"
REPOSITORY = "repository"
PROJECTS = "projects"
SCRATCH = "scratch"
_TEMPORARY_KEY = f".{KEY_FILE}-"
_TEMPORARY_OBJECT = ".new-*"  # as `LocalStorage` calls what it is still writing
_OTHER_FOLDER = "Nothing was changed. Name a folder that is new or empty: --home DIR."
PARTIAL = ".partial-"  # how the folder of a project that is being made begins


class Home(NamedTuple):
    """Where the parts of a home are. All of it is 0700 and 0600, whatever the umask."""

    path: Path

    @property
    def catalog(self) -> Path:
        """The catalog's file."""
        return self.path / CATALOG_FILE

    @property
    def settings(self) -> Path:
        """The file of the owner's settings, which most homes do not have."""
        return self.path / SETTINGS_FILE

    @property
    def projects(self) -> Path:
        """The folder of restored projects."""
        return self.path / PROJECTS

    @property
    def scratch(self) -> Path:
        """The folder for temporary files."""
        return self.path / SCRATCH

    @property
    def storage(self) -> LocalStorage:
        """Where the repository's objects are."""
        return LocalStorage(self.path / REPOSITORY)

    def prepare(self, *, create: bool, besides: Collection[str] = ()) -> None:
        """Check the home, and make it where it is not there and `create`.

        What is called as one of `besides` may be in its folder before.

        Raises `NotFound`, `HomeUnsafe` where others own it or may write to it, `Taken` where it
        would be made among files that are not its own, `StorageFailed`.
        """
        try:
            if create:
                self._make_folder(besides)
            elif not self.catalog.exists():
                if (self.path / REPOSITORY).is_dir():
                    raise self._lost_catalog()
                raise NotFound(
                    f"There is no home at {self.path}.",
                    hint="Adopt a project with: backstay adopt PATH --name NAME. "
                    "Or try the demo with: backstay demo.",
                )
            if not self.path.is_dir():
                raise StorageFailed(f"{self.path} is not a folder.", hint=_OTHER_FOLDER)
        except PermissionError as error:
            raise HomeUnsafe(f"{self.path} belongs to someone else.") from error
        except OSError as error:
            raise storage_failed(f"opening the home {self.path}", error) from error
        check_private(self.path)
        if create and not self.catalog.exists():
            self.check_writable()

    def _make_folder(self, besides: Collection[str]) -> None:
        """Make the folder, only ours to reach, unless it is there already."""
        try:
            self.path.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            if not self.path.is_dir():
                return
        except OSError as error:
            raise self._not_made(error) from error
        if self.catalog.exists():
            return
        names = {path.name for path in self.path.iterdir()}.difference(besides)
        strange = sorted(name for name in names if not _may_precede(name))
        if strange and not self.catalog.exists():  # else another process has just made the home
            if REPOSITORY in strange:
                raise self._lost_catalog()
            raise Taken(
                f"{self.path} is not a home and not empty: it holds {shown(strange[0])}"
                + (f" and {len(strange) - 1} more." if len(strange) > 1 else "."),
                hint=_OTHER_FOLDER,
            )
        if self.path.stat().st_uid == os.geteuid():
            self.path.chmod(0o700)

    def _lost_catalog(self) -> StorageFailed:
        """What to tell of a home that has a repository and no catalog."""
        repository, key = word(str(self.path / REPOSITORY)), word(str(self.path / KEY_FILE))
        return StorageFailed(
            f"The home {self.path} has lost its catalog: {self.catalog} is missing.",
            hint="Nothing was changed, and the backups are still in its repository. Bring that "
            "file back from a copy of the home; or make a new home of it, elsewhere: "
            f"backstay --home DIR recover {repository} --key-file {key}",
        )

    def _not_made(self, error: OSError) -> StorageFailed:
        """Why the home's folder cannot be made: what stands in the way is above it."""
        above = next(path for path in self.path.parents if _is_there(path))
        if not above.is_dir():
            reason = f"{above} is not a folder"
        elif isinstance(error, PermissionError):
            reason = f"{above} is not writable"
        else:
            return storage_failed(f"making the home {self.path}", error)
        return StorageFailed(f"The home {self.path} cannot be made: {reason}.", hint=_OTHER_FOLDER)

    def check_writable(self) -> None:
        """Raise `StorageFailed` or `HomeUnsafe` where nothing can be written here."""
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise StorageFailed(f"The home {self.path} is read-only.")

    @property
    def keeper(self) -> str:
        """The account that the home's folder belongs to."""
        return account_name(self.path.stat().st_uid)

    def is_kept_by(self, user: str) -> bool:
        """Whether `user` is that account, and is really the one that runs this process."""
        return self.path.stat().st_uid == os.getuid() and user == login_name()

    def read_key(self) -> bytes | None:
        """The repository's key from its file; None where there is no file."""
        try:
            content = read_private(self.path / KEY_FILE, longest=1024, secret=True)
        except NotFound:
            return None
        try:
            return parse_recovery_text((content or b"").decode("ascii"))
        except (ValueError, Invalid) as error:
            raise WrongKey(f"The key file {self.path / KEY_FILE} is damaged.") from error

    def write_key(self, key: bytes, *, replace: bool = False) -> None:
        """Write the key file (0600). One that is there is kept, unless `replace`."""
        target = self.path / KEY_FILE
        temporary = self.path / f"{_TEMPORARY_KEY}{os.urandom(8).hex()}"
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            try:
                os.fchmod(file, 0o600)
                os.write(file, recovery_text(key).encode("ascii") + b"\n")
                os.fsync(file)
            finally:
                os.close(file)
            if replace:
                temporary.rename(target)
            else:
                publish(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(self.path)

    def open_repository(self, encryption: Encryption) -> Repository:
        """Open the home's repository; made first where there never was one. Blocks.

        The key is on disk before the repository is, so that none exists without its key. Raises
        `StorageFailed` or `RepositoryDamaged` where there was one and it is gone, wholly or in
        part: a new one in its place would look like a home that lost all its backups.
        """
        if repository_encryption(self.storage) is None:
            lost = self._lost_repository()
            # Another process may have made it, and filled it, since we looked.
            if lost is not None and repository_encryption(self.storage) is None:
                raise lost
            if encryption is not Encryption.NONE:
                # Another process was first: then its key is ours, and it may have cleaned up.
                with contextlib.suppress(FileExistsError, FileNotFoundError):
                    self.write_key(new_key())
                if self.read_key() is None:
                    raise StorageFailed(f"The key file {self.path / KEY_FILE} is gone.")
            create_repository(self.storage, encryption, self.read_key() or new_key())
        return open_repository(self.storage, self.read_key())

    def check_key(self, key: bytes) -> None:
        """Pass where `key` opens the home's repository, which is left as it is. Blocks.

        Raises `WrongKey` where it does not, or none is needed, and what opening it raises.
        """
        encryption = repository_encryption(self.storage)
        if encryption is None:
            raise self._lost_repository() or NotFound(
                f"There is no repository in {self.path} yet, so there is nothing to open.",
                hint="Nothing was changed. Check that this is the right home: --home DIR.",
            )
        if encryption is Encryption.NONE:
            raise WrongKey("This repository is not encrypted: it needs no key.")
        open_repository(self.storage, key)

    def _lost_repository(self) -> BackstayError | None:
        """What to tell where a repository without a config held backups before."""
        folder = self.path / REPOSITORY
        held = ("manifests", "packs")
        if any(True for kind in held for _ in self.storage.list(kind)):
            return RepositoryDamaged(
                f"The repository has lost its config: {folder / 'config'} is missing.",
                hint="Nothing was changed, and the backups are still there. Bring that file back "
                "from a copy of the home; without it no backup can be opened.",
            )
        if ever_backed_up(self.catalog):
            what = "is empty" if folder.is_dir() else "is not there"
            return StorageFailed(
                f"The repository of this home is missing: {folder} {what}, and the catalog knows "
                "of backups in it.",
                hint="Nothing was changed. Bring the folder back (is a disk not mounted?), then "
                "try again.",
            )
        return None

    def make_projects(self) -> None:
        """Make the folder of restored projects where it is not there."""
        self.projects.mkdir(mode=0o700, exist_ok=True)
        self.projects.chmod(0o700)

    def make_scratch(self) -> Path:
        """An empty folder for temporary files; what was in it before is removed."""
        self.empty_scratch()
        self.scratch.mkdir(mode=0o700)
        self.scratch.chmod(0o700)
        return self.scratch

    def empty_scratch(self) -> None:
        """Remove all temporary files."""
        if self.scratch.exists():
            import shutil

            shutil.rmtree(self.scratch)

    def has_temporary_files(self) -> bool:
        """Whether a process died, or is at work, that was making this home or writing its key."""
        folders = ((self.path, f"{_TEMPORARY_KEY}*"), (self.path / REPOSITORY, _TEMPORARY_OBJECT))
        return any(True for folder, names in folders for _ in folder.glob(names))

    def remove_temporary_keys(self) -> None:
        """Remove what was written of key files that never got their name."""
        for file in self.path.glob(f"{_TEMPORARY_KEY}*"):
            file.unlink(missing_ok=True)

    def remove_partial_projects(self) -> None:
        """Remove the folders of projects that were not finished."""
        import shutil

        if self.projects.is_dir():
            for folder in self.projects.iterdir():
                if folder.name.startswith(PARTIAL):
                    shutil.rmtree(folder)

    def free_space(self) -> int:
        """Bytes that can still be written."""
        try:
            status = os.statvfs(self.path)
        except OSError as error:
            if error.errno == errno.ENOSYS:
                return 1 << 62  # a file system that does not tell
            raise storage_failed("looking for free space", error) from error
        return status.f_bavail * status.f_frsize


def _may_precede(name: str) -> bool:
    """Whether a file may be in a folder before it is a home: settings, a catalog half-made."""
    return name == SETTINGS_FILE or name.startswith(f"{CATALOG_FILE}.new")


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # below a folder that we may not look into
        return False
