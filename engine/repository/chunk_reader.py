"""Reading chunks from a repository, each checked against its name."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from typing import TYPE_CHECKING

from engine.errors import RepositoryDamaged, StorageFailed
from engine.repository.keys import SealBroken
from engine.repository.manifest import LIST_NAMES, NAME_LENGTH, Image
from engine.repository.repository import Repository
from engine.repository.storage import AlreadyStored, NotStored

if TYPE_CHECKING:
    from engine.repository.index import ChunkIndex
    from engine.repository.places import Names

_CACHED_FRAMES = 8


class ChunkLost(RepositoryDamaged):
    """A chunk is missing, or the frame that holds it is damaged."""


class ChunkReader:
    """Reads chunks by name. Not safe to share between threads."""

    def __init__(self, repository: Repository, index: ChunkIndex) -> None:
        self._repository = repository
        self._index = index
        self._frames: OrderedDict[int, bytes] = OrderedDict()

    def read_list(self, image: Image, number: int) -> bytes:
        """The names of the chunks in one list of an image, joined. Raises `ChunkLost`."""
        chunks = -(-image.size // self._repository.chunk_length(image.page_size))
        length = NAME_LENGTH * min(LIST_NAMES, chunks - number * LIST_NAMES)
        name = image.lists[number]
        joined = self.read(name) if any(name) else bytes(length)
        if len(joined) != length:
            raise ChunkLost("A list of chunks is damaged.")
        return joined

    def chunk_length(self, page_size: int) -> int:
        """Bytes in a chunk of an image with pages of `page_size` bytes."""
        return self._repository.chunk_length(page_size)

    def names(self, image: Image) -> Names:
        """The names of all chunks of an image. Raises `ChunkLost`."""
        import numpy as np

        lists = [self.read_list(image, number) for number in range(len(image.lists))]
        return np.frombuffer(b"".join(lists), np.uint8).reshape(-1, NAME_LENGTH)

    def read_pages(self, image: Image, first: int, count: int, buffer: memoryview) -> None:
        """Put `count` pages of an image, from page number `first` on, into a buffer of zeros.

        The first page and the end of the last one must be a chunk's, or the image's. Raises
        `ChunkLost`.
        """
        import numpy as np

        chunk = self._repository.chunk_length(image.page_size)
        low = (first - 1) * image.page_size // chunk
        high = -(-(first - 1 + count) * image.page_size // chunk)
        begin = low // LIST_NAMES
        lists = [
            self.read_list(image, number) for number in range(begin, (high - 1) // LIST_NAMES + 1)
        ]
        names = np.frombuffer(b"".join(lists), np.uint8).reshape(-1, NAME_LENGTH)
        self.read_into(names[low - begin * LIST_NAMES : high - begin * LIST_NAMES], chunk, buffer)

    def read(self, name: bytes) -> bytes:
        """One chunk. Raises `ChunkLost`."""
        import numpy as np

        place = int(self._index.find(np.frombuffer(name, np.uint8).reshape(1, 16))[0])
        if place < 0:
            raise ChunkLost("A chunk is missing from the repository.")
        frame, start, length = self._index.locate(place)
        return self._frame(frame)[start : start + length]

    def read_into(self, names: Names, chunk: int, buffer: memoryview) -> None:
        """Put chunks for `chunk` bytes (the last may be shorter) one behind the other.

        The buffer holds zeros: these are not written. Every chunk is checked against its name.
        Raises `ChunkLost`.
        """
        import numpy as np
        from blake3 import blake3

        from engine.repository.chunks import NotAChunk, put_chunk

        key = self._repository.keys.chunk
        wanted = np.flatnonzero(names.any(axis=1))
        places = self._index.find(names[wanted])
        if (places < 0).any():
            raise ChunkLost("A chunk is missing from the repository.")
        for number, place in zip(wanted.tolist(), places.tolist(), strict=True):
            frame, start, length = self._index.locate(place)
            target = buffer[number * chunk : number * chunk + chunk]
            data = memoryview(self._frame(frame))[start : start + length]
            if blake3(data, key=key).digest(16) != names[number].tobytes():
                raise ChunkLost("A chunk is not what its name says.")
            try:
                put_chunk(data, target)
            except NotAChunk:
                raise ChunkLost("A chunk has another length than its place.") from None

    def _frame(self, number: int) -> bytes:
        from engine.repository.packs import damage_mark, open_frame

        cached = self._frames.get(number)
        if cached is not None:
            self._frames.move_to_end(number)
            return cached
        frame = self._index.frame(number)
        try:
            data = open_frame(
                self._repository.storage,
                self._repository.keys,
                frame.pack,
                number=frame.number,
                offset=frame.offset,
                length=frame.length,
                size=frame.size,
            )
        except NotStored as error:
            raise ChunkLost(f"Pack {frame.pack} is missing or cut short.") from error
        except SealBroken as error:
            # The mark lets the next backup store these chunks again. Where it cannot be written,
            # the damage itself is still what has to be told.
            with contextlib.suppress(AlreadyStored, StorageFailed):
                self._repository.storage.put(damage_mark(frame.pack, frame.number), [])
            raise ChunkLost(f"Pack {frame.pack} is damaged.") from error
        self._frames[number] = data
        if len(self._frames) > _CACHED_FRAMES:
            self._frames.popitem(last=False)
        return data
