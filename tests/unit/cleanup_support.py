"""A repository of made-up backups, a model of what they hold, and clean-ups in this process."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from blake3 import blake3

from engine import cleaning
from engine.cleaning import CleanedUp, clean_up
from engine.model import BackupKind, Encryption
from engine.repository import cleanup as tasks
from engine.repository.chunk_reader import ChunkReader
from engine.repository.index import load_index, packs_in_place
from engine.repository.liveness import fates, find_needed, lists_of
from engine.repository.manifest import LIST_NAMES, Image, Layout, MainEntry, Manifest
from engine.repository.packs import object_name
from engine.repository.repository import (
    CHUNK_SIZE,
    Repository,
    create_repository,
    open_repository,
)
from engine.repository.storage import Buffer, Storage
from engine.snapshot.store import ChunkStore, measure

KEY = b"k" * 32
CHUNKS = 40  # of an image
START = datetime(2026, 11, 23, 3, tzinfo=UTC)


class Died(BaseException):
    """The process was killed here."""


class InProcess:
    """Runs the tasks of children in this process, one after the other."""

    def __init__(self, setup: Callable[..., None], *arguments: object, preload: object) -> None:
        setup(*arguments)

    async def __aenter__(self) -> InProcess:
        """Nothing has to be started."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """As the end of a process, this ends its threads."""
        tasks.give_up_moving()

    async def run(self, task: Callable[..., Any], *arguments: object) -> Any:
        """Run a task."""
        return task(*arguments)

    async def each(self, task: Callable[..., Any], *arguments: object) -> list[Any]:
        """Run a task in the only process there is."""
        return [task(*arguments)]


class Watched:
    """A store that calls `before` at every step that changes it; what that raises, happens."""

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.before: Callable[[str, str], object] = lambda *_: None
        self.deaf: Callable[[str], bool] = lambda _: False  # names whose removal is a lie

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        """A step."""
        self.before("put", name)
        self.inner.put(name, parts)

    def replace(self, name: str, parts: Sequence[Buffer]) -> None:
        """A step."""
        self.before("replace", name)
        self.inner.replace(name, parts)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """No step."""
        return self.inner.read(name, offset, length)

    def size(self, name: str) -> int:
        """No step."""
        return self.inner.size(name)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """No step."""
        return self.inner.list(prefix)

    def delete(self, name: str) -> None:
        """A step, unless it is a lie."""
        self.before("delete", name)
        if not self.deaf(name):
            self.inner.delete(name)

    def clean(self) -> None:
        """No step."""
        self.inner.clean()


@dataclass
class Model:
    """A repository, and the bytes of every backup that must be in it."""

    repository: Repository
    storage: Watched
    wanted: dict[str, bytes] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def store(self, *images: bytes) -> Image:
        """Store images, each as if the others were not there: so do two children at the same time.

        Gives the first; no backup of it exists yet.
        """
        stores = [ChunkStore(self.repository) for _ in images]
        assert all(store.index is not None for store in stores)  # all looked before any stored
        found = []
        for store, data in zip(stores, images, strict=True):
            try:
                lists = store.add_list(store.add(np.frombuffer(data, np.uint8), CHUNK_SIZE))
                store.finish()
            finally:
                store._writer.close()
            found.append(Image(CHUNK_SIZE, len(data) // CHUNK_SIZE, lists, None, (), (), 0))
        return found[0]

    def backup(self, data: bytes, *beside: bytes) -> str:
        """Take a backup that holds `data`, while images `beside` it are stored, too; its id."""
        return self.publish(self.store(data, *beside), data)

    def publish(self, image: Image, data: bytes) -> str:
        """Let a backup exist that holds `data`, which is stored; its id."""
        backup = f"{next(self._numbers):012x}"
        index = load_index(self.repository.storage, self.repository.keys)
        names = b"".join(self._names(image, index)) + b"".join(image.lists)
        sizes = self.packs()
        (found,) = measure([index], [names])
        manifest = MANIFEST._replace(
            backup=backup,
            date=START + timedelta(days=int(backup, 16)),
            main=MANIFEST.main._replace(image=image),
            packs={pack: sizes[pack] for pack in found.packs},
        )
        self.repository.put_manifest(manifest)
        self.wanted[backup] = data
        return backup

    async def clean(self, *remove: str) -> CleanedUp:
        """Clean up; the model forgets what is removed."""
        for backup in remove:
            self.wanted.pop(backup, None)
        return await clean_up(self.repository, remove, lambda _: None)

    def restored(self, backup: str) -> bytes:
        """What a backup holds. Raises `RepositoryDamaged`."""
        image = self.repository.manifest(backup).main.image
        index = load_index(self.repository.storage, self.repository.keys)
        names = np.frombuffer(b"".join(self._names(image, index)), np.uint8).reshape(-1, 16)
        buffer = bytearray(image.size)
        ChunkReader(self.repository, index).read_into(names, CHUNK_SIZE, memoryview(buffer))
        return bytes(buffer)

    def _names(self, image: Image, index: Any) -> list[bytes]:
        reader = ChunkReader(self.repository, index)
        return [reader.read_list(image, number) for number in range(len(image.lists))]

    def packs(self) -> dict[str, int]:
        """All packs with their sizes."""
        return packs_in_place(self.storage)

    def pack_of(self, data: bytes, *, which: int = 0) -> str:
        """The name of the object that holds a chunk of an image."""
        index = load_index(self.repository.storage, self.repository.keys)
        name = self.name_of(data[which * CHUNK_SIZE : (which + 1) * CHUNK_SIZE])
        place = index.find(np.frombuffer(name, np.uint8).reshape(1, 16))
        assert place[0] >= 0
        return object_name(index.packs[int(index.packs_of(place)[0])])

    def name_of(self, chunk: bytes) -> bytes:
        """What a chunk is called."""
        return blake3(chunk, key=self.repository.keys.chunk).digest(16)

    def check(self) -> None:
        """Every backup restores, and none is there that should be gone."""
        assert set(self.repository.manifests()) == set(self.wanted)
        for backup, data in self.wanted.items():
            assert self.restored(backup) == data, backup

    def check_clean(self) -> None:
        """There is no garbage, and every manifest names the packs that it needs as they are."""
        self.check()
        sizes, lists = self.packs(), b""
        for backup in self.wanted:
            manifest = self.repository.manifest(backup)
            assert manifest.packs.items() <= sizes.items(), "the next backup reads everything"
            lists += lists_of(manifest)
        index = load_index(self.storage, self.repository.keys, with_damaged=True)
        assert set(index.packs) == set(sizes)
        found = fates(index, find_needed(self.repository, index, lists), (), sizes)
        assert (found.dead, found.sparse) == ((), ())


def some_data(seed: int, chunks: int = CHUNKS) -> bytes:
    """An image that does not compress."""
    return random.Random(seed).randbytes(chunks * CHUNK_SIZE)


def changed(data: bytes, seed: int, share: float = 0.2) -> bytes:
    """An image with some of its chunks changed, a few of them to zeros."""
    rng = random.Random(seed)
    pieces = [data[at : at + CHUNK_SIZE] for at in range(0, len(data), CHUNK_SIZE)]
    for number in range(len(pieces)):
        if rng.random() < share:
            pieces[number] = rng.randbytes(CHUNK_SIZE) if rng.random() < 0.9 else bytes(CHUNK_SIZE)
    return b"".join(pieces)


def make_model(
    storage: Storage, patched: pytest.MonkeyPatch, encryption: Encryption = Encryption.AES_256_GCM
) -> Model:
    """An empty repository with small packs, whose clean-ups run in this process."""
    patched.setattr(cleaning, "Children", InProcess)
    patched.setattr("engine.repository.packs.PACK_SIZE", 6 * CHUNK_SIZE)
    patched.setattr("engine.repository.packs.FRAME_SIZE", 2 * CHUNK_SIZE)
    watched = Watched(storage)
    create_repository(watched, encryption, KEY)
    return Model(open_repository(watched, KEY), watched)


assert LIST_NAMES > CHUNKS
_NOTHING = Image(CHUNK_SIZE, 1, (bytes(16),), None, (), (), 0)
MANIFEST = Manifest(
    backup="0" * 12,
    project="ba9876543210",
    project_name="Plant",
    path="/srv/plant",
    owners=("ana",),
    port=8888,
    date=START,
    kind=BackupKind.SCHEDULED,
    main=MainEntry(_NOTHING, (("device", 1),), 0, 0, 0, ()),
    devices=(),
    plugins=(),
    settings=(("tagocore.yml", "a: 1\n"),),
    packs={},
    mark_prefix="backstay-token-0123abcd",
    leave_out="primary-key",
    size=1,
    added=2,
    data=3,
    longest_lock=0.0,
    notes=(),
    layout=Layout("x", "/srv/plant/data.db", "/srv/plant/devices", "/srv/plant/plugins"),
)
