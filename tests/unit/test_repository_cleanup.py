"""Clean-up: what no backup needs goes, and what one needs stays, whatever happens meanwhile."""

from __future__ import annotations

import errno
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parent))

from cleanup_support import CHUNKS, Died, Model, changed, make_model, some_data

from engine.errors import Failed, RepositoryDamaged, StorageFailed, TooNew
from engine.model import Encryption
from engine.repository.packs import HEAD, PackWriter, damage_mark, object_name
from engine.repository.repository import CHUNK_SIZE
from engine.repository.storage import LocalStorage, Storage, storage_failed

if TYPE_CHECKING:
    from snapshot_support import MemoryStorage

pytest_plugins = ["tests.engine.snapshot_support"]


@pytest.fixture(params=list(Encryption))
def model(
    request: pytest.FixtureRequest, memory_storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> Model:
    """A repository in memory, sealed or only checked."""
    return make_model(memory_storage, monkeypatch, request.param)


def days(model: Model, count: int, share: float = 0.2, seed: int = 1) -> list[tuple[str, bytes]]:
    """Backups of a project that changes from day to day."""
    data, made = some_data(seed), []
    for day in range(count):
        made.append((model.backup(data), data))
        data = changed(data, seed * 1000 + day, share)
    return made


def raw(model: Model, name: str) -> bytes:
    return model.storage.read(name)


def put(model: Model, name: str, content: bytes) -> None:
    """Change what is stored, as a disk may."""
    model.storage.inner.delete(name)
    model.storage.inner.put(name, [content])


def mixed(data: bytes, other: bytes, every: int) -> bytes:
    """An image with every n-th chunk of another."""
    at = range(0, len(data), CHUNK_SIZE)
    return b"".join(
        (other if number % every == 0 else data)[start : start + CHUNK_SIZE]
        for number, start in enumerate(at)
    )


def flip(model: Model, name: str, at: int) -> None:
    content = bytearray(raw(model, name))
    content[at] ^= 1
    put(model, name, bytes(content))


async def test_what_only_a_removed_backup_needs_goes(model: Model) -> None:
    first, other = some_data(1), some_data(2)
    gone, stays = model.backup(first), model.backup(other)
    before = model.packs()
    size = sum(before.values())
    done = await model.clean(gone)
    model.check_clean()
    assert done.removed == (gone,)
    assert done.deleted == len(before) - len(model.packs()) > 0
    assert done.rewritten == 0
    assert size * 0.4 < done.freed < size * 0.6
    assert done.notes == ()
    assert list(model.wanted) == [stays]


async def test_what_backups_share_survives(model: Model) -> None:
    made = days(model, 5)
    for backup, _ in made[:4]:
        await model.clean(backup)
        model.check_clean()


async def test_packs_of_which_little_is_live_are_rewritten(model: Model) -> None:
    (first, data), *_ = days(model, 1)
    little = b"".join(
        data[at : at + CHUNK_SIZE] if (at // CHUNK_SIZE) % 5 == 0 else bytes(CHUNK_SIZE)
        for at in range(0, len(data), CHUNK_SIZE)
    )
    model.backup(little)
    size = sum(model.packs().values())
    done = await model.clean(first)
    model.check_clean()
    assert done.rewritten > 0
    assert sum(model.packs().values()) < size // 3
    assert done.freed > size // 2


async def test_packs_that_are_mostly_live_stay_as_they_are(model: Model) -> None:
    (first, data), *_ = days(model, 1)
    before = model.packs()
    model.backup(changed(data, 3, 0.1))
    done = await model.clean(first)
    assert before.items() <= model.packs().items()
    assert (done.deleted, done.rewritten) == (0, 0)


async def test_a_second_clean_up_finds_nothing_to_do(model: Model) -> None:
    made = days(model, 6, 0.5)
    await model.clean(*(backup for backup, _ in made[:4]))
    steps: list[str] = []
    model.storage.before = lambda act, _: steps.append(act)
    done = await model.clean(*(backup for backup, _ in made[:4]))
    assert (done.deleted, done.rewritten, done.freed, done.notes) == (0, 0, 0, ())
    assert len(done.removed) == 4
    assert steps == []


async def test_with_the_last_backup_everything_goes(model: Model) -> None:
    made = days(model, 3)
    await model.clean(*(backup for backup, _ in made))
    assert model.packs() == {}
    model.backup(made[0][1])
    model.check_clean()


async def test_packs_of_a_backup_that_never_came_to_exist_are_garbage(model: Model) -> None:
    days(model, 2)
    before = model.packs()
    model.store(some_data(7))
    assert model.packs() != before
    done = await model.clean()
    assert model.packs() == before
    assert done.deleted > 0


async def test_of_chunks_that_are_stored_twice_one_copy_stays(model: Model) -> None:
    data = some_data(1)
    model.backup(data, data)
    before = model.packs()
    assert sum(before.values()) > 2 * len(data)
    await model.clean()
    model.check_clean()
    assert sum(model.packs().values()) < 1.1 * len(data)
    assert model.packs().items() <= before.items()


async def test_of_two_copies_that_stays_whose_pack_is_needed_most(model: Model) -> None:
    data, garbage = some_data(1), some_data(9)
    backup = model.backup(garbage, mixed(garbage, data, 3), data)
    image = model.store(data)  # nothing new
    model.publish(image, data)
    done = await model.clean(backup)
    model.check_clean()
    assert done.rewritten == 0
    assert sum(model.packs().values()) < 1.1 * len(data)


async def test_order_manifests_then_copies_then_names_then_packs_then_marks(model: Model) -> None:
    made = days(model, 6, 0.5)
    flip(model, model.pack_of(made[0][1]), 60)
    with pytest.raises(RepositoryDamaged):
        model.restored(made[0][0])
    steps: list[str] = []
    model.storage.before = lambda act, name: steps.append(f"{act} {name.split('/')[0]}")
    await model.clean(*(backup for backup, _ in made[:4]))
    assert list(dict.fromkeys(steps)) == [
        "delete manifests",
        "put packs",
        "replace manifests",
        "delete packs",
        "delete damaged",
    ]


class TestKilled:
    """A clean-up that dies at any step loses nothing, and the next one finishes its work."""

    async def test_at_every_step(self, model: Model, memory_storage: MemoryStorage) -> None:
        made = days(model, 6, 0.5)
        remove = [backup for backup, _ in made[:4]]
        before, wanted = dict(memory_storage.objects), dict(model.wanted)
        whole = await self._steps(model, remove)
        assert whole > 10
        for step in range(1, whole + 1):
            memory_storage.objects = dict(before)
            assert await self._steps(model, remove, step) == step
            there = set(model.repository.manifests())
            assert there >= set(model.wanted)
            model.wanted = {backup: wanted[backup] for backup in there}
            model.check()
            await model.clean(*remove)
            model.check_clean()

    @staticmethod
    async def _steps(model: Model, remove: list[str], kill_at: int = 0) -> int:
        """Clean up, and die before a step; gives the number of steps."""
        steps = 0

        def before(_: str, __: str) -> None:
            nonlocal steps
            steps += 1
            if steps == kill_at:
                raise Died

        model.storage.before = before
        try:
            await model.clean(*remove)
        except Died:
            pass
        finally:
            model.storage.before = lambda *_: None
        return steps


class TestDamage:
    async def test_a_manifest_that_cannot_be_read_stops_it_before_anything_is_removed(
        self, model: Model
    ) -> None:
        made = days(model, 4, 0.5)
        broken = made[2][0]
        for content in (b"", raw(model, f"manifests/{broken}")[:-1], raw(model, "config")):
            put(model, f"manifests/{broken}", content)
            steps: list[str] = []
            model.storage.before = lambda act, _, told=steps: told.append(act)  # type: ignore[misc]  # a default value
            with pytest.raises(RepositoryDamaged, match=broken) as told:
                await model.clean(made[0][0])
            assert "Nothing was removed" in told.value.hint
            assert steps == []
            model.wanted[made[0][0]] = made[0][1]
        await model.clean(broken)  # to remove it is the way out
        model.check_clean()

    async def test_a_manifest_from_the_future_stops_it(self, model: Model) -> None:
        made = days(model, 3, 0.5)
        content = bytearray(raw(model, f"manifests/{made[1][0]}"))
        content[8], content[-1] = 2, content[-1] ^ 1
        put(model, f"manifests/{made[1][0]}", bytes(content))
        before = set(model.packs())
        with pytest.raises(TooNew, match=made[1][0]):
            await model.clean(made[0][0])
        assert set(model.packs()) == before
        assert model.restored(made[0][0]) == made[0][1]

    async def test_a_pack_from_the_future_stops_it(self, model: Model) -> None:
        made = days(model, 3, 0.5)
        pack = "ab" + "0" * 30
        model.storage.put(object_name(pack), [HEAD[:-1] + b"\x02" + bytes(300)])
        with pytest.raises(TooNew, match=pack):
            await model.clean(made[0][0])
        model.wanted[made[0][0]] = made[0][1]
        model.storage.delete(object_name(pack))
        model.check()

    @pytest.mark.parametrize("act", ["trailer", "cut", "empty"])
    async def test_a_pack_that_cannot_be_read_stays_while_something_is_missing(
        self, model: Model, act: str
    ) -> None:
        made = days(model, 3)
        name = model.pack_of(made[2][1], which=0)
        content = raw(model, name)
        broken = {
            "trailer": content[:-20] + bytes(20),
            "cut": content[: len(content) // 2],
            "empty": b"",
        }[act]
        put(model, name, broken)
        done = await model.clean(made[0][0])
        assert "chunks that backups need are missing" in done.notes[0]
        assert name[-32:] in done.notes[1]
        assert raw(model, name) == broken
        assert model.repository.has_damage()  # so the next backup looks at everything
        assert model.repository.manifest(made[2][0]).packs[name[-32:]] == len(content)
        put(model, name, content)  # the disk is well again: nothing was lost
        model.storage.delete(damage_mark(name[-32:], 0))
        model.check()

    async def test_an_unreadable_pack_goes_when_all_it_held_is_stored_again(
        self, model: Model
    ) -> None:
        made = days(model, 3)
        name = model.pack_of(made[2][1], which=0)
        put(model, name, raw(model, name)[:-9])
        await model.clean()
        for _, data in made:
            model.store(data)
        done = await model.clean()
        assert name[-32:] not in model.packs()
        assert done.notes == ()
        assert not model.repository.has_damage()
        model.check_clean()

    async def test_a_live_chunk_found_damaged_while_it_moves_stays_where_it_is(
        self, model: Model
    ) -> None:
        (first, data), *_ = days(model, 1)
        keep = [0, 13, 26]
        little = b"".join(
            data[n * CHUNK_SIZE : (n + 1) * CHUNK_SIZE] if n in keep else bytes(CHUNK_SIZE)
            for n in range(CHUNKS)
        )
        second = model.backup(little)
        name = model.pack_of(little, which=13)
        intact = raw(model, name)
        at = len(HEAD) + (13 % 6) // 2 * (len(intact) - len(HEAD)) // 3 + 50
        flip(model, name, at)
        done = await model.clean(first)
        assert done.rewritten > 0
        (note,) = done.notes
        assert name[-32:] in note
        assert len(list(model.storage.list("damaged"))) == 1
        assert name[-32:] in model.packs()
        with pytest.raises(RepositoryDamaged):
            model.restored(second)
        steps: list[str] = []
        model.storage.before = lambda act, _: steps.append(act)
        again = await model.clean()  # the same is told again, and nothing is done
        assert (again.notes, steps) == ((note,), [])
        third = model.backup(little)
        assert model.restored(second) == little  # stored again
        await model.clean()
        assert not model.repository.has_damage()
        assert name[-32:] not in model.packs()
        model.check_clean()
        assert {second, third} == set(model.wanted)

    async def test_a_good_copy_stays_and_the_damaged_one_goes(self, model: Model) -> None:
        data = some_data(1)
        backup = model.backup(data)
        flip(model, model.pack_of(data), 60)
        with pytest.raises(RepositoryDamaged):
            model.restored(backup)
        model.store(data)
        assert model.restored(backup) == data
        await model.clean()
        assert not model.repository.has_damage()
        model.check_clean()

    async def test_a_good_copy_stays_though_the_pack_of_the_damaged_one_is_needed_more(
        self, model: Model
    ) -> None:
        data = some_data(1)
        backup = model.backup(data)
        flip(model, model.pack_of(data), 60)
        with pytest.raises(RepositoryDamaged):
            model.restored(backup)
        model.store(mixed(some_data(5), data, 2))
        model.store(data)
        await model.clean()
        assert not model.repository.has_damage()
        model.check_clean()

    async def test_a_chunk_that_is_not_what_its_name_says_keeps_its_pack(
        self, model: Model
    ) -> None:
        """Somebody who holds the key sealed other bytes under its name."""
        data = some_data(1)
        chunks = [data[at : at + CHUNK_SIZE] for at in range(0, len(data), CHUNK_SIZE)]
        writer = PackWriter(model.storage, model.repository.keys)
        for number, chunk in enumerate(chunks):
            stored = some_data(2, 1) if number == 13 else chunk
            writer.add([model.name_of(chunk)], memoryview(stored), [CHUNK_SIZE])
        writer.finish()
        writer.close()
        first = model.backup(data)
        name = model.pack_of(data, which=13)
        model.backup(mixed(bytes(len(data)), data, 13))
        done = await model.clean(first)
        assert name[-32:] in done.notes[0]
        assert name[-32:] in model.packs()
        assert done.rewritten > 0

    async def test_a_list_that_is_not_what_its_name_says_counts_as_unread(
        self, model: Model
    ) -> None:
        data = some_data(1)
        backup = model.backup(data)
        before, name = model.packs(), model.name_of(b"the list as it was")
        writer = PackWriter(model.storage, model.repository.keys)
        writer.add([name], memoryview(b"x" * 16 * CHUNKS), [16 * CHUNKS], kind="list")
        writer.finish()
        writer.close()
        manifest = model.repository.manifest(backup)
        image = manifest.main.image._replace(lists=(name,))
        main = manifest.main._replace(image=image)
        model.repository.replace_manifest(manifest._replace(main=main))
        done = await model.clean()
        assert "1 chunks" in done.notes[-1]
        assert before.items() <= model.packs().items()

    async def test_a_good_copy_of_a_damaged_list_is_used(self, model: Model) -> None:
        data = some_data(1)
        backup = model.backup(data, data)
        name = model.repository.manifest(backup).main.image.lists[0]
        damaged = self._pack_of_list(model, name)  # the copy that is found first
        content = bytearray(raw(model, damaged))
        for at in range(len(HEAD), len(content) - 300, 100):
            content[at] ^= 1
        put(model, damaged, bytes(content))
        done = await model.clean()
        assert self._pack_of_list(model, name) != damaged
        assert not any("missing" in note for note in done.notes)

    async def test_what_is_gone_stays_named_so_that_no_backup_relies_on_it(
        self, model: Model
    ) -> None:
        made = days(model, 4, 0.5)
        last, data = made[3]
        model.repository.replace_manifest(
            model.repository.manifest(last)._replace(packs=model.packs())
        )
        gone = model.pack_of(data, which=0)
        model.storage.inner.delete(gone)
        done = await model.clean(*(backup for backup, _ in made[:3]))
        assert done.deleted > 0
        named, there = model.repository.manifest(last).packs, model.packs()
        assert set(named) - set(there) == {gone[-32:]}

    async def test_a_list_that_cannot_be_read_holds_every_pack_of_its_backup(
        self, model: Model
    ) -> None:
        made = days(model, 3, 0.6)
        last, data = made[2]
        index_name = model.repository.manifest(last).main.image.lists[0]
        name = self._pack_of_list(model, index_name)
        intact = raw(model, name)
        content = bytearray(intact)
        for at in range(len(HEAD), len(content) - 300, 100):
            content[at] ^= 1
        put(model, name, bytes(content))
        held = set(model.repository.manifest(last).packs)
        done = await model.clean(made[0][0], made[1][0])
        assert held <= set(model.packs())
        assert "1 chunks" in done.notes[-1]
        put(model, name, intact)
        for mark, _ in list(model.storage.list("damaged")):
            model.storage.delete(mark)
        model.check()
        await model.clean()
        model.check_clean()
        assert model.restored(last) == data

    @staticmethod
    def _pack_of_list(model: Model, name: bytes) -> str:
        import numpy as np

        from engine.repository.index import load_index

        index = load_index(model.storage, model.repository.keys)
        place = index.find(np.frombuffer(name, np.uint8).reshape(1, 16))
        return object_name(index.packs[int(index.packs_of(place)[0])])

    async def test_marks_of_packs_that_are_gone_go(self, model: Model) -> None:
        days(model, 2)
        model.storage.put(damage_mark("0" * 32, 3), [])
        assert model.repository.has_damage()
        await model.clean()
        assert not model.repository.has_damage()

    async def test_copies_and_stray_files_are_left_alone(self, model: Model) -> None:
        made = days(model, 2)
        name = model.pack_of(made[0][1])
        strays = [f"packs/{name[-32:]}", "packs/zz/notes", f"manifests/{made[0][0]}-copy"]
        for stray in strays:
            model.storage.put(stray, [raw(model, name)])
        await model.clean(made[0][0])
        for stray in strays:
            assert model.storage.size(stray)
            model.storage.delete(stray)
        model.check_clean()


class TestStore:
    async def test_a_lie_about_packs_is_told_with_how_many(self, model: Model) -> None:
        data = some_data(1)
        gone = model.backup(data)
        model.backup(some_data(2))
        dead = {model.pack_of(data, which=number) for number in (0, 20)}
        model.storage.deaf = dead.__contains__
        with pytest.raises(StorageFailed, match=r"^2 of .* are still there") as told:
            await model.clean(gone)
        assert told.value.hint
        model.check()
        model.storage.deaf = lambda _: False
        await model.clean(gone)
        model.check_clean()

    async def test_a_backup_whose_removal_is_a_lie_keeps_its_packs(self, model: Model) -> None:
        made = days(model, 2, 0.9)
        before = model.packs()
        model.storage.deaf = lambda name: name.startswith("manifests/")
        with pytest.raises(StorageFailed, match="1 of 1 backups are still there"):
            await model.clean(made[0][0])
        assert model.packs() == before
        assert model.restored(made[0][0]) == made[0][1]

    async def test_a_pack_that_refuses_to_go_does_not_keep_the_others(self, model: Model) -> None:
        gone = model.backup(some_data(1))
        stuck = sorted(model.packs())[0]

        def before(act: str, name: str) -> None:
            if act == "delete" and name.endswith(stuck):
                raise storage_failed(f"removing {name}", OSError(errno.EPERM, "x"))

        model.storage.before = before
        with pytest.raises(StorageFailed, match=r"1 of .* not permitted"):
            await model.clean(gone)
        assert set(model.packs()) == {stuck}

    @pytest.mark.parametrize("room", [0, 1])
    async def test_without_room_for_new_packs_dead_ones_go(self, model: Model, room: int) -> None:
        """`room` is how many packs can still be written."""
        made = days(model, 8, 0.4)
        before, packs = model.packs(), 0

        def full(act: str, name: str) -> None:
            nonlocal packs
            if act == "put" and name.startswith("packs/"):
                packs += 1
                if packs > room:
                    raise storage_failed(f"writing {name}", OSError(errno.ENOSPC, "x"))

        model.storage.before = full
        done = await model.clean(*(backup for backup, _ in made[:6]))
        assert packs > room
        assert done.rewritten == 0
        assert done.deleted > 0
        assert "the disk is full" in done.notes[-1]
        assert model.packs().items() <= before.items()  # and nothing new
        assert done.freed > 0
        model.check()
        model.storage.before = lambda *_: None
        assert (await model.clean()).rewritten > 0
        model.check_clean()

    async def test_without_room_for_a_manifest_dead_packs_make_some(self, model: Model) -> None:
        made = days(model, 6, 0.5)
        for backup, _ in made:  # as where a backup took over the packs of the one before
            manifest = model.repository.manifest(backup)
            model.repository.replace_manifest(manifest._replace(packs=model.packs()))
        order: list[str] = []

        def full(act: str, name: str) -> None:
            order.append(f"{act} {name.split('/')[0]}")
            if act in ("put", "replace") and "delete packs" not in order:
                raise storage_failed(f"writing {name}", OSError(errno.ENOSPC, "x"))

        model.storage.before = full
        done = await model.clean(*(backup for backup, _ in made[:4]))
        assert done.deleted > 0
        assert order[-1] == "replace manifests"
        model.check()
        model.storage.before = lambda *_: None
        await model.clean()
        model.check_clean()

    async def test_where_no_manifest_can_be_replaced_it_fails_and_loses_nothing(
        self, model: Model
    ) -> None:
        made = days(model, 6, 0.5)

        def full(act: str, name: str) -> None:
            if act == "replace":
                raise storage_failed(f"replacing {name}", OSError(errno.EDQUOT, "x"))

        model.storage.before = full
        with pytest.raises(StorageFailed, match="quota"):
            await model.clean(*(backup for backup, _ in made[:4]))
        model.check()
        model.storage.before = lambda *_: None
        await model.clean()
        model.check_clean()

    async def test_a_store_that_forgets_new_packs_is_noticed_before_old_ones_go(
        self, model: Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = days(model, 6, 0.5)
        real = model.storage.put
        monkeypatch.setattr(
            model.storage,
            "put",
            lambda name, parts: None if name.startswith("packs/") else real(name, parts),
        )
        before = model.packs()
        with pytest.raises(Failed, match="not where they should be"):
            await model.clean(*(backup for backup, _ in made[:4]))
        assert model.packs() == before
        model.check()

    async def test_a_store_that_forgets_a_manifest_is_noticed_before_packs_go(
        self, model: Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = days(model, 6, 0.5)
        monkeypatch.setattr(model.storage, "replace", lambda *_: None)
        before = model.packs()
        with pytest.raises(Failed, match="was replaced by another"):
            await model.clean(*(backup for backup, _ in made[:4]))
        assert before.items() <= model.packs().items()
        model.check()

    async def test_a_backup_that_is_gone_already_is_no_error(self, model: Model) -> None:
        made = days(model, 2)
        done = await model.clean("f" * 12, made[0][0])
        assert done.removed == tuple(sorted(["f" * 12, made[0][0]]))
        assert set(model.repository.manifests()) == {made[1][0]}


@pytest.mark.parametrize("seed", range(6))
async def test_random_backups_and_clean_ups_against_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    model = make_model(LocalStorage(tmp_path / "repository"), monkeypatch)
    data = some_data(seed)
    for turn in range(30):
        act = rng.choice(["backup", "backup", "twice", "killed backup", "clean", "killed clean-up"])
        if act in ("backup", "twice"):
            data = changed(data, seed * 100 + turn, rng.choice([0.05, 0.3, 0.9]))
            model.backup(data, *([data] if act == "twice" else []))
        elif act == "killed backup":
            model.store(changed(data, seed * 100 + turn, 0.5))
        else:
            remove = rng.sample(sorted(model.wanted), rng.randint(0, len(model.wanted)))
            kept = dict(model.wanted)
            if act == "killed clean-up":
                left = rng.randint(0, 20)

                def before(_: str, __: str) -> None:
                    nonlocal left
                    left -= 1
                    if left < 0:
                        raise Died

                model.storage.before = before
            try:
                await model.clean(*remove)
                model.check_clean()
            except Died:
                there = model.repository.manifests()
                model.wanted |= {key: held for key, held in kept.items() if key in there}
            model.storage.before = lambda *_: None
        model.check()
    await model.clean()
    model.check_clean()
