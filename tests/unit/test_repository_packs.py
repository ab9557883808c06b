"""Packs: whatever is altered, cut, moved or missing is noticed, told, and stored again."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
from blake3 import blake3

from engine.errors import BackstayError, Failed, RepositoryDamaged, StorageFailed, TooNew
from engine.model import Encryption
from engine.repository.chunk_reader import ChunkLost, ChunkReader
from engine.repository.index import load_index
from engine.repository.keys import Keys
from engine.repository.packs import HEAD, PACK_SIZE, object_name, read_trailer
from engine.repository.places import Names
from engine.repository.repository import (
    CHUNK_SIZE,
    Repository,
    create_repository,
    open_repository,
)
from engine.repository.storage import Buffer, LocalStorage, Storage, storage_failed
from engine.snapshot.results import Measured
from engine.snapshot.store import ChunkStore, measure

if TYPE_CHECKING:
    from snapshot_support import MemoryStorage

pytest_plugins = ["tests.engine.snapshot_support"]

KEY = b"k" * 32
CANARY = b"a sentence that nobody may find in the repository"


@pytest.fixture(params=list(Encryption))
def encryption(request: pytest.FixtureRequest) -> Encryption:
    """Sealed or only checked: damage is found either way."""
    kind: Encryption = request.param
    return kind


@pytest.fixture
def repository(memory_storage: MemoryStorage, encryption: Encryption) -> Repository:
    create_repository(memory_storage, encryption, KEY)
    return open_repository(memory_storage, KEY)


def some_bytes(chunks: int, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Chunks that do not compress to nothing, one of zeros among them, and a short one."""
    data = np.random.default_rng(seed).integers(0, 256, chunks * CHUNK_SIZE - 700, np.uint8)
    data[CHUNK_SIZE : 2 * CHUNK_SIZE] = 0
    data[: len(CANARY)] = np.frombuffer(CANARY, np.uint8)
    return data


