"""Random work in one home against a model of what must be there, with workers that are killed.

It takes 20 seconds; BACKSTAY_SOAK=SECONDS makes it longer. What it does depends on a seed that it
prints, and BACKSTAY_SEED=SEED does it again. Where a kill hits is left to chance.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

sys.path.append(str(Path(__file__).parents[1] / "engine"))
sys.path.append(str(Path(__file__).parent))

from clean_up_support import check_clean, contents
from promises_support import (
    FEE,
    OWNER,
    Now,
    World,
    adopted,
    all_rows,
    change,
    leftovers,
    query,
    restored,
)
from soak_model import SLOT, Model

from engine.engine import Engine
from engine.errors import Failed
from engine.handle import Handle
from engine.model import BackupState, Origin
from engine.project.demo.instance import write_instance
from engine.project.instance import find

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
SECONDS = float(os.environ.get("BACKSTAY_SOAK", "20"))
LAST_CHECK = 0.2  # of the time, for what is looked at when all is done
LIMIT = 180  # seconds until work that should end counts as work that does not
SLOWER = 1000  # times; so no slot comes while something is under way, and no two dates are one
WORKER = """
import asyncio, sys, time
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from engine.errors import Busy
from engine.worker import run_worker

def clock():
    return moment + timedelta(seconds=(time.monotonic() - since) / slower)

