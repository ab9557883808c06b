"""Whether the bytes of a file are as they were when they were read before, piece by piece."""

from __future__ import annotations

import numpy as np
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.pages.btree import Bytes
from engine.repository.keys import TAG_LENGTH
from engine.repository.places import Names

PIECE = 64 << 10  # bytes
_NONCE = bytes(12)
_CONTEXT = "backstay pieces of a file that is read twice"


class Pieces:
    """Gives tags by which pieces of a file are compared: with one key, the same bytes have one tag.

    A tag is AES-GCM's of nothing but the piece as additional data (GMAC, NIST SP 800-38D): whoever
    does not know the key finds no two pieces that share one, and it takes a third of BLAKE3's time.
    All are made with one nonce, which GMAC allows where nobody sees them: they are for the
    processes of one backup only, and never stored.
    """

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(blake3(secret, derive_key_context=_CONTEXT).digest())

    def tags(self, data: Bytes) -> Names:
        """The tags of some bytes, piece by piece; the last piece may be shorter."""
        tag, view = self._cipher.encrypt, data.data
        raw = b"".join(tag(_NONCE, b"", view[at : at + PIECE]) for at in range(0, data.size, PIECE))
        return np.frombuffer(raw, np.uint8).reshape(-1, TAG_LENGTH)
