"""Prices: quotes, their acceptance, the sums of months, and amounts as people write them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Invalid, PriceNotAccepted
from engine.model import ActiveInterval, Charge, CostLine, Money, amount_text
from engine.pricing import Prices, check_accepted, monthly_costs, parse_amount, quote

NOV_23 = datetime(2026, 11, 23, 12, tzinfo=UTC)
PRICES = Prices("EUR", Decimal("49.00"), Decimal("0.034"), Decimal(0), priced=True)

amounts = st.decimals(0, 10**6, places=6, allow_nan=False)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis adds the zone


def test_a_quote_says_what_is_due_now_hourly_this_month_and_per_month() -> None:
    offer = quote(PRICES, 0, NOV_23)
    assert offer.as_json() == {
        "currency": "EUR",
        "creation_fee": "49.00",
        "hourly": "0.034",
        "this_month": "55.12",  # 49 + 0.034 x 180 h
        "monthly": "24.82",
        "month_ends": "2026-12-01T00:00:00Z",
        "priced": True,
    }


def test_data_is_priced_by_its_size() -> None:
    prices = Prices("EUR", Decimal(0), Decimal("0.01"), Decimal("0.002"), priced=True)
    assert quote(prices, 2_500_000_000, NOV_23).hourly.amount == Decimal("0.015")
    assert quote(prices, 1_000_000, NOV_23).hourly.amount == Decimal("0.010002")
    assert quote(prices, 249_999, NOV_23).hourly.amount == Decimal("0.01")
    assert quote(prices, 250_000, NOV_23).hourly.amount == Decimal("0.010001"), "half goes up"


def test_money_is_rounded_half_up_to_cents() -> None:
    prices = Prices("EUR", Decimal("0.005"), Decimal("0.0005"), Decimal(0), priced=True)
    last_ten_hours = datetime(2026, 11, 30, 14, tzinfo=UTC)
    offer = quote(prices, 0, last_ten_hours)
    assert offer.creation_fee.amount == Decimal("0.01")
    assert offer.this_month.amount == Decimal("0.02"), "0.01 + 0.005"
    assert offer.monthly.amount == Decimal("0.37"), "0.365"


def test_the_month_is_that_of_utc() -> None:
    lisbon_summer = timezone(timedelta(hours=1))
    offer = quote(PRICES, 0, datetime(2026, 8, 1, 0, 30, tzinfo=lisbon_summer))
    assert offer.month_ends == datetime(2026, 8, 1, tzinfo=UTC)
    assert offer.this_month.amount == Decimal("49.02"), "half an hour of July is left"
    assert quote(PRICES, 0, datetime(2026, 12, 31, 23, tzinfo=UTC)).month_ends.year == 2027
    with pytest.raises(ValueError, match="time zone"):
        quote(PRICES, 0, datetime(2026, 8, 1))  # noqa: DTZ001  # a moment without a zone is the case


def test_without_prices_all_is_zero_and_said_to_be_unpriced() -> None:
    offer = quote(Prices(), 10**12, NOV_23)
    assert not offer.priced
    for money in (offer.creation_fee, offer.hourly, offer.this_month, offer.monthly):
        assert str(money) == "0.00 EUR"


@given(amounts, amounts, amounts, st.integers(0, 10**15), moments)
def test_a_quote_is_exact_whatever_the_amounts(
    fee: Decimal, hourly: Decimal, per_gb: Decimal, data: int, now: datetime
) -> None:
    with localcontext(prec=6):  # a careless caller's context must not matter
        offer = quote(Prices("EUR", fee, hourly, per_gb, priced=True), data, now)
    exact = Fraction(hourly) + Fraction(per_gb) * data / 10**9
    assert abs(Fraction(offer.hourly.amount) - exact) <= Fraction(1, 2_000_000)
    hours = Fraction((offer.month_ends - now) // timedelta(microseconds=1), 3_600_000_000)
    this_month = Fraction(offer.creation_fee.amount) + Fraction(offer.hourly.amount) * hours
    assert abs(Fraction(offer.this_month.amount) - this_month) <= Fraction(1, 200)
    assert offer.monthly.amount.as_tuple().exponent == -2


@pytest.mark.parametrize("accepted", ["49", "49.0", "49.00", "49.000000"])
def test_the_right_amount_is_accepted_however_it_is_written(accepted: str) -> None:
    check_accepted(quote(PRICES, 0, NOV_23), Decimal(accepted))


@pytest.mark.parametrize("accepted", [None, Decimal("48.99"), Decimal("49.01"), Decimal(0)])
def test_another_amount_is_not_accepted_and_the_price_is_shown(accepted: Decimal | None) -> None:
    with pytest.raises(PriceNotAccepted) as refused:
        check_accepted(quote(PRICES, 0, NOV_23), accepted)
    for part in ("49.00 EUR once", "0.034 EUR", "55.12 EUR this month", "24.82 EUR per month"):
        assert part in refused.value.message
    assert refused.value.hint.endswith("--accept-cost 49.00")
    assert refused.value.exit_code == 8
    if accepted is not None:
        assert f"is not {amount_text(accepted)} EUR" in refused.value.message


def test_even_no_price_has_to_be_accepted() -> None:
    offer = quote(Prices(), 0, NOV_23)
    check_accepted(offer, Decimal(0))
    with pytest.raises(PriceNotAccepted, match="No prices are set in this home") as refused:
        check_accepted(offer, None)
    assert refused.value.hint.endswith("--accept-cost 0.00")


def interval(
    started: datetime,
    ended: datetime | None,
    rate: str = "0.034",
    currency: str = "EUR",
    project: str = "p1",
    name: str = "Plant 7",
) -> ActiveInterval:
    return ActiveInterval(project, name, started, ended, Money(Decimal(rate), currency))


def charge(at: datetime, amount: str, currency: str = "EUR", project: str = "p1") -> Charge:
    return Charge(project, "Plant 7", at, Money(Decimal(amount), currency), "creation fee")


def test_an_interval_is_cut_at_the_end_of_a_month() -> None:
    spans = interval(datetime(2026, 11, 30, 20, tzinfo=UTC), datetime(2027, 1, 1, 1, tzinfo=UTC))
    lines = monthly_costs([charge(NOV_23, "49.00")], [spans], None, NOV_23)
    assert [(line.month, line.hours, line.running.amount) for line in lines] == [
        ("2026-11", Decimal(4), Decimal("0.14")),
        ("2026-12", Decimal(744), Decimal("25.30")),
        ("2027-01", Decimal(1), Decimal("0.03")),
    ]
    assert [str(line.creation_fee) for line in lines] == ["49.00 EUR", "0.00 EUR", "0.00 EUR"]
    assert str(lines[0].total) == "49.14 EUR"


def test_an_open_interval_runs_until_now() -> None:
    lines = monthly_costs([], [interval(NOV_23, None)], None, NOV_23 + timedelta(minutes=90))
    assert [(line.hours, line.running.amount) for line in lines] == [
        (Decimal("1.5"), Decimal("0.05"))
    ]
    assert monthly_costs([], [interval(NOV_23, None)], None, NOV_23 - timedelta(days=1)) == ()


def test_parts_of_an_hour_are_added_up_before_anything_is_rounded() -> None:
    thirds = [
        interval(NOV_23 + timedelta(hours=n), NOV_23 + timedelta(hours=n, minutes=20), "0.015")
        for n in range(3)
    ]
    (line,) = monthly_costs([], thirds[:1], None, NOV_23)
    assert line.running.amount == Decimal("0.01"), "a third of 0.015 is half a cent exactly"
    (line,) = monthly_costs([], thirds, None, NOV_23)
    assert (line.hours, line.running.amount) == (Decimal(1), Decimal("0.02"))


def test_one_month_can_be_asked_for() -> None:
    spans = interval(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC))
    lines = monthly_costs([charge(NOV_23, "1")], [spans], "2026-11", NOV_23)
    assert [(line.month, line.hours) for line in lines] == [("2026-11", Decimal(720))]
    assert monthly_costs([], [spans], "2025-11", NOV_23) == ()


@pytest.mark.parametrize(
    "month", ["", "2026", "2026-13", "2026-00", "2026-1", "26-11", "2026-11-01"]
)
def test_a_month_that_is_none_is_refused(month: str) -> None:
    with pytest.raises(Invalid, match="is not a month"):
        monthly_costs([], [], month, NOV_23)


def test_currencies_are_never_added_to_each_other() -> None:
    lines = monthly_costs(
        [charge(NOV_23, "49", "CHF")],
        [interval(NOV_23, NOV_23 + timedelta(hours=10), "1", "EUR")],
        None,
        NOV_23,
    )
    assert [str(line.total) for line in lines] == ["49.00 CHF", "10.00 EUR"]


def test_lines_come_by_month_and_name_and_keep_the_latest_name() -> None:
    hour = timedelta(hours=1)
    lines = monthly_costs(
        [],
        [
            interval(NOV_23 + hour, NOV_23 + 2 * hour, project="b", name="Able"),
            interval(NOV_23, NOV_23 + hour, project="b", name="Zebra"),
            interval(NOV_23, NOV_23 + hour, project="a", name="Baker"),
            interval(NOV_23 - timedelta(days=31), NOV_23 - timedelta(days=30), project="a"),
        ],
        None,
        NOV_23,
    )
    assert [(line.month, line.project_name) for line in lines] == [
        ("2026-10", "Baker"),
        ("2026-11", "Able"),
        ("2026-11", "Baker"),
    ]


@given(
    st.lists(
        st.tuples(moments, st.timedeltas(timedelta(0), timedelta(days=400)), amounts), max_size=6
    )
)
def test_no_hour_and_no_cent_is_lost_between_months(
    parts: list[tuple[datetime, timedelta, Decimal]],
) -> None:
    intervals = [interval(start, start + length, str(rate)) for start, length, rate in parts]
    lines = monthly_costs([], intervals, None, NOV_23)
    micro = timedelta(microseconds=1)
    hours = sum((Fraction(length // micro, 3_600_000_000) for _, length, _ in parts), Fraction(0))
    cost = sum(
        (Fraction(rate) * (length // micro) / 3_600_000_000 for _, length, rate in parts),
        Fraction(0),
    )
    assert abs(sum((Fraction(line.hours) for line in lines), Fraction(0)) - hours) <= Fraction(
        len(lines), 2_000_000
    )
    assert abs(
        sum((Fraction(line.running.amount) for line in lines), Fraction(0)) - cost
    ) <= Fraction(len(lines), 200)
    for month, found in _by_month(lines).items():
        assert len(found) == 1, f"{month} stands in one line"
        assert found[0].hours <= 744 * max(1, len(parts))


def _by_month(lines: tuple[CostLine, ...]) -> dict[str, list[CostLine]]:
    by_month: dict[str, list[CostLine]] = defaultdict(list)
    for line in lines:
        by_month[line.month].append(line)
    return by_month


@pytest.mark.parametrize("text", ["0", "49", "49.00", "0.034", "0.000001", "999999999999.999999"])
def test_plain_amounts_are_read_exactly(text: str) -> None:
    assert parse_amount(text) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " 49", "49 ", "49\n", "49,00", "-1", "+1", "1e3", "1E3", "0x10", "1_000", ".5", "5."),
        *("nan", "NaN", "sNaN", "inf", "Infinity", "٤٩", "4９", "49.00 EUR", "\x1b[2J"),
        *("0.0000001", "1" * 13, "1" * 100_000),
    ],
)
def test_other_amounts_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_amount(text)
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 250


@given(amounts)
def test_an_amount_that_is_shown_can_be_given_back(amount: Decimal) -> None:
    assert parse_amount(amount_text(amount)) == amount
