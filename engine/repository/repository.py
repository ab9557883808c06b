"""A repository: opened with its key, it gives and takes manifests."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import (
    MANIFEST_HINT,
    Failed,
    NotFound,
    RepositoryDamaged,
    TooNew,
    WrongKey,
)
from engine.model import Encryption
from engine.names import is_id
from engine.repository.keys import KEY_LENGTH, Keys, SealBroken
from engine.repository.storage import AlreadyStored, NotStored

if TYPE_CHECKING:
    from engine.repository.manifest import DeviceEntry, Manifest
    from engine.repository.storage import Storage

FORMAT = 2
CHUNK_SIZE = 64 * 1024
_PLAIN_CHUNK_SIZE = 16 * 1024  # of format 1, which keeps chunks with all their zeros
_CONFIG_HINT = (
    "Nothing was changed, and the backups are still there. Bring the file config back from a copy "
    "of the repository; without it no backup can be opened."
)
_MANIFEST_HEAD = b"BKSTMFST\x01"
_NONCE_LENGTH = 12
_MOST_MANIFEST = 512 << 20  # bytes, uncompressed


class Repository(NamedTuple):
    """An open repository. Its methods block; call them in a thread or a child process."""

    storage: Storage
    id: str
    keys: Keys
    chunk_size: int

    @property
    def condenses(self) -> bool:
        """Whether it keeps chunks without the zeros in them; see `engine.repository.chunks`."""
        return self.chunk_size != _PLAIN_CHUNK_SIZE

    @property
    def encrypted(self) -> bool:
        """Whether what it holds is unreadable without the key."""
        return self.keys.encryption is Encryption.AES_256_GCM

    def chunk_length(self, page_size: int) -> int:
        """Bytes in a chunk of an image with pages of `page_size` bytes."""
        return max(self.chunk_size, page_size)

    def put_manifest(self, manifest: Manifest) -> int:
        """Store a manifest: from here on the backup exists. Gives the bytes it occupies."""
        parts = self._sealed(manifest)
        try:
            self.storage.put(_object_name(manifest.backup), parts)
        except AlreadyStored:
            raise Failed(f"A backup with the id {manifest.backup} exists already.") from None
        return sum(len(part) for part in parts)

    def replace_manifest(self, manifest: Manifest) -> None:
        """Put a manifest in the place of the backup's own, and make sure that it is what is read.

        Raises `Failed` where it is not, and `StorageFailed`.
        """
        self.storage.replace(_object_name(manifest.backup), self._sealed(manifest))
        if self.manifest(manifest.backup) != manifest:
            raise Failed(f"The manifest of backup {manifest.backup} was replaced by another.")

    def remove_manifest(self, backup: str) -> None:
        """Remove a manifest: from here on the backup does not exist."""
        self.storage.delete(_object_name(backup))

    def _sealed(self, manifest: Manifest) -> list[bytes]:
        import zstandard

        from engine.repository.manifest_json import encode

        nonce = os.urandom(_NONCE_LENGTH)
        packed = zstandard.ZstdCompressor(level=3).compress(encode(manifest))
        sealed = self.keys.manifest_sealer(manifest.backup).seal(nonce, packed)
        return [_MANIFEST_HEAD, nonce, sealed]

    def manifest(self, backup: str) -> Manifest:
        """Read a backup's manifest. Raises `RepositoryDamaged` and `TooNew`."""
        from engine.repository.manifest_json import decode

        return decode(self._opened(backup), backup, self.chunk_size)

    def devices(self, backup: str, ref: str) -> tuple[DeviceEntry, ...]:
        """What a manifest says of the devices with that id or name; raises as `manifest` does.

        Quicker than reading all of it: only these are looked at.
        """
        from engine.repository.manifest_json import decode_devices

        return decode_devices(self._opened(backup), backup, self.chunk_size, ref)

    def _opened(self, backup: str) -> bytes:
        """A backup's manifest, as it was encoded."""
        import zstandard

        where = f"The manifest of backup {backup}"
        try:
            raw = self.storage.read(_object_name(backup))
        except NotStored:
            raise RepositoryDamaged(
                f"{where} is not in the repository.", hint=MANIFEST_HINT
            ) from None
        head = _MANIFEST_HEAD
        newer = raw[: len(head) - 1] == head[:-1] and raw[len(head) - 1 : len(head)] > head[-1:]
        if raw[: len(head)] != head and not newer:
            raise RepositoryDamaged(f"{where} is damaged or cut short.", hint=MANIFEST_HINT)
        nonce = raw[len(head) : len(head) + _NONCE_LENGTH]
        try:
            packed = self.keys.manifest_sealer(backup).open(nonce, raw[len(head) + _NONCE_LENGTH :])
            plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=_MOST_MANIFEST)
        except (SealBroken, zstandard.ZstdError) as error:
            if newer:
                raise TooNew(f"{where} has a format that this Backstay does not know.") from error
            raise RepositoryDamaged(
                f"{where} is damaged, cut short or forged.", hint=MANIFEST_HINT
            ) from error
        if newer:  # yet it opened as one of ours: only its head was altered
            raise RepositoryDamaged(f"{where} is damaged.", hint=MANIFEST_HINT)
        return plain

    def manifests(self) -> dict[str, int]:
        """The ids of all backups, with the bytes that their manifests occupy."""
        found = {}
        for name, size in self.storage.list("manifests"):
            backup = name.removeprefix("manifests/")
            if is_id(backup):
                found[backup] = size
        return found

    def packs(self) -> dict[str, int]:
        """All packs, with their sizes in bytes."""
        return {name.rpartition("/")[2]: size for name, size in self.storage.list("packs")}

    def has_damage(self) -> bool:
        """Whether a frame is marked as damaged."""
        return next(iter(self.storage.list("damaged")), None) is not None


