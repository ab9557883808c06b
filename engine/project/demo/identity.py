"""Ids, tokens and passwords in TagoCore's form, drawn from a seeded generator.

Only for made-up projects: what comes from a seed can be guessed. What a restore gives a project
comes from the operating system's randomness instead.
"""

from __future__ import annotations

import hashlib
import random
import uuid

# What Node's scrypt uses unless told otherwise, which TagoCore does not.
_SCRYPT_COST = 16_384
_SCRYPT_BLOCK = 8
_PASSWORD_BYTES = 48


def object_id(rng: random.Random, milliseconds: int) -> str:
    """An id of 24 hex digits as TagoCore makes it at that moment (epoch milliseconds)."""
    return f"{id_prefix(milliseconds)}{rng.getrandbits(80):020x}"


def id_prefix(milliseconds: int) -> str:
    """The clock's part of an id: digits 1 and 2 reversed, digits 3 and 4 as one hex byte."""
    digits = str(milliseconds)
    return f"{digits[1]}{digits[0]}{int(digits[2:4]):02x}"


def token(rng: random.Random) -> str:
    """A token: a UUID version 4."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def password(rng: random.Random, text: str) -> str:
    """A password as TagoCore stores it: ``24``, the salt, and scrypt's 48 bytes in hex."""
    salt = f"{rng.getrandbits(96):024x}"
    digest = hashlib.scrypt(
        text.encode(),
        salt=salt.encode(),
        n=_SCRYPT_COST,
        r=_SCRYPT_BLOCK,
        p=1,
        dklen=_PASSWORD_BYTES,
    )
    return f"24{salt}{digest.hex()}"
