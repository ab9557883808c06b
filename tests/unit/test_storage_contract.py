"""What every store keeps: the contract that `Storage`'s docstrings are."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.repository.overlay import Overlay
from engine.repository.storage import AlreadyStored, LocalStorage, NotStored, Storage

if TYPE_CHECKING:
    from snapshot_support import MemoryStorage

pytest_plugins = ["tests.engine.snapshot_support"]


def local(request: pytest.FixtureRequest) -> Storage:
    folder: Path = request.getfixturevalue("tmp_path")
    return LocalStorage(folder / "repository")


def in_memory(request: pytest.FixtureRequest) -> Storage:
    storage: Storage = request.getfixturevalue("memory_storage")
    return storage


def overlay(request: pytest.FixtureRequest) -> Storage:
    return Overlay(in_memory(request), request.getfixturevalue("tmp_path") / "beside")


@pytest.fixture(params=[local, in_memory, overlay])
def storage(request: pytest.FixtureRequest) -> Storage:
    """One store of each kind; a new kind is one more line here."""
    make: Callable[[pytest.FixtureRequest], Storage] = request.param
    return make(request)


class TestContract:
    def test_what_was_put_is_read(self, storage: Storage) -> None:
        parts: list[bytes | bytearray | memoryview] = [
            b"one",
            bytearray(b"two"),
            memoryview(b"three"),
            b"",
        ]
        storage.put("packs/ab/abcd", parts)
        assert storage.read("packs/ab/abcd") == b"onetwothree"
        assert storage.size("packs/ab/abcd") == 11

    def test_an_object_may_be_empty(self, storage: Storage) -> None:
        storage.put("damaged/x-0", [])
        assert storage.read("damaged/x-0") == b""
        assert storage.size("damaged/x-0") == 0
        assert dict(storage.list("damaged")) == {"damaged/x-0": 0}

    def test_thousands_of_parts_are_joined(self, storage: Storage) -> None:
        parts = [bytes([n % 251]) * (n % 97) for n in range(3000)]
        storage.put("many", parts)
        assert storage.read("many") == b"".join(parts)

    def test_a_large_object_is_whole(self, storage: Storage) -> None:
        data = secrets.token_bytes(3 << 20)
        storage.put("large", [data[:1000], data[1000:]])
        assert storage.read("large") == data

    @pytest.mark.parametrize(
        ("offset", "length", "found"),
        [(0, 4, b"0123"), (3, 2, b"34"), (8, 2, b"89"), (4, None, b"456789"), (10, 0, b"")],
    )
    def test_a_range_is_read(
        self, storage: Storage, offset: int, length: int | None, found: bytes
    ) -> None:
        storage.put("digits", [b"0123456789"])
        assert storage.read("digits", offset, length) == found

    @pytest.mark.parametrize(("offset", "length"), [(0, 11), (9, 2), (10, 1), (500, 1)])
    def test_a_range_that_is_not_there_is_not_stored(
        self, storage: Storage, offset: int, length: int
    ) -> None:
        storage.put("digits", [b"0123456789"])
        with pytest.raises(NotStored):
            storage.read("digits", offset, length)

    def test_what_is_not_there_is_not_stored(self, storage: Storage) -> None:
        storage.put("there/is", [b"x"])
        for name in ("nothing", "there/is-not", "no/folder/here", "there/is/below"):
            with pytest.raises(NotStored):
                storage.read(name)
            with pytest.raises(NotStored):
                storage.size(name)

    def test_nothing_is_ever_replaced(self, storage: Storage) -> None:
        storage.put("config", [b"first"])
        for again in ([b"second"], [b"first"], []):
            with pytest.raises(AlreadyStored):
                storage.put("config", again)
        assert storage.read("config") == b"first"
        assert dict(storage.list("")) in ({}, {"config": 5})

    def test_what_was_replaced_is_the_new_one_and_nothing_else(self, storage: Storage) -> None:
        storage.put("manifests/m", [b"the first, which is longer"])
        storage.put("manifests/n", [b"another"])
        storage.replace("manifests/m", [b"the ", bytearray(b"second")])
        assert storage.read("manifests/m") == b"the second"
        assert sorted(storage.list("manifests")) == [("manifests/m", 10), ("manifests/n", 7)]
        storage.replace("manifests/m", [])
        assert storage.size("manifests/m") == 0

    def test_what_is_not_there_is_not_replaced(self, storage: Storage) -> None:
        storage.put("manifests/m", [b"x"])
        for name in ("manifests/n", "manifests", "manifests/m/below", "no/folder/here"):
            with pytest.raises(NotStored):
                storage.replace(name, [b"new"])
        assert list(storage.list("manifests")) == [("manifests/m", 1)]
        storage.delete("manifests/m")
        with pytest.raises(NotStored):
            storage.replace("manifests/m", [b"new"])

    def test_who_reads_while_it_is_replaced_reads_one_or_the_other(self, storage: Storage) -> None:
        whole = [bytes([number]) * 200_000 for number in range(2)]
        storage.put("manifests/m", [whole[0]])

        def read(_: int) -> bytes:
            return storage.read("manifests/m")

        def replace(number: int) -> None:
            storage.replace("manifests/m", [whole[number % 2]])

        with ThreadPoolExecutor(5) as pool, ThreadPoolExecutor(1) as writer:
            writing = [writer.submit(replace, number) for number in range(40)]
            found = set(pool.map(read, range(200)))
            for each in writing:
                each.result()
        assert found <= set(whole)

    def test_a_list_names_what_is_below_and_nothing_else(self, storage: Storage) -> None:
        for name in ("packs/ab/ab1", "packs/cd/cd2", "packs-not/x", "manifests/m", "config"):
            storage.put(name, [name.encode()])
        assert sorted(storage.list("packs")) == [("packs/ab/ab1", 12), ("packs/cd/cd2", 12)]
        assert sorted(storage.list("manifests")) == [("manifests/m", 11)]
        assert list(storage.list("damaged")) == []

    def test_what_was_removed_is_gone_and_may_come_again(self, storage: Storage) -> None:
        storage.put("packs/ab/ab1", [b"one"])
        storage.delete("packs/ab/ab1")
        with pytest.raises(NotStored):
            storage.read("packs/ab/ab1")
        assert list(storage.list("packs")) == []
        storage.delete("packs/ab/ab1")
        storage.delete("never/was")
        storage.put("config", [b"x"])
        storage.delete("config/below")
        storage.put("packs/ab/ab1", [b"two"])
        assert storage.read("packs/ab/ab1") == b"two"

    def test_of_many_writers_of_a_name_exactly_one_wins(self, storage: Storage) -> None:
        def put(number: int) -> int | None:
            try:
                storage.put("manifests/000000000000", [b"%d" % number] * 1000)
            except AlreadyStored:
                return None
            return number

        with ThreadPoolExecutor(32) as pool:
            winners = [found for found in pool.map(put, range(100, 132)) if found is not None]
        assert len(winners) == 1
        assert storage.read("manifests/000000000000") == b"%d" % winners[0] * 1000

    def test_of_many_removers_none_fails(self, storage: Storage) -> None:
        names = [f"packs/ab/{number}" for number in range(20)]
        for name in names:
            storage.put(name, [b"x"])
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(storage.delete, names * 8))
        assert list(storage.list("packs")) == []

    def test_cleaning_keeps_what_is_whole(self, storage: Storage) -> None:
        storage.put("packs/ab/ab1", [b"one"])
        storage.clean()
        assert storage.read("packs/ab/ab1") == b"one"


def test_an_overlay_reads_what_lies_below_and_adds_nothing_to_it(
    memory_storage: MemoryStorage, tmp_path: Path
) -> None:
    memory_storage.put("packs/ab/abcd", [b"below"])
    before = dict(memory_storage.objects)
    beside = Overlay(memory_storage, tmp_path / "beside")
    beside.put("packs/cd/cdef", [b"own"])
    assert dict(beside.list("packs")) == {"packs/ab/abcd": 5, "packs/cd/cdef": 3}
    assert (beside.read("packs/ab/abcd"), beside.size("packs/ab/abcd")) == (b"below", 5)
    beside.delete("packs/ab/abcd")
    beside.delete("packs/cd/cdef")
    assert memory_storage.objects == before
    beside.put("damaged/x-0", [])
    assert memory_storage.size("damaged/x-0") == 0, "damage is told where it is"
