"""Who gets in over SSH: the keys of people, and the sessions that they begin.

Keys are for the account that the home belongs to: who adds one decides who may act under a name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.access import Action, check_user_name
from engine.errors import Invalid
from engine.model import Verdict
from engine.session import Session

if TYPE_CHECKING:
    from engine.model import RemovedKeys, UserKey


class Logins(Session):
    """The keys of a home's people, and their sessions."""

    async def keys(self, file: Path) -> list[UserKey]:
        """The keys in an account's authorized_keys that let people in, to this home and to others.

        Raises `NotAllowed` for all but the account that the home belongs to, `HomeUnsafe` where
        others can write the file, and `Damaged` where our lines are not as we wrote them.
        """
        from engine.authorized_keys import AuthorizedKeys

        await self._require_keeper(Action.SEE_KEYS)
        return await asyncio.to_thread(lambda: AuthorizedKeys(file).known())

    async def key_line(self, user: str, key: str, program: Sequence[str]) -> str:
        """The line of authorized_keys that lets `user` in with a public key; it is not written.

        `program` are the words that start Backstay. Raises `NotAllowed` and `Invalid`.
        """
        from engine.authorized_keys import key_line
        from engine.public_key import parse_key

        await self._require_keeper(Action.SEE_KEYS)
        self._check_login(user)
        return key_line(user, parse_key(key), program, self.home)

    async def add_key(self, user: str, key: str, file: Path, program: Sequence[str]) -> UserKey:
        """Let `user` in with a public key; a line for both that is there is brought up to date.

        Raises what `key_line` and `keys` raise, and `Taken` where the key lets in somebody else,
        or into another home.
        """
        from engine.authorized_keys import AuthorizedKeys, key_line
        from engine.public_key import parse_key

        await self._require_keeper(Action.ADD_KEY, user)
        self._check_login(user)
        parsed = parse_key(key)
        line = key_line(user, parsed, program, self.home)

        def look() -> AuthorizedKeys:
            keys = AuthorizedKeys(file)
            keys.check_free(user, parsed, self.home)
            return keys

        keys = await asyncio.to_thread(look)
        # Told before it is done: a key that is there was always told of.
        await self._access.record(Action.ADD_KEY, detail=f"{user}, {parsed.fingerprint}")
        return await asyncio.to_thread(keys.add, user, parsed, line, self.home)

    async def remove_key(
        self, user: str, file: Path, *, fingerprint: str | None = None
    ) -> RemovedKeys:
        """Let `user` in no more: with one of their keys, or with any; gives those that went.

        Their sessions that are open are ended, whichever key they came in with. Raises `NotFound`,
        what `keys` raises, and `Failed` where the keys are gone but sessions cannot be ended.
        """
        from engine.authorized_keys import AuthorizedKeys
        from engine.model import RemovedKeys
        from engine.open_sessions import end_sessions

        await self._require_keeper(Action.REMOVE_KEY, user)
        going = await asyncio.to_thread(lambda: AuthorizedKeys(file).of(user, fingerprint))
        told = ", ".join([user, *(key.fingerprint for key in going)])
        await self._access.record(Action.REMOVE_KEY, detail=told)
        gone = await asyncio.to_thread(lambda: AuthorizedKeys(file).remove(user, fingerprint))
        homes = {(key.user, key.home) for key in gone}
        return RemovedKeys(gone, await asyncio.to_thread(end_sessions, homes))

    async def begin_session(self, source: str, what: str) -> None:
        """Note in the audit trail that the user has come in, from where, and for what.

        As all that is noted of a session, it has room on a full disk, too: who is to make room
        there must be able to come in.
        """
        told = f"from {source}: {what}"
        await self._note(Action.BEGIN_SESSION, Verdict.ALLOWED, told)

    async def end_session(self, source: str, how: str) -> None:
        """Note in the audit trail that the user's session has ended, and how."""
        await self._note(Action.END_SESSION, Verdict.ALLOWED, f"from {source}: {how}")

    async def refuse_session(self, source: str, what: str) -> None:
        """Note in the audit trail that the user asked for what no session may do."""
        await self._note(Action.RUN_COMMAND, Verdict.REFUSED, f"from {source}: {what}")

    async def _note(self, action: Action, verdict: Verdict, detail: str) -> None:
        audit = self._catalog.audit
        await self._reserve.lend(
            lambda: audit.add(self._clock(), self.user, action.value, verdict, detail=detail)
        )

    async def _require_keeper(self, action: Action, detail: str = "") -> None:
        home = self._home
        keeps = await asyncio.to_thread(home.is_kept_by, self.user)
        await self._access.require_home(action, (), keeps=keeps, keeper=home.keeper, detail=detail)

    def _check_login(self, user: str) -> None:
        check_user_name(user)
        if user == self._home.keeper:
            raise Invalid(
                f"{user} is the account that this home belongs to: a key under its name would "
                "reach the whole home.",
                hint="Nothing was changed. Give the name of the person, such as ana.",
            )
