"""What an owner changes in a project's plan before it is saved, while others may change it, too."""

from __future__ import annotations

from typing import NamedTuple

from engine import Plan

FIELDS = ("on", "at", "zone", "keep")
CALLED = {"on": "daily backup", "at": "time", "zone": "time zone", "keep": "number to keep"}
_FIRST_TIME = "03:00"  # offered where there was no schedule yet


class Draft(NamedTuple):
    """A plan as it stands in the fields. `on` is whether backups are made by schedule.

    `at` and `zone` keep what they were while it is off: it may be switched on again.
    """

    on: bool
    at: str
    zone: str
    keep: str

    def value(self, field: str) -> str:
        """What one of `FIELDS` holds, as it is told."""
        if field == "on":
            return "on" if self.on else "off"
        return str(getattr(self, field))


class Change(NamedTuple):
    """What of a plan is to be set; the engine leaves as it is what is None."""

    at: str | None = None
    zone: str | None = None
    keep: int | None = None
    off: bool = False


def draft_of(plan: Plan, before: Draft | None = None) -> Draft:
    """A plan as the fields show it. Time and zone of one that is off are those from before."""
    if plan.at is not None and plan.zone is not None:
        return Draft(True, plan.at, plan.zone, str(plan.keep))
    at, zone = (before.at, before.zone) if before else (_FIRST_TIME, "")
    return Draft(False, at, zone, str(plan.keep))


def touched(saved: Draft, draft: Draft) -> tuple[str, ...]:
    """The fields that would be saved otherwise than they are now."""
    unlike = [name for name in FIELDS if _form(saved, name) != _form(draft, name)]
    return tuple(name for name in unlike if draft.on or name not in ("at", "zone"))


def _form(draft: Draft, field: str) -> str:
    """What makes two values the same: 3:00 is 03:00, and 7 is 07."""
    text = draft.value(field)
    return {"at": text.zfill(5), "keep": text.lstrip("0")}.get(field, text)


def followed(saved: Draft, draft: Draft, now: Draft) -> Draft:
    """The draft after the plan was changed: fields that were not touched follow it."""
    return Draft(
        on=now.on if draft.on == saved.on else draft.on,
        at=now.at if draft.at == saved.at else draft.at,
        zone=now.zone if draft.zone == saved.zone else draft.zone,
        keep=now.keep if draft.keep == saved.keep else draft.keep,
    )


def change(saved: Draft, draft: Draft) -> Change:
    """What is to be set: nothing that was not touched, so nothing of what others changed."""
    unlike = touched(saved, draft)
    keep = int(draft.keep) if "keep" in unlike else None
    if not draft.on:
        return Change(keep=keep, off="on" in unlike)
    first = not saved.on
    return Change(
        at=draft.at if first or "at" in unlike else None,
        zone=(draft.zone or None) if first or "zone" in unlike else None,
        keep=keep,
    )


def told(saved: Draft, draft: Draft) -> list[str]:
    """What is not saved yet, in words, field by field."""
    return [
        f"{CALLED[field]} {saved.value(field) or 'none'} → {draft.value(field) or 'none'}"
        for field in touched(saved, draft)
        if saved.on or field not in ("at", "zone")
    ]
