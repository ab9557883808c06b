"""Keys: what names chunks, seals packs and manifests, and how a key is written down."""

from __future__ import annotations

import base64
import os
from typing import NamedTuple, Protocol

from blake3 import blake3

from engine.errors import Damaged, Invalid
from engine.model import Encryption

KEY_LENGTH = 32
TAG_LENGTH = 16
_GROUP = 6  # letters between dashes of a recovery key


class SealBroken(Damaged):
    """Sealed bytes do not open: altered, cut, moved, or made with another key."""


class Sealer(Protocol):
    """Seals and opens the parts of one pack or manifest; `TAG_LENGTH` bytes longer when sealed."""

    def seal(self, nonce: bytes, data: bytes) -> bytes:
        """Seal `data` under a nonce of 12 bytes that is never used twice."""

    def open(self, nonce: bytes, sealed: bytes) -> bytes:
        """Open what `seal` made. Raises `SealBroken`."""


class Keys(NamedTuple):
    """The keys of one repository, derived from its one random key. Its repr shows none of them."""

    encryption: Encryption
    chunk: bytes
    pack: bytes
    manifest: bytes
    check: str  # no secret: by it a key is known to be the right one

    @classmethod
    def derive(cls, key: bytes, repository: str, encryption: Encryption) -> Keys:
        """Derive all keys from the repository's key (32 bytes) and its id."""

        def one(use: str) -> bytes:
            context = f"backstay repository format 1: {use}"
            return blake3(key + repository.encode(), derive_key_context=context).digest()

        return cls(
            encryption, one("chunk names"), one("packs"), one("manifests"), one("check").hex()
        )

    def __repr__(self) -> str:
        """Without what is secret."""
        return f"Keys(encryption={self.encryption!r}, check={self.check!r})"

    def pack_sealer(self, pack: str) -> Sealer:
        """The sealer of one pack."""
        return self._sealer(blake3(pack.encode(), key=self.pack).digest())

    def manifest_sealer(self, backup: str) -> Sealer:
        """The sealer of one manifest."""
        return self._sealer(blake3(backup.encode(), key=self.manifest).digest())

    def _sealer(self, key: bytes) -> Sealer:
        return _Aes(key) if self.encryption is Encryption.AES_256_GCM else _Tagged(key)


class _Aes:
    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    def seal(self, nonce: bytes, data: bytes) -> bytes:
        return self._cipher.encrypt(nonce, data, None)

    def open(self, nonce: bytes, sealed: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(nonce, sealed, None)
        except (InvalidTag, ValueError):
            raise SealBroken("A sealed part does not open.") from None


class _Tagged:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, nonce: bytes, data: bytes) -> bytes:
        return bytes(data) + self._tag(nonce, data)

    def open(self, nonce: bytes, sealed: bytes) -> bytes:
        data, tag = sealed[:-TAG_LENGTH], sealed[-TAG_LENGTH:]
        import hmac

        if not hmac.compare_digest(tag, self._tag(nonce, data)):
            raise SealBroken("A part does not agree with its check.")
        return data

    def _tag(self, nonce: bytes, data: bytes) -> bytes:
        return blake3(nonce, key=self._key).update(data).digest(TAG_LENGTH)


def new_key() -> bytes:
    """A random key."""
    return os.urandom(KEY_LENGTH)


def recovery_text(key: bytes) -> str:
    """A key as text to write down: letters and digits 2 to 7 in groups, the last bytes a check."""
    checked = key + blake3(key).digest(4)
    letters = base64.b32encode(checked).decode().rstrip("=")
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


def parse_recovery_text(text: str) -> bytes:
    """The key that was written down. Raises `Invalid`, never showing it, where it is mistyped."""
    letters = "".join(text.split()).replace("-", "").upper().replace("0", "O").replace("1", "I")
    try:
        checked = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        checked = b""
    key, check = checked[:KEY_LENGTH], checked[KEY_LENGTH:]
    if len(checked) != KEY_LENGTH + 4 or check != blake3(key).digest(4):
        raise Invalid(
            "This is not a recovery key, or a letter of it is wrong.",
            hint="Nothing was changed. It has 58 letters and digits in groups of six; check each.",
        )
    return key
