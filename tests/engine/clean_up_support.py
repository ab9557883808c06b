"""What a clean-up must leave: every backup's bytes, and no garbage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from engine.repository.chunk_reader import ChunkReader
from engine.repository.index import load_index, packs_in_place
from engine.repository.liveness import fates, find_needed, lists_of
from engine.repository.manifest import Image
from engine.repository.repository import Repository
from engine.repository.storage import LocalStorage


def contents(repository: Repository) -> dict[str, str]:
    """Every backup, with a hash of all databases that it holds. Raises `RepositoryDamaged`."""
    reader = ChunkReader(repository, load_index(repository.storage, repository.keys))
    found = {}
    for backup in repository.manifests():
        digest = hashlib.sha256()
        for image in _images(repository, backup):
            chunk = repository.chunk_length(image.page_size)
            joined = b"".join(reader.read_list(image, n) for n in range(len(image.lists)))
            names = np.frombuffer(joined, np.uint8).reshape(-1, 16)
            buffer = bytearray(image.size)
            reader.read_into(names, chunk, memoryview(buffer))
            digest.update(buffer)
        found[backup] = digest.hexdigest()
    return found


def _images(repository: Repository, backup: str) -> Iterator[Image]:
    manifest = repository.manifest(backup)
    yield manifest.main.image
    yield from (plugin.image for plugin in manifest.plugins)
    yield from (device.image for device in manifest.devices if device.image is not None)


def check_clean(repository: Repository) -> None:
    """There is nothing to clean up, and every manifest names packs that are there."""
    sizes = packs_in_place(repository.storage)
    manifests = [repository.manifest(backup) for backup in repository.manifests()]
    for manifest in manifests:
        assert manifest.packs.items() <= sizes.items()
    index = load_index(repository.storage, repository.keys, with_damaged=True)
    assert set(index.packs) == set(sizes)
    lists = b"".join(lists_of(manifest) for manifest in manifests)
    found = fates(index, find_needed(repository, index, lists), (), sizes)
    assert (found.dead, found.sparse) == ((), ())


class LyingStorage(LocalStorage):
    """A store on disk that says that it removed packs, and keeps them."""

    def delete(self, name: str) -> None:
        """Remove manifests only."""
        if not name.startswith("packs/"):
            super().delete(name)
