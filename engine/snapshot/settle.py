"""A file that was written to while it was read: read once more under one lock, and compared."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import Busy
from engine.pages.accounting import Facts, Numbers
from engine.pages.btree import PADDING
from engine.pages.canonical import Plan
from engine.repository.manifest import NAME_LENGTH
from engine.snapshot.child import setup
from engine.snapshot.databases import (
    look,
    no_slice,
    seal,
    store_pages,
)
from engine.snapshot.live import LiveFile
from engine.snapshot.pieces import PIECE
from engine.snapshot.results import Opening, Read, Slice, Way

_BLOCK = 4 << 20  # bytes that one thread reads and compares at once
_HELD_IN_MEMORY = 48 << 20  # bytes of changed pieces; more go to a temporary file


def settle(path: str, before: Opening, parts: list[Slice], *, way: Way) -> Read:
    """Read a file that was written to once more under one lock, and replace what differs.

    Raises `NotCanonical` where the file has to be kept as it is after all, `IndexDamaged` where an
    index of it is damaged, and `Busy` where somebody rebuilt it with other pages meanwhile.
    """
    with LiveFile(Path(path)) as live, live.locked():
        opening = look(live, way)
        if opening.plan.page_size != before.plan.page_size:
            raise Busy(f"{path} was rebuilt while it was being read.")
        dirty = _dirty_pieces(before.plan, opening.plan, parts)
        held = _read_changed(live, opening.plan, parts, dirty)
    opening = opening._replace(longest_lock=max(before.longest_lock, live.longest_lock))
    settled = _replaced(opening.plan, parts, held)
    longest = max(part.longest_lock for part in parts)
    return seal(opening, [settled._replace(longest_lock=longest)])


def _dirty_pieces(before: Plan, now: Plan, parts: list[Slice]) -> NDArray[np.bool_]:
    """Pieces that have to be read again whatever their bytes are: their plan is another."""
    size = now.page_size
    per_piece = PIECE // size
    pieces = -(-now.page_count // per_piece)
    common = min(before.page_count, now.page_count)
    changed = np.ones(now.page_count, bool)
    accounted = (before.leaves is None, before.chained) == (now.leaves is None, now.chained)
    # Else what was stored may have other ids or none, or its pages told other things.
    if before.id_column == now.id_column and accounted:
        changed[:common] = before.kinds[:common] != now.kinds[:common]
    for number in before.written.keys() | now.written.keys():
        if number <= now.page_count and before.written.get(number) != now.written.get(number):
            changed[number - 1] = True
    for part in parts:
        if part.names is None:
            pages = part.pieces.shape[0] * per_piece
            changed[part.first - 1 : part.first - 1 + pages] = True
    dirty = np.zeros(pieces, bool)
    dirty[np.unique(np.flatnonzero(changed) // per_piece)] = True
    if before.page_count < now.page_count:  # the last piece was shorter then
        dirty[(before.page_count - 1) // per_piece :] = True
    return dirty


class _Held:
    """Raw pieces, in memory while they are few, in an unnamed temporary file when they are many."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115  # closed by `pieces`
            max_size=_HELD_IN_MEMORY, dir=str(setup.scratch)
        )
        self._where: list[tuple[int, int]] = []  # piece, length

    def add(self, piece: int, data: memoryview) -> None:
        self._file.write(data)
        self._where.append((piece, len(data)))

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        self._file.seek(0)
        with self._file:
            for piece, length in self._where:
                yield piece, self._file.read(length)


def _read_changed(
    live: LiveFile, plan: Plan, parts: list[Slice], dirty: NDArray[np.bool_]
) -> _Held:
    """Under the lock: read the whole file, keep the raw pieces that differ from what was read."""
    known = np.concatenate([part.pieces for part in parts])
    total = plan.page_size * plan.page_count
    held = _Held()
    blocks = range(0, total, _BLOCK)

    def look(at: int) -> list[tuple[int, bytes]]:
        length = min(_BLOCK, total - at)
        block = np.empty(length, np.uint8)
        live.read_into(block.data, at)
        first = at // PIECE
        now = setup.pieces.tags(block)
        same = np.zeros(now.shape[0], bool)
        old = known[first : first + now.shape[0]]
        same[: old.shape[0]] = (now[: old.shape[0]] == old).all(axis=1)
        again = np.flatnonzero(~same | dirty[first : first + now.shape[0]])
        return [
            (first + piece, block[piece * PIECE : (piece + 1) * PIECE].tobytes())
            for piece in again.tolist()
        ]

    with ThreadPoolExecutor(2, "settle") as pool:
        pending = [pool.submit(look, at) for at in blocks[:4]]
        following = iter(blocks[4:])
        while pending:
            for piece, data in pending.pop(0).result():
                held.add(piece, memoryview(data))
            if (at := next(following, None)) is not None:
                pending.append(pool.submit(look, at))
    return held


def _replaced(plan: Plan, parts: list[Slice], held: _Held) -> Slice:
    """All chunks of a settled file: those of before, but for the pieces that were read again."""
    size = plan.page_size
    chunk = setup.store.repository.chunk_length(size)
    chunks = -(-plan.page_count * size // chunk)
    names = np.zeros((chunks, NAME_LENGTH), np.uint8)
    rows = np.zeros(chunks, np.int64)
    every: list[Slice] = []
    for part in parts:
        if part.names is not None:
            at = (part.first - 1) * size // chunk
            count = max(0, min(part.names.shape[0], chunks - at))  # the file may be shorter now
            names[at : at + count] = part.names[:count]
            rows[at : at + count] = part.rows[:count]
            every.append(part)
    nothing_told = no_slice(1, 0)
    again = np.zeros(plan.page_count + 1, bool)
    new = []
    for piece, data in held.pieces():
        flat = np.zeros(len(data) + PADDING, np.uint8)
        flat[: len(data)] = np.frombuffer(data, np.uint8)
        first = piece * PIECE // size + 1
        part = store_pages(plan, first, flat)
        assert part.names is not None  # noqa: S101  # `store_pages` raises where there are none
        at = piece * PIECE // chunk
        names[at : at + part.names.shape[0]] = part.names
        rows[at : at + part.rows.size] = part.rows
        again[first : first + len(data) // size] = True
        new.append(part)

    def joined(of: Callable[[Slice], Numbers], page: Callable[[Numbers], Numbers]) -> Numbers:
        """What was told of pages that were not read again, and what was told now of the others."""
        old = np.concatenate([of(nothing_told), *map(of, every)])
        numbers = page(old)
        there = numbers <= plan.page_count
        there[there] = ~again[numbers[there]]
        return np.concatenate([old[there], *map(of, new)])

    facts = Facts(
        joined(lambda part: part.facts.told, lambda told: told[:, 0]),
        joined(lambda part: part.facts.chains, lambda chains: chains[:, 0]),
        joined(lambda part: part.facts.spans, lambda spans: spans[:, 0]),
    )
    lookalikes = joined(lambda part: part.lookalikes, lambda numbers: numbers)
    pieces = np.empty((0, NAME_LENGTH), np.uint8)
    return Slice(1, 0, names, pieces, rows, np.sort(lookalikes), facts, 0.0)
