"""A new home of a repository whose own home is lost. The repository itself is left as it is.

All of it is made in one folder of the new home, out of sight; then the parts get their places, the
catalog last, which makes it a home. Killed before that, it is begun anew the next time; killed
while the parts get their places, that is ended the next time.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from engine.access import Access, Action, check_user_name, login_name
from engine.backup import facts
from engine.cancelling import finish_anyway, to_the_end
from engine.catalog import CATALOG_FILE, Catalog, ProjectRow, ScheduleRow
from engine.catalog.schedules import KEEP
from engine.clock import Clock, system_clock
from engine.errors import (
    BackstayError,
    Busy,
    Invalid,
    NotFound,
    StorageFailed,
    Taken,
    WrongKey,
)
from engine.home import KEY_FILE, REPOSITORY, Home
from engine.model import (
    DamagedPart,
    Encryption,
    Origin,
    Progress,
    ProjectState,
    RecoveredProject,
    Recovery,
    Role,
)
from engine.names import check_project_name
from engine.repository.keys import parse_recovery_text
from engine.repository.manifest import Manifest
from engine.repository.repository import Repository, open_repository, repository_encryption
from engine.repository.storage import AlreadyStored, LocalStorage, NotStored, Storage
from engine.retention import MOST
from engine.syncing import sync_folder
from engine.telling import Telling

STAGE = ".recovering"  # where a home is being made
DONE = ".recovered"  # the same, when all of it is there
_ELSEWHERE = "Nothing was changed. Recover into a folder that is new or empty: --home DIR."
_WRONG = "Nothing was changed. Check that the key is the one of this repository."

Report = Callable[[Progress], None]
T = TypeVar("T")
_MANIFESTS = "manifests/"


def _silent(_: Progress) -> None:
    """Report to nobody."""


class _Found(NamedTuple):
    """What the newest manifest of a project says of it, and how many backups it has."""

    name: str
    path: Path
    owners: tuple[str, ...]
    latest: datetime
    backups: int


async def needs_key(source: Path) -> bool:
    """Whether the repository in the folder `source`, or in that home, is encrypted.

    Raises `NotFound` where there is none, `RepositoryDamaged`, `TooNew` and `StorageFailed`.
    """
    _, encryption = await asyncio.to_thread(_located, source)
    return encryption is not Encryption.NONE


async def recover(
    source: Path,
    home: Path,
    *,
    key: str | None = None,
    user: str | None = None,
    report: Report = _silent,
    clock: Clock = system_clock,
) -> Recovery:
    """Make a new home at `home` of the repository in the folder `source`, or in that home.

    `key` is the recovery key as it was written down, or what the key file holds. The repository is
    copied, and nothing in `source` is changed. Its backups can be seen, proved and restored in the
    new home. Their projects are absent there: they belong to who owned them at their newest backup
    and to `user` (the login name by default), and whoever of them adopts a project's folder, by
    its name or where it was, finds its backups again. Each keeps as many backups as it has, at
    least. What was only in the lost home is not brought back: its settings, schedules,
    collaborators, costs and audit trail.

    When this fails or is cancelled, nothing is left. Raises `Taken` where a home or anything else
    is there, `NotFound`, `WrongKey`, `Invalid`, `RepositoryDamaged`, `TooNew`, `StorageFailed`.
    """
    who = check_user_name(user) if user is not None else login_name()
    report = Telling(report).report
    repository, secret = await asyncio.to_thread(_opened, source, key)
    place = Home(home.absolute())  # noqa: ASYNC240 — asks for the current folder, no more
    was_there = await asyncio.to_thread(_claim, place, source)
    stage = Home(place.path / STAGE)
    with _alone(place.path):
        try:
            await to_the_end(asyncio.to_thread(shutil.rmtree, stage.path, ignore_errors=True))
            await to_the_end(asyncio.to_thread(stage.prepare, create=True))
            lost = await _copy(repository.storage, stage, report)
            if secret is not None:
                await to_the_end(asyncio.to_thread(stage.write_key, secret))
            copy = await asyncio.to_thread(open_repository, stage.storage, secret)
            report(Progress("reading the backups", 0, 0))
            async with await Catalog.open(stage.catalog, clock=clock) as catalog:
                made = await _fill(catalog, copy, who, clock, source)
            await finish_anyway(asyncio.to_thread(_settle, place))
        except BaseException:
            await finish_anyway(asyncio.to_thread(_take_back, place, was_there))
            raise
    packs = tuple(name for name in lost if not name.startswith(_MANIFESTS))
    manifests = tuple(
        DamagedPart(None, name.removeprefix(_MANIFESTS), reason)
        for name, reason in lost.items()
        if name.startswith(_MANIFESTS)
    )
    unreadable = (*made.unreadable, *manifests)
    return made._replace(home=place.path, unreadable=unreadable, lost=packs)


def _located(source: Path) -> tuple[LocalStorage, Encryption]:
    """The repository in a folder, or in the home that the folder is, and how it is sealed."""
    try:
        for folder in (source, source / REPOSITORY):
            storage = LocalStorage(folder)
            encryption = repository_encryption(storage)
            if encryption is not None:
                return storage, encryption
        there = source.exists()
    except PermissionError as error:
        raise StorageFailed(f"{source} cannot be looked into: access is denied.") from error
    raise NotFound(
        f"There is no repository in {source}." if there else f"{source} is not there.",
        hint="Nothing was changed. Give the folder that holds config, packs and manifests.",
    )


def _opened(source: Path, key: str | None) -> tuple[Repository, bytes | None]:
    """The repository, and its key where it has one."""
    storage, encryption = _located(source)
    if key is None:
        if encryption is Encryption.NONE:
            return open_repository(storage, None), None
        raise WrongKey(
            "This repository is encrypted, and no key was given.",
            hint="Nothing was changed. Give its recovery key, or the key file of its home.",
        )
    secret = parse_recovery_text(key)
    try:
        return open_repository(storage, secret), secret
    except WrongKey as error:
        raise WrongKey(error.message, hint=_WRONG) from error


def _claim(place: Home, source: Path) -> bool:
    """Make the folder of the home; gives whether it was there before.

    Raises `Taken` where a home or anything else is in it, or it would be a part of the repository.
    """
    was_there = False
    with contextlib.suppress(PermissionError):  # told by `prepare`
        was_there = place.path.exists()
        if (place.path / DONE).is_dir():
            with _alone(place.path):
                _settle(place)  # of a recovery that was killed when it was all but done
        if place.catalog.exists():
            raise Taken(f"There is a home in {place.path} already.", hint=_ELSEWHERE)
        storage, _ = _located(source)
        if place.path.resolve().is_relative_to(storage.folder.resolve()):
            raise Taken(f"{place.path} is a part of the repository.", hint=_ELSEWHERE)
    place.prepare(create=True, besides=(STAGE,))
    return was_there


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with this process. Raises `Busy`."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"Another program is making a home in {folder}.") from None
        yield
    finally:
        os.close(handle)


async def _copy(source: Storage, home: Home, report: Report) -> dict[str, str]:
    """Copy all objects of a repository; gives those that could not be read, and why.

    Manifests are looked for first and copied last: what they need is there then, also where
    somebody still backs up into `source`.
    """

    def listed() -> list[tuple[str, int]]:
        manifests = sorted(source.list("manifests"))
        others = [*sorted(source.list("packs")), *sorted(source.list("damaged"))]
        return [*others, ("config", 0), *manifests]

    objects = await asyncio.to_thread(listed)
    done, total = 0, sum(size for _, size in objects)
    free = await asyncio.to_thread(home.free_space)
    if free < total:
        raise StorageFailed(
            f"The repository takes {total} bytes, and {free} are free in {home.path.parent}.",
            hint="Nothing was changed. Make room, or choose a home on another disk: --home DIR.",
        )
    lost = {}
    for name, size in objects:
        reason = await to_the_end(asyncio.to_thread(_copy_object, source, home.storage, name))
        if reason:
            lost[name] = reason
        done += size
        report(Progress("copying the repository", done, total))
    return lost


def _copy_object(source: Storage, target: Storage, name: str) -> str:
    """Copy an object; gives why it could not be read, if so. What cannot be written is raised."""
    try:
        content = source.read(name)
    except NotStored:
        raise StorageFailed(
            "The repository was changed while it was being copied.",
            hint="Nothing is left of the copy. Let the work in it end, then try again.",
        ) from None
    except StorageFailed as error:
        return error.message
    with contextlib.suppress(AlreadyStored):  # listed twice, while somebody was moving it
        target.put(name, [content])
    return ""


async def _fill(
    catalog: Catalog, repository: Repository, who: str, clock: Clock, source: Path
) -> Recovery:
    """Let the catalog of a new home know all backups of its repository, and their projects."""
    found: dict[str, _Found] = {}
    unreadable = []
    async with catalog.transaction():
        sizes = await asyncio.to_thread(repository.manifests)
        for backup, size in sorted(sizes.items()):
            try:
                manifest = await asyncio.to_thread(repository.manifest, backup)
            except BackstayError as error:
                unreadable.append(DamagedPart(None, backup, error.message))
                continue
            await catalog.backups.add(facts(manifest, size), manifest.project_name, manifest.notes)
            found[manifest.project] = _with(found.get(manifest.project), manifest)
        rows: list[tuple[ProjectRow, _Found]] = []
        forgotten: list[tuple[ProjectRow, _Found]] = []
        # The youngest first: names and folders are theirs.
        for project, each in sorted(found.items(), key=lambda item: item[1].latest, reverse=True):
            for owner in dict.fromkeys((*filter(_is_user, each.owners), who)):
                await catalog.members.change(project, owner, Role.OWNER)
            name = _usable(each.name, project)
            absent, adopted = ProjectState.ABSENT, Origin.ADOPTED
            try:
                row = await catalog.projects.add(project, name, each.path, absent, adopted)
            except Taken:
                row = ProjectRow(project, name, each.path, absent, adopted, clock(), quiet=False)
                await catalog.projects.forget(row)
                forgotten.append((row, each))
                continue
            # No clean-up removes what somebody has just recovered.
            keep = min(max(KEEP, each.backups), MOST)
            await catalog.schedules.set(project, ScheduleRow(keep=keep))
            rows.append((row, each))
        await Access(catalog, who, clock).record(Action.RECOVER, None, f"from {source}")
    lists = []
    for listed in (rows, forgotten):
        described = await catalog.describe([row for row, _ in listed], who)
        lists.append(
            tuple(
                RecoveredProject(project, each.backups, each.latest)
                for project, (_, each) in zip(described, listed, strict=True)
            )
        )
    return Recovery(
        home=Path(),
        projects=lists[0],
        forgotten=lists[1],
        unreadable=tuple(unreadable),
        lost=(),
        encrypted=repository.encrypted,
    )


def _with(before: _Found | None, manifest: Manifest) -> _Found:
    """What is known of a project with one more of its manifests."""
    backups = before.backups + 1 if before else 1
    if before is not None and before.latest >= manifest.date:
        return before._replace(backups=backups)
    path = Path(manifest.path)
    return _Found(manifest.project_name, path, manifest.owners, manifest.date, backups)


def _is_user(name: str) -> bool:
    try:
        check_user_name(name)
    except Invalid:
        return False
    return True


def _usable(name: str, project: str) -> str:
    """A project's name, or one that it can have."""
    try:
        return check_project_name(name)
    except Invalid:
        return f"Recovered {project[:6]}"


def _settle(place: Home) -> None:
    """Give the parts of a home that is all there their places, its catalog last. Blocks."""
    done, stage = place.path / DONE, place.path / STAGE
    if not done.exists():
        stage.rename(done)
    for name in (KEY_FILE, REPOSITORY, CATALOG_FILE):
        if (done / name).exists():
            (done / name).rename(place.path / name)
            sync_folder(place.path)
    shutil.rmtree(done)


def _take_back(place: Home, was_there: bool) -> None:
    """Remove what there is of a home that was not made."""
    shutil.rmtree(place.path / STAGE, ignore_errors=True)
    if not was_there:
        with contextlib.suppress(OSError):  # somebody else has put something there
            place.path.rmdir()
