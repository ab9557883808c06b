"""The keys that let people in over SSH."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from engine.model.written import Json


class UserKey(NamedTuple):
    """A public key that lets somebody in over SSH, to one home.

    `fingerprint` is as ``ssh-keygen -l`` prints it.
    """

    user: str
    type: str
    fingerprint: str
    comment: str
    home: Path

    def as_json(self) -> Json:
        """The stable keys of a user's key."""
        return {
            "user": self.user,
            "type": self.type,
            "fingerprint": self.fingerprint,
            "comment": self.comment,
            "home": str(self.home),
        }


class RemovedKeys(NamedTuple):
    """The keys that let somebody in no more, and how many open sessions were ended."""

    keys: Sequence[UserKey]
    sessions: int
