"""What restored projects keep off until their owners wake them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from engine.catalog.columns import value_of, value_text
from engine.catalog.connection import Database
from engine.model import HeldItem


class Held:
    """The held items of quiet projects; a project is quiet while it has any."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set(self, project: str, items: Sequence[HeldItem]) -> None:
        """Note all that a project holds, in place of what was noted.

        Raises `sqlite3.IntegrityError` for a project that is not in the catalog.
        """
        async with self._database.transaction():
            await self.clear(project)
            for position, item in enumerate(items):
                await self._database.change(
                    'INSERT INTO held_item (project, position, kind, item, name, "column",'
                    " was, held) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    project,
                    position,
                    item.kind,
                    item.id,
                    item.name,
                    item.column,
                    value_text(item.was),
                    value_text(item.held),
                )

    async def items(self, project: str) -> Sequence[HeldItem]:
        """What a project holds, in the order in which it was given."""
        return await self._database.facts(
            _item, "SELECT * FROM held_item WHERE project = ? ORDER BY position", project
        )

    async def clear(self, project: str) -> None:
        """Note that a project holds nothing any more."""
        await self._database.change("DELETE FROM held_item WHERE project = ?", project)


def _item(row: sqlite3.Row) -> HeldItem:
    return HeldItem(
        kind=row["kind"],
        id=row["item"],
        name=row["name"],
        column=row["column"],
        was=value_of(row["was"]),
        held=value_of(row["held"]),
    )