moment, since, slower = datetime.fromisoformat(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
with suppress(Busy):
    asyncio.run(run_worker(Path(sys.argv[1]), clock=clock))
"""


class SlowClock(Now):
    """A clock that the test moves, and that goes on by itself; for all processes it is the same."""

    since = time.monotonic()

    def __call__(self) -> datetime:
        """The moment that it shows."""
        return self.moment + timedelta(seconds=(time.monotonic() - self.since) / SLOWER)


async def test_random_work_leaves_what_a_model_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = os.environ.get("BACKSTAY_SEED") or os.urandom(4).hex()
    with capsys.disabled():
        sys.stdout.write(f"\nBACKSTAY_SEED={seed}\n")
    soak = Soak(tmp_path, seed)
    # A worker that the engine starts has the clock of this machine: ours has the test's.
    monkeypatch.setattr("engine.worker.start_worker", soak.start_worker)
    end = time.monotonic() + SECONDS * (1 - LAST_CHECK)
    try:
        await soak.begin()
        while time.monotonic() < end:
            await soak.do_something()
        await soak.check_everything()
    except BaseException as error:
        error.add_note(f"BACKSTAY_SEED={seed}, after:\n" + "\n".join(soak.done))
        raise
    finally:
        soak.end()


class Soak:
    """A home with one project, what must be in it, and the workers that were started for it."""

    def __init__(self, folder: Path, seed: str) -> None:
        self.done: list[str] = []  # what was done until now
        self._random = random.Random(seed)
        self._world = World(folder, SlowClock())
        self._said = folder / "workers"
        self._said.mkdir()
        self._workers: list[subprocess.Popen[bytes]] = []
        self._model = Model(self._world.now())
        self._numbers = 0
        self._patience = 1.0  # seconds within which a worker is killed
        self._actions: dict[Callable[[], Awaitable[None]], int] = {
            self.write: 4,
            self.change_devices: 1,
            self.back_up: 4,
            self.restore: 2,
            self.delete: 2,
            self.clean_up: 1,
            self.keep_others: 1,
            self.move_the_clock: 3,
            self.kill_a_backup: 3,
            self.kill_a_restore: 2,
            self.kill_a_clean_up: 2,
        }

    def start_worker(self, home: Path) -> None:
        """Start a worker that has the test's clock."""
        moment = self._world.now.moment.isoformat()
        with (self._said / f"{len(self._workers)}.txt").open("wb") as said:
            clock = (moment, str(SlowClock.since), str(SLOWER))
            command = [sys.executable, "-c", WORKER, str(home), *clock]
            self._workers.append(
                subprocess.Popen(
                    command, cwd=ROOT, stdout=said, stderr=said, start_new_session=True
                )
            )

    def end(self) -> None:
        """End every worker that still lives."""
        for worker in self._workers:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()

    async def begin(self) -> None:
        """Make the project and the home, and take a first backup."""
        world = self._world
        write_instance(world.source, seed=3, devices=4, rows=400, until=world.now(), port=18900)
        world.set_prices()
        async with self._opened() as engine:
            await adopted(engine, world)
            await engine.set_schedule("Plant", at=SLOT.isoformat("minutes"), zone="UTC")
        begun = time.monotonic()
        await self.back_up()
        self._patience = time.monotonic() - begun
        await self._check()

    async def do_something(self) -> None:
        """Do one thing, and look at all that it may have touched and at one backup."""
        actions, weights = list(self._actions), list(self._actions.values())
        action = self._random.choices(actions, weights)[0]
        self.done.append(action.__name__)
        await action()
        await self._check()

    # What is done

    async def write(self) -> None:
        """Change rows of some devices, add some, and remove some."""
        files = self._world.files
        for file in self._random.sample(files, self._random.randint(1, len(files))):
            one_of = self._random.randint(2, 9)
            change(
                file,
                f"UPDATE data SET value = 'write {self._number()}' WHERE rowid % {one_of} = 0",
                f"DELETE FROM data WHERE rowid % 11 = {one_of}",
                "INSERT INTO data (id, variable, type, value, unit, `group`, time, created_at)"
                " SELECT lower(hex(randomblob(12))), variable, type, 'new', unit, `group`,"
                f" time + 1, created_at + 1 FROM data LIMIT {self._random.randint(0, 40)}",
            )

    async def change_devices(self) -> None:
        """Make a device that is like another, or delete one."""
        main = find(self._world.source).database
        files = self._world.files
        file = self._random.choice(files)
        if len(files) > 2 and self._random.random() < 0.5:
            change(
                main,
                f"DELETE FROM device_token WHERE device_id = '{file.stem}'",
                f"DELETE FROM device_params WHERE device_id = '{file.stem}'",
                f"DELETE FROM device WHERE id = '{file.stem}'",
            )
            file.unlink()
            return
        new = f"{self._number():024x}"
        file.with_name(f"{new}.db").write_bytes(file.read_bytes())
        columns = [
            f"`{name}`" for (name,) in query(main, "SELECT name FROM pragma_table_info('device')")
        ]
        rest = ", ".join(columns[1:])
        change(
            main,
            f"INSERT INTO device (`id`, {rest})"
            f" SELECT '{new}', {rest} FROM device WHERE id = '{file.stem}'",
        )

    async def back_up(self) -> None:
        """Take a backup."""
        async with self._opened() as engine:
            await self._to_the_end(await engine.backup("Plant"))
        await self._worked(backups=1)

    async def restore(self) -> None:
        """Make a project of a backup, to stay."""
        async with self._opened() as engine:
            await self._restore(engine, self._some_backup())
        await self._worked()

    async def delete(self) -> None:
        """Delete a project that was made of a backup."""
        if self._model.copies:
            await self._delete(self._random.choice(sorted(self._model.copies)))

    async def clean_up(self) -> None:
        """Remove what is beyond the backups that are kept."""
        async with self._opened() as engine:
            await self._to_the_end(await engine.clean_up("Plant"))
        await self._worked()
        self._model.clean_up(self._world.now())

    async def keep_others(self) -> None:
        """Keep more backups or fewer from now on: at once nothing is removed."""
        self._model.keep = self._random.randint(1, 4)
        async with self._opened() as engine:
            await engine.set_schedule("Plant", keep=self._model.keep)

    async def move_the_clock(self) -> None:
        """Let time pass, or set the clock back."""
        hours = self._random.choice([1, 5, 24, 24, 24, 80, -3, -30])
        self._world.now.pass_by(hours=hours)
        self.done[-1] += f" by {hours} hours"

    async def kill_a_backup(self) -> None:
        """Kill the worker of a backup."""
        async with self._opened() as engine:
            await self._killed(await engine.backup("Plant"))
        await self._recover(backups=1)

    async def kill_a_restore(self) -> None:
        """Kill the worker of a restore: the project is there, and charged, or not at all."""
        name, backup = self._new_name(), self._some_backup()
        async with self._opened() as engine:
            done = await self._killed(await engine.restore(backup, name, accept_cost=FEE))
            if done is not None:
                self._model.charged.append(done.project.id)
                self._model.copies[name] = self._model.backups[backup].rows
        await self._recover()

    async def kill_a_clean_up(self) -> None:
        """Kill the worker of a clean-up."""
        async with self._opened() as engine:
            await self._killed(await engine.clean_up("Plant"))
        await self._recover()

    # How it is done

    @asynccontextmanager
    async def _opened(self, *, works: bool = False) -> AsyncIterator[Engine]:
        async with Engine.open(
            self._world.home, user=OWNER, clock=self._world.now, create=True, works=works
        ) as engine:
            yield engine

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _new_name(self) -> str:
        return f"Copy {self._number()}"

    def _some_backup(self) -> str:
        # Ids are drawn by chance: so that a seed does the same again, their order is that of age.
        return self._random.choice(list(self._model.backups))

    async def _to_the_end(self, handle: Handle[T]) -> T:
        return await asyncio.wait_for(handle.result(), LIMIT)

    async def _killed(self, handle: Handle[T]) -> T | None:
        """Kill the worker soon; gives what was done nevertheless, or None."""
        with_children = self._random.random() < 0.5
        await asyncio.sleep(self._random.uniform(0, self._patience))
        for worker in self._workers:
            if worker.poll() is None:
                (os.killpg if with_children else os.kill)(worker.pid, signal.SIGKILL)
        try:
            return await self._to_the_end(handle)
        except Failed as lost:
            assert "Its worker ended before it was done" in lost.message  # noqa: PT017
            self.done[-1] += ", and it was lost"
            return None

    async def _recover(self, *, backups: int = 0) -> None:
        """Let the next worker and a clean-up put in order what a worker left that was killed."""
        await self._workers_ended()
        self.start_worker(self._world.home)
        await self._worked(backups=backups, killed=True)
        await self.clean_up()

    async def _workers_ended(self) -> None:
        for number, worker in enumerate(self._workers):
            code = await asyncio.to_thread(worker.wait, LIMIT)
            assert code in (0, -signal.SIGKILL)
            assert (self._said / f"{number}.txt").read_text() == ""
        self._workers.clear()

    async def _worked(self, *, backups: int = 0, killed: bool = False) -> None:
        """Wait until the workers have ended; tell the model what they made.

        `backups` were asked for. Where a worker was killed, it may be that they are there or not,
        and that the scheduled one is there twice: adopted, and run again.
        """
        await self._workers_ended()
        now, model = self._world.now(), self._model
        scheduled = model.take_slot(now)
        catalog = self._world.home / "catalog.db"
        listed = {
            str(backup): datetime.fromisoformat(str(date))
            for backup, date in query(catalog, "SELECT id, date FROM backup")
        }
        done = "SELECT json_extract(result, '$.backup') FROM job WHERE kind = 'backup'"
        made = {str(backup) for (backup,) in query(catalog, f"{done} AND state = 'succeeded'")}
        new = (made | listed.keys()) - model.known
        if killed:
            assert scheduled <= len(new) <= backups + 2 * scheduled
        else:
            assert len(new) == backups + scheduled
        there = {backup: listed[backup] for backup in new & listed.keys()}
        assert len(there) >= min(len(new), model.keep)  # those that came after them stay
        model.known |= new
        model.add(there, all_rows(self._world.source))
        if new and not killed:
            model.clean_up(now)

    async def _restore(self, engine: Engine, backup: str) -> str:
        """Make a project of a backup; gives its name."""
        name, model = self._new_name(), self._model
        made = await asyncio.wait_for(restored(engine, name, backup, FEE), LIMIT)
        model.charged.append(made.project.id)
        model.copies[name] = model.backups[backup].rows
        assert all_rows(made.project.path) == model.copies[name]
        return name

    async def _delete(self, name: str) -> None:
        async with self._opened() as engine:
            await engine.delete(name, confirm=name)
        del self._model.copies[name]

    # What must be so

    async def _check(self) -> None:
        """The home is as the model says, before and after one backup is restored."""
        await self._check_facts()
        async with self._opened(works=True) as engine:
            name = await self._restore(engine, self._some_backup())
            await self._idle(engine)
        await self._worked()
        await self._delete(name)
        await self._check_facts()

    async def _idle(self, engine: Engine) -> None:
        """Wait until every job has ended, also those that nobody here asked for."""
        async with asyncio.timeout(LIMIT):
            for job in await engine.jobs():
                if not job.state.ended:
                    await (await engine.watch(job.id)).result()
        jobs = await engine.jobs()
        if any(not job.state.ended for job in jobs):  # those asked for by what was just done
            await self._idle(engine)

    async def _check_facts(self) -> None:
        """All that can be seen without changing anything."""
        home, model = self._world.home, self._model
        async with self._opened() as engine:
            listed = await engine.backups("Plant")
            assert {backup.id: backup.date for backup in listed} == {
                backup: made.date for backup, made in model.backups.items()
            }
            assert {backup.state for backup in listed} == {BackupState.COMPLETE}
            projects = await engine.projects()
            copies = {each.name: each for each in projects if each.origin is Origin.RESTORED}
            assert copies.keys() == model.copies.keys()
            assert len(projects) == len(copies) + 1
            assert [job for job in await engine.jobs() if not job.state.ended] == []
        folder = home / "projects"
        there = set(folder.iterdir()) if folder.exists() else set()
        assert there == {each.path for each in copies.values()}
        assert leftovers(home) == []
        assert not (home / "worker.log").exists(), (home / "worker.log").read_text()
        catalog = home / "catalog.db"
        half_made = query(catalog, "SELECT name FROM project WHERE state = 'creating'")
        assert half_made == []
        charges = query(catalog, "SELECT project, amount FROM charge ORDER BY number")
        assert charges == [(project, str(FEE)) for project in model.charged]
        active = query(catalog, "SELECT project FROM active_interval WHERE ended IS NULL")
        assert sorted(active) == sorted((each.id,) for each in copies.values())
        slots = [date for (date,) in query(catalog, "SELECT date FROM slot ORDER BY date")]
        assert slots == [day.isoformat() for day in sorted(model.slots)]

    async def check_everything(self) -> None:
        """Every backup restores, every restored project is as it was, and no garbage is left."""
        self.done.append("the end")
        async with self._opened() as engine:
            copies = [each for each in await engine.projects() if each.origin is Origin.RESTORED]
        for project in copies:
            assert all_rows(project.path) == self._model.copies[project.name]
            await self._delete(project.name)
        await self.clean_up()
        async with self._opened(works=True) as engine:
            for backup in list(self._model.backups):
                await self._restore(engine, backup)
            await self._idle(engine)
        await self._worked()
        await self._check_facts()
        repository = self._world.repository()
        assert contents(repository).keys() == self._model.backups.keys()
        check_clean(repository)
