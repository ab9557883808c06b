"""Public keys of people, as OpenSSH writes them into files that end in .pub.

Sources: RFC 4253, section 6.6, RFC 5656 and OpenSSH's PROTOCOL.u2f for the fields of a key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from typing import NamedTuple

from engine.errors import Invalid
from engine.names import shown

_LONGEST = 16 * 1024  # characters of one key's line
_SHORTEST_RSA = 2048  # bits
# Keys in security tokens: how many fields they have, and how many bytes the public point.
_IN_TOKENS = {
    "sk-ssh-ed25519@openssh.com": (3, 32),
    "sk-ecdsa-sha2-nistp256@openssh.com": (4, 65),
}
_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    *_IN_TOKENS,
    "ssh-rsa",
)
_COMMENT = re.compile(r"[^\x21-\x7e]+")
_ONE_LINE = "Nothing was changed. Give a file with one public key, such as id_ed25519.pub."


class PublicKey(NamedTuple):
    """A public key as a line of authorized_keys holds it."""

    type: str
    blob: bytes
    comment: str

    @property
    def fingerprint(self) -> str:
        """The key's name, as ``ssh-keygen -l`` prints it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")
        return f"SHA256:{digest}"

    @property
    def text(self) -> str:
        """The key as it is written in a line."""
        return f"{self.type} {base64.b64encode(self.blob).decode()} {self.comment}".rstrip()


def parse_key(text: str) -> PublicKey:
    """Read one public key. Raises `Invalid` for what is none, or none to be trusted."""
    if "PRIVATE KEY" in text:
        raise Invalid(
            "This is a private key. It belongs to its owner and to nobody else.",
            hint="Nothing was changed. Give the public one: the file that ends in .pub.",
        )
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise Invalid("There is no key in what was given.", hint=_ONE_LINE)
    if len(lines) > 1:
        raise Invalid(f"There are {len(lines)} lines where one key is wanted.", hint=_ONE_LINE)
    if len(lines[0]) > _LONGEST:
        raise Invalid(f"A key has at most {_LONGEST} characters.", hint=_ONE_LINE)
    words = lines[0].split(None, 2)
    if len(words) < 2 or words[0] not in _TYPES:
        raise Invalid(
            f"{shown(words[0])} is not the type of a public key that is accepted.",
            hint=f"{_ONE_LINE} It begins with one of: {', '.join(_TYPES)}.",
        )
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("The key is damaged: it is not base64.", hint=_ONE_LINE) from None
    # The comment is for people: what a terminal would obey, or a line end, has no place in it.
    comment = _COMMENT.sub("_", words[2].strip())[:100] if len(words) > 2 else ""
    _check_blob(words[0], blob)
    return PublicKey(words[0], blob, comment)


def _check_blob(kind: str, blob: bytes) -> None:
    """Raise `Invalid` unless the bytes are a key of the type that is written before them."""
    fields = _fields(blob)
    if not fields or fields[0] != kind.encode():
        raise Invalid("The key is damaged: it is not of the type it names.", hint=_ONE_LINE)
    if kind in _IN_TOKENS:  # a form of OpenSSH's own, which cryptography does not read
        count, length = _IN_TOKENS[kind]
        if len(fields) != count or len(fields[-2]) != length:
            raise Invalid("The key is damaged.", hint=_ONE_LINE)
        return
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        key = load_ssh_public_key(kind.encode() + b" " + base64.b64encode(blob))
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid("The key is damaged.", hint=_ONE_LINE) from None
    if isinstance(key, RSAPublicKey) and key.key_size < _SHORTEST_RSA:
        raise Invalid(
            f"The key has {key.key_size} bits: RSA keys need {_SHORTEST_RSA} to be safe.",
            hint="Nothing was changed. Make a new one: ssh-keygen -t ed25519",
        )


def _fields(blob: bytes) -> list[bytes]:
    fields, at = [], 0
    while at + 4 <= len(blob):
        (length,) = struct.unpack_from(">I", blob, at)
        at += 4
        if length > len(blob) - at:
            return []
        fields.append(blob[at : at + length])
        at += length
    return fields if at == len(blob) else []
