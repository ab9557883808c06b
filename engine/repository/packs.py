"""Packs: chunks in sealed frames, and the trailer that says what is where."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import zstandard
from numpy.typing import NDArray

from engine.errors import RepositoryDamaged, TooNew
from engine.repository.keys import TAG_LENGTH, Keys, SealBroken
from engine.repository.storage import Buffer, NotStored, Storage

MAGIC = b"BKSTPACK"
VERSION = 1
HEAD = MAGIC + bytes([VERSION])
NAME_LENGTH = 16  # bytes of a chunk's name
FRAME_SIZE = 256 * 1024  # bytes of chunks after which a frame is closed
PACK_SIZE = 8 << 20  # sealed bytes after which a pack is closed; never above 32 MiB
# zstd's level 1, but with a window below 19 bits, for which zstd searches without branches, and a
# hash table that stays in the processor's first cache: a quarter less time, and as small.
COMPRESSION = zstandard.ZstdCompressionParameters.from_level(
    1, window_log=18, hash_log=13, min_match=6
)
_TRAILER_NUMBER = 1 << 32
_MOST_CHUNKS = 1 << 20


def object_name(pack: str) -> str:
    """The name under which a pack is stored."""
    return f"packs/{pack[:2]}/{pack}"


def damage_mark(pack: str, frame: int) -> str:
    """The name of the object that marks a frame as damaged."""
    return f"damaged/{pack}-{frame}"


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


@dataclass(frozen=True, slots=True)
class Trailer:
    """What a pack holds. `names` has the shape (chunks, 16); the rest are plain vectors."""

    frame_lengths: NDArray[np.uint32]
    frame_chunks: NDArray[np.uint32]
    chunk_lengths: NDArray[np.uint32]
    names: NDArray[np.uint8]


class PackWriter:
    """Packs chunks into frames and frames into packs, and stores each pack when it is full.

    Storing goes on in a thread of its own while the next pack is filled. Not safe to share between
    threads. Nothing counts as stored before `finish` has returned.
    """

    def __init__(self, storage: Storage, keys: Keys) -> None:
        self._storage = storage
        self._keys = keys
        self._compressor = zstandard.ZstdCompressor(compression_params=COMPRESSION)
        self._pool = ThreadPoolExecutor(1, "store-pack")
        self._storing: Future[None] | None = None
        self._frames: dict[str, _OpenFrame] = {}
        self.packs: dict[str, int] = {}  # what was stored: pack and its size in bytes
        self._start_pack()

    def _start_pack(self) -> None:
        self._pack = os.urandom(16).hex()
        self._sealer = self._keys.pack_sealer(self._pack)
        self._parts: list[Buffer] = [HEAD]
        self._size = len(HEAD)
        self._lengths: list[tuple[int, int]] = []
        self._chunk_lengths: list[int] = []
        self._names: list[bytes] = []

    def add(
        self,
        names: Sequence[bytes],
        data: memoryview,
        lengths: Sequence[int],
        *,
        kind: str = "data",
    ) -> None:
        """Add chunks that lie one behind the other; `lengths` are their bytes.

        Chunks of different kinds never share a frame.
        """
        frame = self._frames.setdefault(kind, _OpenFrame())
        first, begin, end = 0, 0, 0
        for number, length in enumerate(lengths, 1):
            end += length
            if len(frame.data) + end - begin >= FRAME_SIZE:
                if frame.names:
                    frame.add(names[first:number], lengths[first:number], data[begin:end])
                    self._seal(frame.names, frame.lengths, frame.data)
                    frame = self._frames[kind] = _OpenFrame()
                else:  # compressed where it lies
                    self._seal(names[first:number], lengths[first:number], data[begin:end])
                first, begin = number, end
        if first < len(names):
            frame.add(names[first:], lengths[first:], data[begin:end])

    def _seal(self, names: Sequence[bytes], lengths: Sequence[int], data: Buffer) -> None:
        sealed = self._sealer.seal(_nonce(len(self._lengths)), self._compressor.compress(data))
        self._parts.append(sealed)
        self._size += len(sealed)
        self._lengths.append((len(sealed), len(names)))
        self._chunk_lengths += lengths
        self._names += names
        if self._size >= PACK_SIZE:
            self._close_pack()

    def _close_pack(self) -> None:
        if not self._lengths:
            return
        trailer = b"".join(
            [
                struct.pack(">II", len(self._lengths), len(self._names)),
                np.array(self._lengths, ">u4").tobytes(),
                np.array(self._chunk_lengths, ">u4").tobytes(),
                *self._names,
            ]
        )
        sealed = self._sealer.seal(_nonce(_TRAILER_NUMBER), trailer)
        parts = [*self._parts, sealed, struct.pack(">I", len(sealed))]
        if self._storing is not None:
            self._storing.result()
        self._storing = self._pool.submit(self._storage.put, object_name(self._pack), parts)
        self.packs[self._pack] = sum(len(part) for part in parts)
        self._start_pack()

    def finish(self) -> dict[str, int]:
        """Store all that was added; the packs made since the last call, with their sizes."""
        for frame in self._frames.values():
            if frame.names:
                self._seal(frame.names, frame.lengths, frame.data)
        self._frames.clear()
        self._close_pack()
        if self._storing is not None:
            self._storing.result()
        made, self.packs = self.packs, {}
        return made

    def close(self) -> None:
        """Stop the thread. What was not finished is given up."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class _OpenFrame:
    def __init__(self) -> None:
        self.names: list[bytes] = []
        self.lengths: list[int] = []
        self.data = bytearray()

    def add(self, names: Sequence[bytes], lengths: Sequence[int], data: memoryview) -> None:
        self.names += names
        self.lengths += lengths
        self.data += data


