"""What the engine makes of a project's plan before it is saved, field by field."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

from engine import Backup, Engine, Invalid, Plan
from tui.screens.schedule_draft import Draft, change

_NO_NUMBER = Invalid("A number is missing.", hint="Give how many backups to keep.")


class Checked(NamedTuple):
    """What the engine says of a draft: its plan, or what is wrong, and the backups that go."""

    draft: Draft
    plan: Plan | None  # None where its time or zone is wrong
    wrong: dict[str, Invalid]  # by field
    going: Sequence[Backup] = ()

    @property
    def error(self) -> Invalid | None:
        """The first of what is wrong."""
        return next(iter(self.wrong.values()), None)


async def check(engine: Engine, project: str, saved: Draft, draft: Draft) -> Checked:
    """Ask the engine what it makes of a draft; `saved` is what the home has.

    Raises what the engine raises, but for values that it refuses: they are told by field.
    """
    preview, wrong = partial(engine.preview_schedule, project), {}
    checks: dict[str, Callable[[], Awaitable[Plan]]] = {}
    if draft.on:
        # Each beside something that is right: what is refused then is the field itself.
        checks["at"] = partial(preview, at=draft.at, zone="UTC")
        checks["zone"] = partial(preview, at="00:00", zone=draft.zone or None)
    if draft.keep:
        checks["keep"] = partial(preview, keep=int(draft.keep), off=True)
    else:
        wrong["keep"] = _NO_NUMBER
    for field, ask in checks.items():
        try:
            await ask()
        except Invalid as error:
            wrong[field] = error
    keep = saved.keep if "keep" in wrong else draft.keep
    plan, what = None, change(saved, draft._replace(keep=keep))
    if wrong.keys() <= {"keep"}:
        plan = await preview(**what._asdict())
    going: Sequence[Backup] = ()
    if what.keep is not None and what.keep < int(saved.keep):
        going = await engine.would_remove(project, keep=what.keep)
    return Checked(draft, plan, wrong, going)
