"""How far a price can be trusted."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.money import Rate
from orchestrator.domain.staleness import PriceChange, age_days, is_old, judge_change
from tests.unit.domain.making import offer

READ = date(2026, 11, 1)
rates = st.integers(1, 10**12).map(Rate)


@pytest.mark.parametrize(("days", "old"), [(-1, False), (0, False), (30, False), (31, True), (400, True)])
def test_a_price_is_old_after_the_days_it_is_good_for(days: int, old: bool) -> None:
    today = READ + timedelta(days=days)
    assert is_old(offer(priced_on=READ), today, most_days=30) is old
    assert age_days(offer(priced_on=READ), today) == max(days, 0)


def test_an_undated_price_is_old_whatever_day_it_is() -> None:
    undated = offer(priced_on=READ, undated=True)
    assert age_days(undated, READ) is None
    assert is_old(undated, READ, most_days=10**6)


@pytest.mark.parametrize(
    ("now", "tolerance", "change"),
    [
        (4_000_000, 0, PriceChange.SAME),
        (4_000_001, 0, PriceChange.BEYOND),
        (4_400_000, 10, PriceChange.WITHIN),
        (4_400_001, 10, PriceChange.BEYOND),
        (3_999_999, 0, PriceChange.WITHIN),
        (1, 10, PriceChange.WITHIN),
    ],
)
def test_only_a_rise_beyond_the_tolerance_asks(now: int, tolerance: int, change: PriceChange) -> None:
    assert judge_change(Rate(4_000_000), Rate(now), tolerance) is change


@given(rates, rates, st.integers(0, 1000))
def test_a_change_is_beyond_exactly_when_the_price_has_risen_by_more_than_the_tolerance(
    quoted: Rate, now: Rate, tolerance: int
) -> None:
    change = judge_change(quoted, now, tolerance)
    rise = now.micros_per_hour - quoted.micros_per_hour
    assert (change is PriceChange.SAME) == (rise == 0)
    assert (change is PriceChange.BEYOND) == (rise > 0 and rise * 100 > quoted.micros_per_hour * tolerance)


@given(rates, rates, st.integers(0, 999))
def test_more_tolerance_never_asks_more(quoted: Rate, now: Rate, tolerance: int) -> None:
    asks = [judge_change(quoted, now, percent) is PriceChange.BEYOND for percent in (tolerance, tolerance + 1)]
    assert asks[1] <= asks[0]