def read_trailer(storage: Storage, keys: Keys, pack: str, size: int) -> Trailer:
    """Read what a pack of `size` bytes holds.

    Raises `RepositoryDamaged` where the pack is cut, altered or does not add up, and `TooNew` where
    a newer Backstay wrote it.
    """
    name = object_name(pack)
    newer = 0
    try:
        if size < len(HEAD) + 4 + TAG_LENGTH:
            raise SealBroken("too short")
        head = storage.read(name, 0, len(HEAD))
        if head[:-1] == MAGIC and head[-1] > VERSION:
            newer = head[-1]
        elif head != HEAD:
            raise SealBroken("no head")
        (length,) = struct.unpack(">I", storage.read(name, size - 4, 4))
        if not TAG_LENGTH + 8 <= length <= size - len(HEAD) - 4:
            raise SealBroken("no trailer")
        sealed = storage.read(name, size - 4 - length, length)
        raw = keys.pack_sealer(pack).open(_nonce(_TRAILER_NUMBER), sealed)
        if newer:
            newer = 0  # it opens as one of ours: only its head was altered
            raise SealBroken("another head")
        return _parse_trailer(raw, size - len(HEAD) - 4 - length)
    except (SealBroken, NotStored) as error:
        if newer:
            raise TooNew(
                f"Pack {pack} has the format {newer}; this Backstay knows {VERSION}."
            ) from error
        raise RepositoryDamaged(f"Pack {pack} is damaged or cut short.") from error


def _parse_trailer(raw: bytes, frames_size: int) -> Trailer:
    frames, chunks = struct.unpack_from(">II", raw)
    if frames > _MOST_CHUNKS or chunks > _MOST_CHUNKS:
        raise SealBroken("impossible counts")
    if len(raw) != 8 + 8 * frames + (4 + NAME_LENGTH) * chunks:
        raise SealBroken("counts do not agree with the length")
    table = np.frombuffer(raw, ">u4", 2 * frames, 8).astype(np.uint32).reshape(frames, 2)
    lengths = np.frombuffer(raw, ">u4", chunks, 8 + 8 * frames).astype(np.uint32)
    names = np.frombuffer(raw, np.uint8, NAME_LENGTH * chunks, 8 + 8 * frames + 4 * chunks)
    if int(table[:, 0].sum()) != frames_size or int(table[:, 1].sum()) != chunks:
        raise SealBroken("frames do not add up")
    return Trailer(table[:, 0], table[:, 1], lengths, names.reshape(chunks, NAME_LENGTH))


def open_frame(
    storage: Storage, keys: Keys, pack: str, *, number: int, offset: int, length: int, size: int
) -> bytes:
    """Read one frame: `size` bytes of chunks. Raises `SealBroken` or `NotStored`."""
    sealed = storage.read(object_name(pack), offset, length)
    compressed = keys.pack_sealer(pack).open(_nonce(number), sealed)
    try:
        data = zstandard.ZstdDecompressor().decompress(compressed, max_output_size=size)
    except zstandard.ZstdError as error:
        raise SealBroken("a frame does not decompress") from error
    if len(data) != size:
        raise SealBroken("a frame has another length")
    return data