def _object_name(backup: str) -> str:
    return f"manifests/{backup}"


def create_repository(storage: Storage, encryption: Encryption, key: bytes) -> None:
    """Make a new repository; where there is one already, it is left as it is."""
    identity = os.urandom(16).hex()
    config: dict[str, object] = {
        "format": FORMAT,
        "id": identity,
        "encryption": encryption.value,
        "chunk_size": CHUNK_SIZE,
        "key_check": Keys.derive(key, identity, encryption).check,
    }
    if encryption is Encryption.NONE:
        config["key"] = key.hex()
    with contextlib.suppress(AlreadyStored):
        storage.put("config", [json.dumps(config, indent=1).encode() + b"\n"])


def repository_encryption(storage: Storage) -> Encryption | None:
    """How the repository in a store is sealed; None where there is no repository."""
    try:
        return Encryption(str(_read_config(storage)["encryption"]))
    except NotStored:
        return None


def open_repository(storage: Storage, key: bytes | None) -> Repository:
    """Open a repository; `key` may be None where it is not encrypted.

    Raises `NotFound`, `RepositoryDamaged`, `TooNew`, and `WrongKey` where the key is another's:
    also where a config says that nothing is encrypted, but not under the key that is at hand. Else
    whoever can write the config could have the next backup stored in the clear.
    """
    try:
        config = _read_config(storage)
    except NotStored:
        raise NotFound("There is no repository here.") from None
    identity = str(config["id"])
    encryption = Encryption(str(config["encryption"]))
    if encryption is Encryption.NONE:
        own = bytes.fromhex(str(config["key"]))
        if key not in (None, own):
            raise WrongKey("The repository says that it is not encrypted, yet a key is at hand.")
        key = own
    if key is None:
        raise WrongKey("The key of the repository is missing.")
    keys = Keys.derive(key, identity, encryption)
    if keys.check != config["key_check"]:  # no secret: anyone can read it in the config
        raise WrongKey("The key does not belong to this repository.")
    return Repository(storage, identity, keys, int(str(config["chunk_size"])))


def _read_config(storage: Storage) -> dict[str, object]:
    """The checked config. Raises `NotStored`."""
    raw = storage.read("config")
    try:
        config = json.loads(raw)
        if config["format"] > FORMAT:
            raise TooNew(
                f"The repository has the format {config['format']}; this Backstay knows {FORMAT}."
            )
        sound = (
            len(bytes.fromhex(config["id"])) == 16
            and config["encryption"] in list(Encryption)
            and config["chunk_size"] == (_PLAIN_CHUNK_SIZE if config["format"] == 1 else CHUNK_SIZE)
            and len(bytes.fromhex(config["key_check"])) == KEY_LENGTH
            and (
                config["encryption"] != Encryption.NONE
                or len(bytes.fromhex(config["key"])) == KEY_LENGTH
            )
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RepositoryDamaged("The repository's config is damaged.", hint=_CONFIG_HINT) from error
    if not sound:
        raise RepositoryDamaged("The repository's config is damaged.", hint=_CONFIG_HINT)
    return dict(config)
