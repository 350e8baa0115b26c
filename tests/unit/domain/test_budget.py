from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.budget import Allowances, Fuse, Limit, bill, fuse, open_window
from orchestrator.domain.money import ZERO, Money, Rate
from orchestrator.domain.offers import Offer
from tests.unit.domain.making import ALLOWANCES, NOW, offer

offers = st.builds(
    lambda rate, quantum, minimum: offer(rate=Rate(rate), billing_quantum_seconds=quantum, minimum_seconds=minimum),
    st.integers(1, 80_000_000),
    st.sampled_from([1, 60, 600, 3600]),
    st.sampled_from([1, 60, 3600]),
)
allowances = st.builds(Allowances, st.integers(1, 60), st.integers(1, 600), st.integers(1, 300))
caps = st.integers(1, 10**9).map(Money)
limits = st.none() | st.integers(0, 10**6)


@given(offers, allowances, caps, limits)
def test_a_window_reserves_its_worst_case_and_never_more_than_the_cap(
    way: Offer, bounds: Allowances, cap: Money, limit: int | None
) -> None:
    window = open_window(cap, way, limit, bounds, NOW)
    if window is None:
        return
    assert ZERO < window.reserve <= cap
    assert bill(way, NOW, window.gone_by) <= window.reserve
    assert NOW < window.soft < window.hard < window.gone_by
    if limit is not None:
        assert window.seconds <= limit


@given(offers, allowances, caps, limits, st.integers(0, 10**6))
def test_whoever_obeys_the_fuse_within_its_allowances_never_overspends(
    way: Offer, bounds: Allowances, cap: Money, limit: int | None, after: int
) -> None:
    window = open_window(cap, way, limit, bounds, NOW)
    if window is None:
        return
    moment = NOW + timedelta(seconds=after % (window.seconds + 1))
    verdict = fuse(way, NOW, window, window.reserve, moment)
    if verdict is Fuse.HOLD:
        # The latest that a stop decided one detection later can end.
        end = moment + timedelta(seconds=bounds.total)
        assert bill(way, NOW, end) <= window.reserve
    if verdict is not Fuse.TEAR_DOWN:
        assert moment < window.hard
    if moment >= window.soft:
        assert verdict is not Fuse.HOLD


def test_the_fuse_stands_on_money_when_the_window_is_wrong() -> None:
    way = offer()
    window = open_window(Money(50_000), way, None, ALLOWANCES, NOW)
    assert window is not None
    late = NOW + timedelta(seconds=30)
    assert fuse(way, NOW, window, window.reserve, late) is Fuse.HOLD
    assert fuse(way, NOW, window, Money(20_000), late) is Fuse.TEAR_DOWN


def test_five_cents_at_four_dollars_an_hour_are_45_seconds() -> None:
    window = open_window(Money(50_000), offer(), None, ALLOWANCES, NOW)
    assert window is not None
    assert (window.seconds, window.reserve, window.limit) == (45, Money(50_000), Limit.BUDGET)
    assert window.soft == NOW + timedelta(seconds=32)


def test_a_cap_below_the_minimum_bill_opens_no_window() -> None:
    assert open_window(Money(3_999_999), offer(minimum_seconds=3600), None, ALLOWANCES, NOW) is None


def test_a_window_with_no_time_beside_its_own_end_is_none() -> None:
    assert open_window(Money(10_000), offer(), None, ALLOWANCES, NOW) is None


def test_max_hours_bounds_the_window_and_says_so() -> None:
    window = open_window(Money(50_000_000), offer(), 120, ALLOWANCES, NOW)
    assert window is not None
    assert (window.seconds, window.limit) == (120, Limit.MAX_HOURS)


def test_no_window_is_longer_than_a_year_however_much_money_there_is() -> None:
    window = open_window(Money(10**12), offer(rate=Rate(10_000)), None, ALLOWANCES, NOW)
    assert window is not None
    assert window.gone_by <= NOW + timedelta(days=366)
