"""What of a project is to be moved, as far as it is filled in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from engine import Origin, Project

TO_FILL_IN = "2026-11-23 or 2026-11-23 14:30"


class Draft(NamedTuple):
    """What is filled in. Devices are ids in the source; none means all, as with variables.

    Moments are as typed; one without a zone is meant in the target's zone.
    """

    source: Project | None = None
    target: Project | None = None
    devices: tuple[str, ...] = ()
    by_name: bool = False
    variables: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    create_missing: bool = False


class Moments(NamedTuple):
    """The span of time that is meant, in UTC, and what is wrong with what was typed."""

    since: datetime | None
    until: datetime | None
    wrong: dict[str, str]  # by field


def moments(draft: Draft, zone: str | None) -> Moments:
    """Read the span of time that was typed; `zone` is an IANA zone, None for UTC."""
    read: dict[str, datetime | None] = {}
    wrong: dict[str, str] = {}
    for field in ("since", "until"):
        text = getattr(draft, field).strip()
        try:
            read[field] = _moment(text, zone) if text else None
        except (ValueError, OverflowError):
            read[field] = None
            wrong[field] = f"give {TO_FILL_IN}"
    since, until = read["since"], read["until"]
    if since is not None and until is not None and since >= until:
        wrong["until"] = "it ends before it begins"
    return Moments(since, until, wrong)


def _moment(text: str, zone: str | None) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        found = found.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
    return found.astimezone(UTC)


def first_draft(projects: Sequence[Project], source: str | None, target: str | None) -> Draft:
    """What is meant most likely, with these projects (ids) where they are given.

    Data goes from what was restored last into what is in use. What may be another is left open.
    """
    known = {project.id: project for project in projects}
    from_, into = known.get(source or ""), known.get(target or "")
    if from_ is None:
        restored = [
            each for each in projects if each.origin is Origin.RESTORED and each is not into
        ]
        from_ = max(restored, key=lambda each: each.created, default=None)
    if into is None:
        in_use = [each for each in projects if each.origin is Origin.ADOPTED and each is not from_]
        into = in_use[0] if len(in_use) == 1 else None
    return Draft(from_, into)


def wanting(draft: Draft) -> str:
    """What has still to be filled in, in a sentence; empty where nothing has."""
    if draft.source is None:
        return "Choose the project that the data is in."
    if draft.target is None:
        return "Choose the project that it is to go into."
    if draft.source.id == draft.target.id:
        return "Choose two projects: this is one."
    return ""
