"""Cleaning a repository up, in child processes: backups that had their time go, and what only they
needed. The steps, and why they are safe, are in `engine.repository.cleanup`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from engine.children import Children, together
from engine.errors import StorageFailed
from engine.handle import Report
from engine.model import Progress
from engine.repository import cleanup as tasks
from engine.repository.plan import Plan, Sparse
from engine.repository.repository import Repository


class CleanedUp(NamedTuple):
    """What a clean-up did.

    `removed` are the backups that are gone now, those among them that were gone before. `deleted`
    counts packs that held nothing that is needed, and `rewritten` those whose live chunks moved
    into new packs. `freed` is what the repository as a whole lost in bytes.
    """

    removed: tuple[str, ...]
    deleted: int
    rewritten: int
    freed: int
    notes: tuple[str, ...]


async def clean_up(repository: Repository, remove: Collection[str], report: Report) -> CleanedUp:
    """Remove backups, and everything in the repository that no other backup needs.

    Whoever calls this holds the home's lock for work. It works where nothing can be written any
    more: then it only removes. Cancelled or failed, it leaves at worst garbage, which the next
    clean-up removes, and backups of `remove` may be gone already.

    Raises `RepositoryDamaged` or `TooNew` for the manifest of another backup, before anything is
    removed, `Failed` and `StorageFailed`.
    """
    async with Children(tasks.configure, repository, preload=tasks.NEEDED) as children:
        return await _CleanUp(children, frozenset(remove), report).run()


class _CleanUp:
    """One clean-up under way."""

    def __init__(self, children: Children, remove: frozenset[str], report: Report) -> None:
        self._children = children
        self._remove = remove
        self._report = report
        self._notes: list[str] = []
        self._moved = 0  # bytes
        self._no_room = ""  # why nothing can be written

    async def run(self) -> CleanedUp:
        self._report(Progress("looking for what is still needed", 0, 0))
        plan = await self._children.run(tasks.make_plan, self._remove)
        self._notes += plan.notes
        await self._children.run(tasks.remove_manifests, self._remove)
        dead = frozenset(plan.dead)
        rewritten = await self._rewrite(plan)
        if self._no_room:
            dead |= await self._children.run(tasks.packs_made, plan.packs)
        self._report(Progress("removing", 0, 0))
        size = await self._remove_packs(plan, dead, dead | rewritten)
        return CleanedUp(
            removed=tuple(sorted(self._remove)),
            deleted=len(plan.dead),
            rewritten=len(rewritten),
            freed=plan.size - size,
            notes=tuple(self._notes),
        )

    async def _rewrite(self, plan: Plan) -> frozenset[str]:
        """Copy what is live in sparse packs; gives those that can go then.

        Where that cannot be written none can, and what was written until then is garbage.
        """
        total = sum(sparse.live for sparse in plan.sparse)

        async def one(sparse: Sparse) -> bool:
            if self._no_room:
                return False
            try:
                whole = await self._children.run(tasks.move, sparse)
            except StorageFailed as error:
                self._no_room = error.message
                return False
            if not whole:
                self._notes.append(tasks.left_as_it_is(sparse.pack))
            self._moved += sparse.live
            self._report(Progress("moving what is still needed", self._moved, total))
            return whole

        moved = await together(one(sparse) for sparse in plan.sparse)
        if not self._no_room:
            self._no_room = " ".join(await self._children.each(tasks.finish_moving)).strip()
        if not self._no_room:
            pairs = zip(plan.sparse, moved, strict=True)
            return frozenset(sparse.pack for sparse, whole in pairs if whole)
        await self._children.each(tasks.give_up_moving)
        self._notes.append(
            f"{len(plan.sparse)} packs that are mostly garbage were left: {self._no_room}"
        )
        return frozenset()

    async def _remove_packs(self, plan: Plan, dead: frozenset[str], doomed: frozenset[str]) -> int:
        """Remove packs that no backup needs; gives the bytes that the repository has then.

        Where there is no room for a manifest, what is dead goes first: that makes room.
        """
        if doomed and (refused := await self._children.run(tasks.settle, doomed, plan.lost)):
            await self._remove_now(dead)
            if await self._children.run(tasks.settle, doomed, plan.lost):
                raise StorageFailed(refused)
            doomed -= dead
        return await self._remove_now(doomed)

    async def _remove_now(self, doomed: frozenset[str]) -> int:
        removed = await self._children.run(tasks.remove_packs, doomed)
        if removed.left:
            why = removed.reason or "The store said that it removed them."
            many = f"{removed.left} of {len(doomed)} packs"
            raise StorageFailed(
                f"{many} that no backup needs are still there. {why}",
                hint="All backups that are listed are safe. The next clean-up tries again.",
            )
        return removed.size