def store(repository: Repository, data: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> Names:
    """Store bytes and make sure that they are on disk; the names of their chunks."""
    chunks = ChunkStore(repository)
    try:
        names = chunks.add(data, CHUNK_SIZE)
        chunks.finish()
    finally:
        chunks._writer.close()
    return names


def read(repository: Repository, names: Names, size: int) -> bytes:
    buffer = bytearray(size)
    index = load_index(repository.storage, repository.keys)
    ChunkReader(repository, index).read_into(names, CHUNK_SIZE, memoryview(buffer))
    return bytes(buffer)


def measured(repository: Repository, images: list[bytes]) -> list[Measured]:
    return measure([load_index(repository.storage, repository.keys)], images)


def only_pack(storage: MemoryStorage) -> str:
    (name,) = [name for name in storage.objects if name.startswith("packs/")]
    return name


def flipped(raw: bytes, at: int, bit: int = 1) -> bytes:
    changed = bytearray(raw)
    changed[at] ^= bit
    return bytes(changed)


def test_what_was_stored_is_read(repository: Repository) -> None:
    data = some_bytes(40)
    names = store(repository, data)
    assert not names[1].any()
    assert read(repository, names, data.size) == data.tobytes()


def test_what_is_there_is_not_stored_again(
    repository: Repository, memory_storage: MemoryStorage
) -> None:
    data = some_bytes(40)
    names = store(repository, data)
    before = dict(memory_storage.objects)
    assert (store(repository, data) == names).all()
    assert memory_storage.objects == before
    longer = np.concatenate([data[: 10 * CHUNK_SIZE], some_bytes(2, seed=2)])
    store(repository, longer)
    added = memory_storage.objects.keys() - before.keys()
    assert len(added) == 1
    assert len(memory_storage.objects[added.pop()]) < 2 * CHUNK_SIZE


def test_full_packs_are_closed(repository: Repository, memory_storage: MemoryStorage) -> None:
    data = some_bytes(PACK_SIZE // CHUNK_SIZE + 60)
    names = store(repository, data)
    sizes = sorted(repository.packs().values())
    assert len(sizes) == 2
    assert PACK_SIZE <= sizes[1] < 32 << 20
    assert read(repository, names, data.size) == data.tobytes()


def test_an_encrypted_repository_holds_nothing_in_clear_text(
    repository: Repository, memory_storage: MemoryStorage, encryption: Encryption
) -> None:
    store(repository, some_bytes(3))
    everything = b"".join(memory_storage.objects.values())
    assert (CANARY in everything) is (encryption is Encryption.NONE)
    assert (KEY.hex().encode() in everything) is (encryption is Encryption.NONE)
    assert KEY not in everything


def test_every_flipped_byte_is_noticed(
    repository: Repository, memory_storage: MemoryStorage
) -> None:
    data = some_bytes(24)
    names = store(repository, data)
    pack = only_pack(memory_storage)
    whole = memory_storage.objects[pack]
    trailer = int.from_bytes(whole[-4:], "big")
    frames = len(whole) - 4 - trailer
    places = {
        *range(len(HEAD)),
        *range(len(HEAD), frames, frames // 40),
        frames - 1,
        *range(frames, len(whole) - 4, 11),
        *range(len(whole) - 4, len(whole)),
    }
    for at in sorted(places):
        for bit in (0x01, 0x80):
            memory_storage.objects[pack] = flipped(whole, at, bit)
            with pytest.raises(ChunkLost):
                read(repository, names, data.size)
            marks = [name for name in memory_storage.objects if name.startswith("damaged/")]
            assert len(marks) == (len(HEAD) <= at < frames), at
            assert repository.has_damage() is bool(marks)
            for mark in marks:
                memory_storage.delete(mark)
    memory_storage.objects[pack] = whole
    assert read(repository, names, data.size) == data.tobytes()


def test_every_cut_is_noticed(repository: Repository, memory_storage: MemoryStorage) -> None:
    data = some_bytes(24)
    names = store(repository, data)
    pack = only_pack(memory_storage)
    whole = memory_storage.objects[pack]
    for length in [*range(60), *range(60, len(whole), len(whole) // 50), len(whole) - 1]:
        memory_storage.objects[pack] = whole[:length]
        with pytest.raises(ChunkLost):
            read(repository, names, data.size)
    memory_storage.objects[pack] = whole + b"\0"
    with pytest.raises(ChunkLost):
        read(repository, names, data.size)
    del memory_storage.objects[pack]
    with pytest.raises(ChunkLost, match="missing"):
        read(repository, names, data.size)


def test_a_pack_that_goes_while_it_is_read_is_noticed(
    repository: Repository, memory_storage: MemoryStorage
) -> None:
    data = some_bytes(24)
    names = store(repository, data)
    reader = ChunkReader(repository, load_index(repository.storage, repository.keys))
    memory_storage.delete(only_pack(memory_storage))
    with pytest.raises(ChunkLost, match="missing or cut short"):
        reader.read_into(names, CHUNK_SIZE, memoryview(bytearray(data.size)))


def test_packs_that_change_places_do_not_open(
    repository: Repository, memory_storage: MemoryStorage
) -> None:
    one, other = some_bytes(5, seed=3), some_bytes(5, seed=4)
    names = [store(repository, data) for data in (one, other)]
    packs = [name for name in memory_storage.objects if name.startswith("packs/")]
    objects = memory_storage.objects
    objects[packs[0]], objects[packs[1]] = objects[packs[1]], objects[packs[0]]
    for found in names:
        with pytest.raises(ChunkLost):
            read(repository, found, one.size)


def test_a_copy_under_another_name_is_of_no_use_and_no_harm(
    repository: Repository, memory_storage: MemoryStorage
) -> None:
    data = some_bytes(5)
    names = store(repository, data)
    pack = only_pack(memory_storage)
    for copy in (
        "packs/00/" + "0" * 32,
        "packs/" + pack[-32:],
        "packs/zz/" + pack[-32:],
        "packs/x",
    ):
        memory_storage.objects[copy] = memory_storage.objects[pack]
    assert read(repository, names, data.size) == data.tobytes()
    memory_storage.delete(pack)
    with pytest.raises(ChunkLost):
        read(repository, names, data.size)


def test_frames_that_change_places_do_not_open(
    repository: Repository, memory_storage: MemoryStorage
) -> None:
    data = some_bytes(64)
    names = store(repository, data)
    pack = only_pack(memory_storage)
    raw = bytearray(memory_storage.objects[pack])
    trailer = read_trailer(memory_storage, repository.keys, pack[-32:], len(raw))
    first, second = (int(length) for length in trailer.frame_lengths[1:3])
    start = len(HEAD) + int(trailer.frame_lengths[0])
    assert first == second
    one, other = raw[start : start + first], raw[start + first : start + 2 * first]
    raw[start : start + 2 * first] = other + one
    memory_storage.objects[pack] = bytes(raw)
    with pytest.raises(ChunkLost, match="damaged"):
        read(repository, names, data.size)


def test_another_key_opens_nothing(
    repository: Repository, memory_storage: MemoryStorage, encryption: Encryption
) -> None:
    data = some_bytes(5)
    names = store(repository, data)
    keys = Keys.derive(b"x" * 32, repository.id, encryption)
    other = Repository(memory_storage, repository.id, keys, CHUNK_SIZE)
    assert load_index(memory_storage, keys).unreadable == (only_pack(memory_storage)[-32:],)
    with pytest.raises(ChunkLost):
        read(other, names, data.size)


@pytest.mark.parametrize("where", ["frame", "trailer", "head", "cut", "gone"])
def test_what_was_damaged_is_stored_again_and_old_images_are_whole(
    repository: Repository, memory_storage: MemoryStorage, where: str
) -> None:
    data = some_bytes(40)
    names = store(repository, data)
    pack = only_pack(memory_storage)
    raw = memory_storage.objects[pack]
    memory_storage.objects[pack] = {
        "frame": flipped(raw, 500),
        "trailer": flipped(raw, len(raw) - 40),
        "head": flipped(raw, 8, 2),
        "cut": raw[: len(raw) // 2],
        "gone": b"",
    }[where]
    if where == "gone":
        memory_storage.delete(pack)
    with pytest.raises(ChunkLost):
        read(repository, names, data.size)
    assert repository.has_damage() is (where == "frame")
    with pytest.raises(Failed, match="was not made"):
        measured(repository, [names.tobytes()])
    store(repository, data)
    assert read(repository, names, data.size) == data.tobytes()
    assert measured(repository, [names.tobytes()])[0].stored > 0


def test_damage_in_one_frame_costs_no_other(
    repository: Repository, memory_storage: MemoryStorage
) -> None:
    data = some_bytes(64)
    names = store(repository, data)
    pack = only_pack(memory_storage)
    memory_storage.objects[pack] = flipped(memory_storage.objects[pack], 500)
    with pytest.raises(ChunkLost):
        read(repository, names, data.size)
    before = set(memory_storage.objects)
    tail = 40 * CHUNK_SIZE
    assert read(repository, names[40:], data.size - tail) == data[tail:].tobytes()
    store(repository, data)
    (added,) = set(memory_storage.objects) - before
    assert len(memory_storage.objects[added]) < len(memory_storage.objects[pack]) // 2


def test_a_chunk_that_is_not_what_its_name_says_is_noticed(repository: Repository) -> None:
    """Somebody who holds the key may have sealed other bytes under a chunk's name."""
    data = some_bytes(2)
    chunks = ChunkStore(repository)
    name = blake3(b"what it should be", key=repository.keys.chunk).digest(16)
    chunks._writer.add([name], data[:CHUNK_SIZE].data, [CHUNK_SIZE])
    chunks._writer.finish()
    chunks._writer.close()
    names = np.frombuffer(name, np.uint8).reshape(1, 16)
    with pytest.raises(ChunkLost, match="not what its name says"):
        read(repository, names, CHUNK_SIZE)


def test_a_pack_of_a_newer_format_is_too_new(
    repository: Repository, memory_storage: MemoryStorage
) -> None:
    store(repository, some_bytes(5))
    pack = "ab" + "0" * 30
    memory_storage.objects[object_name(pack)] = HEAD[:-1] + b"\x02" + bytes(300)
    with pytest.raises(TooNew, match="format 2"):
        load_index(memory_storage, repository.keys)


class Faulty:
    """A store whose medium fails at the n-th put, or loses what it was given then."""

    def __init__(self, inner: Storage, at: int, code: int | None) -> None:
        self._inner = inner
        self._at = at
        self._code = code
        self.puts = 0

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        """Fail, or forget, or pass it on."""
        self.puts += 1
        if self.puts == self._at:
            if self._code is None:
                return
            raise storage_failed(f"writing {name}", OSError(self._code, "x"))
        self._inner.put(name, parts)

    def replace(self, name: str, parts: Sequence[Buffer]) -> None:
        """Pass it on."""
        self._inner.replace(name, parts)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Pass it on."""
        return self._inner.read(name, offset, length)

    def size(self, name: str) -> int:
        """Pass it on."""
        return self._inner.size(name)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Pass it on."""
        return self._inner.list(prefix)

    def delete(self, name: str) -> None:
        """Pass it on."""
        self._inner.delete(name)

    def clean(self) -> None:
        """Pass it on."""
        self._inner.clean()


@pytest.fixture
def faulty(memory_storage: MemoryStorage) -> Callable[[int, int | None], tuple[Repository, Faulty]]:
    """Opens a repository over a store that fails at the n-th put with a code, or forgets."""
    create_repository(memory_storage, Encryption.AES_256_GCM, KEY)

    def make(at: int, code: int | None) -> tuple[Repository, Faulty]:
        storage = Faulty(memory_storage, at, code)
        return open_repository(storage, KEY), storage

    return make


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_pack_that_cannot_be_stored_fails_the_whole(
    faulty: Callable[[int, int | None], tuple[Repository, Faulty]],
    monkeypatch: pytest.MonkeyPatch,
    at: int,
    code: int,
) -> None:
    monkeypatch.setattr("engine.repository.packs.PACK_SIZE", 16 * CHUNK_SIZE)
    repository, storage = faulty(at, code)
    with pytest.raises(StorageFailed, match="while writing packs/"):
        store(repository, some_bytes(48))
    assert storage.puts == at


@pytest.mark.parametrize("at", [1, 2, 3])
def test_measuring_notices_a_store_that_forgets(
    faulty: Callable[[int, int | None], tuple[Repository, Faulty]],
    monkeypatch: pytest.MonkeyPatch,
    at: int,
) -> None:
    monkeypatch.setattr("engine.repository.packs.PACK_SIZE", 16 * CHUNK_SIZE)
    repository, storage = faulty(at, None)
    names = store(repository, some_bytes(48))
    assert storage.puts == 3
    with pytest.raises(Failed, match="a chunk that was just stored is not in the repository"):
        measured(repository, [names.tobytes()])


def test_a_mark_that_cannot_be_written_does_not_hide_the_damage(
    faulty: Callable[[int, int | None], tuple[Repository, Faulty]], memory_storage: MemoryStorage
) -> None:
    repository, storage = faulty(2, errno.EROFS)
    data = some_bytes(5)
    names = store(repository, data)
    pack = only_pack(memory_storage)
    memory_storage.objects[pack] = flipped(memory_storage.objects[pack], 500)
    with pytest.raises(RepositoryDamaged, match="is damaged"):
        read(repository, names, data.size)
    assert storage.puts == 2


def test_measuring_tells_what_images_share(repository: Repository) -> None:
    one = some_bytes(20)
    names = store(repository, one)
    both = measured(repository, [names.tobytes(), names[:5].tobytes(), b""])
    whole, part, nothing = (each.stored for each in both)
    assert whole == pytest.approx(sum(repository.packs().values()), rel=0.01)
    assert 0 < part < whole / 3
    assert nothing == 0
    assert both[2].packs == frozenset()


def test_an_index_finds_names_that_share_their_first_half(repository: Repository) -> None:
    chunks = ChunkStore(repository)
    names = [bytes(7) + b"\x01" + bytes([n]) * 8 for n in range(1, 9)]
    for name in names:
        chunks._writer.add([name], memoryview(name * 10), [160])
    chunks._writer.finish()
    chunks._writer.close()
    index = load_index(repository.storage, repository.keys)
    absent = bytes(7) + b"\x01" + bytes([99]) * 8
    wanted = np.frombuffer(b"".join([*names, absent]), np.uint8).reshape(-1, 16)
    places = index.find(wanted)
    assert places[-1] == -1
    assert len(set(places[:-1].tolist())) == 8
    reader = ChunkReader(repository, index)
    assert [reader.read(name) for name in names] == [name * 10 for name in names]


def test_errors_name_no_key(repository: Repository, memory_storage: MemoryStorage) -> None:
    data = some_bytes(5)
    names = store(repository, data)
    pack = only_pack(memory_storage)
    memory_storage.objects[pack] = flipped(memory_storage.objects[pack], 500)
    with pytest.raises(BackstayError) as damaged:
        read(repository, names, data.size)
    for text in (str(damaged.value), damaged.value.hint, repr(repository), repr(repository.keys)):
        assert KEY.hex() not in text
        assert repr(KEY) not in text
        assert repository.keys.chunk.hex() not in text
        assert repr(repository.keys.chunk) not in text


def test_local_disk_keeps_packs_as_well(tmp_path_factory: pytest.TempPathFactory) -> None:
    storage = LocalStorage(tmp_path_factory.mktemp("home") / "repository")
    create_repository(storage, Encryption.AES_256_GCM, KEY)
    repository = open_repository(storage, KEY)
    data = some_bytes(24)
    names = store(repository, data)
    assert read(repository, names, data.size) == data.tobytes()
