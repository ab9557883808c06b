"""Names of chunks: those that are in a file are found as those in memory are."""

from __future__ import annotations

import errno
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.repository.index import IndexBuilder
from engine.repository.packs import HEAD, Trailer
from engine.repository.places import PLACE, Names, Places, PlacesBuilder, RowsBuilder, SeenNames


def names_of(words: list[tuple[int, int]]) -> Names:
    """Names of which the two halves are so."""
    return np.array(words, ">u8").reshape(-1, 2).view(np.uint8).reshape(-1, 16)


def rows_of(words: list[tuple[int, int]], behind: list[bool]) -> np.ndarray[Any, np.dtype[np.void]]:
    """Places of such names; the frame tells in what order they were added."""
    rows = np.zeros(len(words), PLACE)
    halves = np.array(words, np.uint64).reshape(-1, 2)
    rows["high"], rows["low"] = halves[:, 0], halves[:, 1]
    rows["frame"] = np.arange(rows.size)
    rows["behind"] = behind
    return rows


def built(
    rows: np.ndarray[Any, np.dtype[np.void]], folder: Path | None, most: int, each: int
) -> Places:
    """The places of rows that are added `each` at a time."""
    builder = PlacesBuilder(folder, most)
    for first in range(0, rows.size, each):
        builder.add(rows[first : first + each])
    return builder.done()


HALF = st.sampled_from([0, 1, 2, 1 << 62, 3 << 62, (1 << 64) - 1]) | st.integers(0, (1 << 64) - 1)
NAME = st.tuples(HALF, st.integers(0, 3))


@given(st.lists(st.tuples(NAME, st.booleans()), max_size=80), st.integers(1, 9), st.integers(1, 9))
def test_names_in_a_file_are_found_as_those_in_memory(
    tmp_path_factory: pytest.TempPathFactory,
    added: list[tuple[tuple[int, int], bool]],
    most: int,
    each: int,
) -> None:
    words = [name for name, _ in added]
    rows = rows_of(words, [behind for _, behind in added])
    folder = tmp_path_factory.mktemp("places")
    places = built(rows, folder, most, each)
    assert list(folder.iterdir()) == []
    in_memory = built(rows, None, most, each)
    assert places.rows.tolist() == in_memory.rows.tolist()
    assert places.high.tolist() == in_memory.high.tolist() == sorted(high for high, _ in words)

    wanted = [*words, (5, 9), (0, 9)]
    best = {
        name: min((behind, number) for number, (each, behind) in enumerate(added) if each == name)
        for name in words
    }
    found = places.find(names_of(wanted))
    assert [
        None if place < 0 else int(places.rows["frame"][place]) for place in found.tolist()
    ] == [best[name][1] if name in best else None for name in wanted]
    first = places.first_copies()
    assert places.rows["frame"][first].tolist() == [
        best[int(row["high"]), int(row["low"])][1] for row in places.rows
    ]


@given(st.lists(st.lists(NAME, max_size=12), max_size=12), st.integers(1, 9))
def test_a_name_is_new_once(batches: list[list[tuple[int, int]]], most: int) -> None:
    seen, known = SeenNames(most), set[tuple[int, int]]()
    for batch in batches:
        new = []
        for name in batch:
            new.append(name not in known)
            known.add(name)
        assert seen.add(names_of(batch)).tolist() == new


def test_many_names_take_the_memory_of_a_part(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    most, total = 4096, 400_000
    wanted = random.integers(0, 256, (total, 16), np.uint8)

    def peak(folder: Path | None) -> int:
        tracemalloc.start()
        builder = PlacesBuilder(folder, most)
        for first in range(0, total, 1000):
            rows = np.zeros(1000, PLACE)
            words = wanted[first : first + 1000].view(">u8")
            rows["high"], rows["low"] = words[:, 0], words[:, 1]
            builder.add(rows)
        places = builder.done()
        assert (places.find(wanted[::999]) >= 0).all()
        _, most_used = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most_used

    assert peak(tmp_path) < total * PLACE.itemsize / 8
    assert peak(None) > total * PLACE.itemsize
    assert not [each for each in _open_files() if str(tmp_path) in each]


def _open_files() -> list[str]:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("this system has no /proc to look into")
    return [str(each.readlink()) for each in folder.iterdir() if each.is_symlink()]


def test_frames_and_chunks_of_a_large_index_are_where_they_are_in_a_small_one(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(6)
    in_memory, in_file = IndexBuilder(), IndexBuilder(folder=tmp_path, most=50)
    names = random.integers(0, 256, (40, 30, 16), np.uint8)
    for number in range(40):
        chunks = np.array([7, 0, 12, 11], np.uint32)
        lengths = random.integers(1, 70_000, 30).astype(np.uint32)
        sealed = random.integers(20, 500, 4).astype(np.uint32)
        for builder in (in_memory, in_file):
            builder.add(f"{number:032x}", Trailer(sealed, chunks, lengths, names[number]))
    small, large = in_memory.done(), in_file.done(("another",))
    assert (small.unreadable, large.unreadable) == ((), ("another",))
    assert small.size == large.size == 1200
    everything = names.reshape(-1, 16)
    places = small.find(everything)
    assert (places >= 0).all()
    assert places.tolist() == large.find(everything).tolist()
    assert [small.locate(place) for place in places] == [large.locate(place) for place in places]
    frames = [small.frame(number) for number in range(160)]
    assert frames == [large.frame(number) for number in range(160)]
    assert [frame.size for frame in frames[1::4]] == [0] * 40
    assert {frame.offset for frame in frames[::4]} == {len(HEAD)}
    assert small.stored_bytes(places).tolist() == large.stored_bytes(places).tolist()
    assert small.packs_of(places).tolist() == np.repeat(np.arange(40), 30).tolist()


def test_a_disk_without_room_for_an_index_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    builder = RowsBuilder(PLACE, tmp_path, 5)
    builder.add(np.zeros(5, PLACE))
    with pytest.raises(OSError, match="No space left"):
        builder.add(np.zeros(1, PLACE))
