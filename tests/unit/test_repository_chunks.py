"""Chunks are stored without the zeros in them, and come back with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Encryption
from engine.repository.chunk_reader import ChunkReader
from engine.repository.chunks import BLOCK, HEAD, NotAChunk, condense, put_chunk
from engine.repository.index import load_index
from engine.repository.keys import Keys
from engine.repository.repository import CHUNK_SIZE, Repository
from engine.snapshot.store import ChunkStore

if TYPE_CHECKING:
    from snapshot_support import MemoryStorage

KINDS = st.sampled_from(["zeros", "filled", "last byte", "first byte"])


def made(kinds: list[str], short: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Blocks of some kinds, the last of them shorter by `short` bytes."""
    data = np.zeros((len(kinds), BLOCK), np.uint8)
    for number, kind in enumerate(kinds):
        if kind == "filled":
            data[number] = np.random.default_rng(number).integers(1, 256, BLOCK, np.uint8)
        elif kind != "zeros":
            data[number, 0 if kind == "first byte" else BLOCK - 1 - short] = 7
    return data.reshape(-1)[: len(kinds) * BLOCK - short]


@given(
    st.lists(KINDS, min_size=1, max_size=40), st.integers(0, 7).map(lambda n: n * 512), st.data()
)
def test_what_is_condensed_comes_back(kinds: list[str], short: int, data: st.DataObject) -> None:
    whole = made(kinds, short)
    told = data.draw(st.lists(st.booleans(), min_size=len(kinds), max_size=len(kinds)))
    blank = np.array([kind == "zeros" and tell for kind, tell in zip(kinds, told, strict=True)])
    stored = condense(whole, CHUNK_SIZE, blank)
    back = bytearray(whole.size)
    at = 0
    for number, length in zip(stored.numbers.tolist(), stored.lengths.tolist(), strict=True):
        content = stored.content[at : at + length]
        put_chunk(content.data, memoryview(back)[number * CHUNK_SIZE : (number + 1) * CHUNK_SIZE])
        at += length
    assert at == stored.content.size
    assert back == whole.tobytes()
    filled = sum(kind != "zeros" for kind in kinds)
    assert at <= filled * BLOCK + HEAD * len(stored.numbers)
    everything = condense(whole, CHUNK_SIZE)
    assert everything.content.tobytes() == stored.content.tobytes()  # whatever is told


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80",
        b"\x00\x00" + b"x",
        b"\x80\x00",
        b"\x80\x00" + b"x" * (BLOCK - 1),
        b"\x80\x00" + b"x" * (BLOCK + 1),
        b"\xc0\x00" + b"x" * BLOCK,
        b"\x00\x01" + b"x" * BLOCK,  # a block behind the end of its place
    ],
    ids=range(8),
)
def test_what_is_no_chunk_of_its_place_is_refused(content: bytes) -> None:
    with pytest.raises(NotAChunk):
        put_chunk(memoryview(content), memoryview(bytearray(3 * BLOCK)))


def test_a_repository_of_the_first_format_is_read_and_added_to_as_it_is(
    memory_storage: MemoryStorage,
) -> None:
    keys = Keys.derive(b"k" * 32, "0" * 32, Encryption.AES_256_GCM)
    repository = Repository(memory_storage, "0" * 32, keys, 16 * 1024)
    data = made(["filled", "zeros", "zeros", "filled", "zeros", "zeros", "zeros", "zeros"], 0)
    store = ChunkStore(repository)
    names = store.add(data, repository.chunk_length(4096))
    store.finish()
    store._writer.close()
    assert [name.any() for name in names] == [True, False]
    index = load_index(memory_storage, keys)
    (place,) = index.find(names[:1]).tolist()
    assert index.locate(place)[2] == 16 * 1024
    back = bytearray(data.size)
    ChunkReader(repository, index).read_into(names, 16 * 1024, memoryview(back))
    assert back == data.tobytes()
