"""Nobody pays without having seen the price; what was paid can be read month by month."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from promises_support import (
    FEE,
    PRICES,
    START,
    adopted,
    backed_up,
    leftovers,
    make_world,
    query,
    restored,
)

from engine.errors import Invalid, NotFound, PriceNotAccepted, SettingsInvalid
from engine.lock import WorkLock
from engine.model import JobKind, ProjectState

Line = tuple[str, str, Decimal, Decimal]


@pytest.mark.parametrize("accepted", [None, Decimal("0"), Decimal("48.99"), Decimal("490")])
async def test_another_amount_or_none_is_refused_and_nothing_is_charged(
    tmp_path: Path, accepted: Decimal | None
) -> None:
    world = make_world(tmp_path)
    world.set_prices()
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        with pytest.raises(PriceNotAccepted, match=r"49\.00 EUR") as told:
            await engine.restore("Plant@latest", "Copy", accept_cost=accepted)
        assert told.value.exit_code == 8
        assert "--accept-cost 49.00" in told.value.hint
        assert await engine.costs() == []
        assert [each.name for each in await engine.projects()] == ["Plant"]
    assert leftovers(world.home) == []


async def test_a_price_that_changed_since_the_quote_is_refused(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.set_prices()
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        seen = (await engine.quote("Plant@latest")).creation_fee.amount
        world.set_prices(PRICES.replace("49.00", "59.00"))
        with pytest.raises(PriceNotAccepted, match=r"59\.00 EUR"):
            await engine.restore("Plant@latest", "Copy", accept_cost=seen)
        assert query(world.home / "catalog.db", "SELECT count(*) FROM charge") == [(0,)]
        report = await restored(engine, "Copy", fee=Decimal("59"))
        assert str(report.charged) == "59.00 EUR"


@pytest.mark.parametrize(
    "new", [('"0.034"', '"0.035"'), ('"EUR"', '"USD"')], ids=["rate", "currency"]
)
async def test_a_quote_is_accepted_as_a_whole(tmp_path: Path, new: tuple[str, str]) -> None:
    world = make_world(tmp_path)
    world.set_prices()
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        agreed = await engine.quote("Plant@latest")
        world.set_prices(PRICES.replace(*new))
        with pytest.raises(PriceNotAccepted, match="has changed since it was agreed to"):
            await engine.restore("Plant@latest", "Copy", accept_cost=agreed)
        assert [job.kind for job in await engine.jobs()] == [JobKind.BACKUP]
        made = await engine.restore(
            "Plant@latest", "Copy", accept_cost=await engine.quote("Plant@latest")
        )
        assert (await made.result()).charged.amount == FEE


@pytest.mark.parametrize(
    "new",
    [('"49.00"', '"50.00"'), ('"0.034"', '"0.035"'), ('"EUR"', '"USD"')],
    ids=["fee", "rate", "currency"],
)
async def test_a_job_refuses_a_price_that_changed_while_it_waited(
    tmp_path: Path, new: tuple[str, str]
) -> None:
    world = make_world(tmp_path)
    world.set_prices()
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        lock = WorkLock(world.home)
        await lock.wait(10)
        try:
            made = await engine.restore("Plant@latest", "Copy", accept_cost=FEE)
            world.set_prices(PRICES.replace(*new))
        finally:
            lock.release()
        with pytest.raises(PriceNotAccepted, match="has changed since it was agreed to"):
            await made.result()
        assert await engine.costs() == []
        assert [each.name for each in await engine.projects()] == ["Plant"]
    assert leftovers(world.home) == []


async def test_without_prices_it_costs_nothing_and_says_so(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        quote = await engine.quote("Plant@latest")
        assert not quote.priced
        assert str(quote.this_month) == "0.00 EUR"
        with pytest.raises(PriceNotAccepted, match="No prices are set"):
            await engine.restore("Plant@latest", "Copy", accept_cost=None)
        await restored(engine, "Copy", fee=Decimal("0.00"))


async def test_costs_over_months(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.set_prices()
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        quote = await engine.quote("Plant@latest")
        assert quote.hourly.amount == Decimal("0.034")
        assert quote.monthly.amount == Decimal("24.82")  # 730 hours
        assert quote.month_ends == datetime(2026, 12, 1, tzinfo=UTC)
        # 23 November 09:30 to 1 December: 182.5 hours
        assert quote.this_month.amount == FEE + Decimal("6.21")
        await restored(engine, "Copy", fee=FEE)
        world.now.moment = datetime(2026, 12, 11, 9, 30, tzinfo=UTC)
        (running,) = await engine.running_costs()
        assert (running.project_name, str(running.hourly)) == ("Copy", "0.034 EUR")
        stopped = await engine.stop("Copy")
        assert stopped.state is ProjectState.STOPPED
        assert await engine.running_costs() == []
        await engine.stop("Copy")  # twice is no harm
        world.now.moment = datetime(2027, 1, 15, tzinfo=UTC)
        world.set_prices(PRICES.replace("0.034", "9"))  # for projects that are made from now on
        await engine.start("Copy")
        await engine.start("Copy")
        world.now.pass_by(hours=100)
        expected = [
            ("Copy", "2026-11", FEE, Decimal("6.21")),  # 182.5 h
            ("Copy", "2026-12", Decimal(0), Decimal("8.48")),  # 249.5 h
            ("Copy", "2027-01", Decimal(0), Decimal("3.40")),  # 100 h
        ]
        found = [
            (line.project_name, line.month, line.creation_fee.amount, line.running.amount)
            for line in await engine.costs()
        ]
        assert found == expected
        (january,) = await engine.costs("2027-01")
        assert january.hours == 100
        await engine.delete("Copy", confirm="Copy")
        world.now.pass_by(days=40)
        found = [
            (line.project_name, line.month, line.creation_fee.amount, line.running.amount)
            for line in await engine.costs()
        ]
        assert found == expected  # what was paid stays when the project is gone
        with pytest.raises(Invalid):
            await engine.costs("2027-13")


async def test_the_fee_falls_due_when_the_project_exists(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.set_prices()
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        handle = await engine.restore("Plant@latest", "Copy", accept_cost=FEE)
        assert query(world.home / "catalog.db", "SELECT count(*) FROM charge") == [(0,)]
        with pytest.raises(NotFound):
            await engine.project("Copy")  # it is not there before it is whole
        report = await handle.result()
        assert str(report.charged) == "49.00 EUR"
        charges = query(world.home / "catalog.db", "SELECT project, amount FROM charge")
        assert charges == [(report.project.id, "49.00")]


async def test_an_adopted_project_costs_nothing(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.set_prices()
    async with world.opened() as engine:
        await adopted(engine, world)
        await engine.stop("Plant")
        await engine.start("Plant")
        world.now.pass_by(days=100)
        assert await engine.costs() == []
        assert (await engine.project("Plant")).created == START


async def test_prices_that_cannot_be_read_refuse_the_quote(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    async with world.opened() as engine:
        await adopted(engine, world)
        await backed_up(engine)
        world.set_prices('[prices]\ncreation_fee = "lots"\n')
        with pytest.raises(SettingsInvalid, match="creation_fee") as told:
            await engine.quote("Plant@latest")
        assert told.value.hint
