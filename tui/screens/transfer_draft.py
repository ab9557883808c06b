"""What of a project is to be moved, as far as it is filled in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine import Origin, Project
from tui.typed_span import TypedSpan


class Draft(NamedTuple):
    """What is filled in. Devices are ids in the source; none means all, as with variables.

    The span is as typed; a moment without a zone is meant in the target's.
    """

    source: Project | None = None
    target: Project | None = None
    devices: tuple[str, ...] = ()
    by_name: bool = False
    variables: tuple[str, ...] = ()
    span: TypedSpan = TypedSpan()
    create_missing: bool = False


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
