"""The form in which a chunk of an image is stored: its blocks that are not all zeros.

In the image of a database most pages are zeros, scattered between the others. A chunk keeps its
blocks of 4 KiB that are not, one behind the other, behind two bytes that say which these are: the
highest bit is the first block. Where all blocks are kept, these two bytes are left out; a chunk
with its place's length is just what belongs there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK = 4096  # bytes
HEAD = 2  # bytes that say which blocks follow
MOST_BLOCKS = 8 * HEAD

_Block = np.dtype((np.void, BLOCK))
_Flags = NDArray[np.bool_]


class Condensed(NamedTuple):
    """Chunks as they are stored, one behind the other: their numbers in the image, and lengths.

    Chunks of zeros are not among them.
    """

    content: NDArray[np.uint8]
    numbers: NDArray[np.int64]
    lengths: NDArray[np.int64]


class NotAChunk(ValueError):
    """Some bytes are no chunk of the length that they should have."""


def plain(data: NDArray[np.uint8], chunk: int) -> Condensed:
    """Chunks of `chunk` bytes, the last perhaps shorter, with all their blocks."""
    count = -(-data.size // chunk)
    lengths = np.full(count, chunk, np.int64)
    lengths[count - 1 :] = data.size - (count - 1) * chunk
    filled = filled_parts(data, chunk)
    if bool(filled.all()):
        return Condensed(data, np.arange(count), lengths)
    content = data[np.repeat(filled, lengths)]
    return Condensed(content, np.flatnonzero(filled), lengths[filled])


def condense(data: NDArray[np.uint8], chunk: int, blank: _Flags | None = None) -> Condensed:
    """The stored form of an image's chunks, each of `chunk` bytes, the last perhaps shorter.

    `blank` tells of some blocks that they are zeros; others may be, too.
    """
    count, per = -(-data.size // chunk), chunk // BLOCK
    blocks, whole = -(-data.size // BLOCK), data.size // BLOCK
    kept = np.zeros((count, per), bool)
    kept.reshape(-1)[:blocks] = filled_parts(data, BLOCK, blank)
    number = kept.sum(axis=1)
    places = np.full(count, per)
    places[count - 1 :] = blocks - (count - 1) * per
    dense = number == places
    if bool(dense.all()):
        return plain(data, chunk)
    lengths = number * BLOCK + np.where(dense, 0, HEAD)
    if blocks > whole and kept.reshape(-1)[whole]:
        lengths[-1] -= BLOCK * blocks - data.size
    filled = np.flatnonzero(number)
    starts = np.zeros(count, np.int64)
    starts[filled] = np.cumsum(lengths[filled]) - lengths[filled]
    content = np.empty(int(lengths[filled].sum()) + BLOCK, np.uint8)
    sparse = np.flatnonzero((number > 0) & ~dense)
    heads = np.packbits(kept[sparse], axis=1)
    for byte in range(HEAD):
        content[starts[sparse] + byte] = heads[:, byte]
    rank = kept.cumsum(axis=1) - 1
    targets = (starts + np.where(dense, 0, HEAD))[:, None] + rank * BLOCK
    sources = np.flatnonzero(kept.reshape(-1)[:whole])
    # Item n of this view is the block from byte n on.
    at = np.ndarray(
        shape=(content.size - BLOCK + 1,), dtype=_Block, buffer=content.data, strides=(1,)
    )
    at[targets.reshape(-1)[sources]] = data[: whole * BLOCK].view(_Block)[sources]
    if blocks > whole and kept.reshape(-1)[whole]:
        tail = int(targets.reshape(-1)[whole])
        content[tail : tail + data.size - whole * BLOCK] = data[whole * BLOCK :]
    return Condensed(content[:-BLOCK], filled, lengths[filled])


def filled_parts(data: NDArray[np.uint8], size: int, blank: _Flags | None = None) -> _Flags:
    """Which parts of `size` bytes are not all zeros. Most tell by their first word."""
    whole, count = data.size // size, -(-data.size // size)
    words = data[: whole * size].view(np.uint64).reshape(whole, size // 8)
    filled = np.ones(count, bool)
    filled[:whole] = words[:, 0] != 0
    unsure = ~filled
    if blank is not None:
        unsure &= ~blank
    for number in np.flatnonzero(unsure).tolist():
        filled[number] = words[number].any()
    if whole < count:
        filled[whole] = data[whole * size :].any()
    return filled


def put_chunk(content: memoryview, target: memoryview) -> None:
    """Put a stored chunk into its place, which holds zeros. Raises `NotAChunk`."""
    if len(content) == len(target):
        target[:] = content
        return
    if len(content) < HEAD:
        raise NotAChunk("too short")
    kept = f"{int.from_bytes(content[:HEAD], 'big'):0{MOST_BLOCKS}b}"
    at = HEAD
    first = kept.find("1")
    while first >= 0:
        last = kept.find("0", first)
        last = MOST_BLOCKS if last < 0 else last
        place = target[first * BLOCK : last * BLOCK]
        part = content[at : at + len(place)]
        if not place or len(part) != len(place):
            raise NotAChunk("its blocks do not agree with its head")
        place[:] = part
        at += len(place)
        first = kept.find("1", last)
    if at != len(content):
        raise NotAChunk("more than its head says")
