from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.money import Money, Rate, parse_dollars

rates = st.integers(1, 200_000_000).map(Rate)
amounts = st.integers(0, 10**12).map(Money)


@pytest.mark.parametrize(
    ("given_value", "micros"),
    [
        (50, 50_000_000),
        (0.05, 50_000),
        ("12.50", 12_500_000),
        (1e-6, 1),
        (0.1 + 0.2, None),
    ],
)
def test_dollars_become_exact_micro_dollars_or_are_refused(given_value: object, micros: int | None) -> None:
    if micros is None:
        with pytest.raises(InvalidInputError, match="six decimal places"):
            parse_dollars(given_value, "budget")
    else:
        assert parse_dollars(given_value, "budget") == Money(micros)


@pytest.mark.parametrize(
    "nonsense",
    [
        0,
        -1,
        -0.0,
        float("nan"),
        float("inf"),
        "-inf",
        1e12,
        "1e2",
        "\u0665",
        "5.",
        "+5",
        "fifty",
        "",
        " ",
        None,
        True,
        [],
        {},
        "1_000",
        "0x10",
        "9" * 99,
        "1E-9999999",
        1e-7,
    ],
)
def test_a_budget_that_is_no_positive_sum_is_refused_by_name(nonsense: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_dollars(nonsense, "budget")
    assert [problem.field for problem in caught.value.problems] == ["budget"]


@given(rates, amounts)
def test_what_is_affordable_never_costs_more_than_the_money(rate: Rate, money: Money) -> None:
    seconds = rate.affordable_seconds(money)
    assert rate.cost_ceil(seconds) <= money
    assert rate.micros_per_hour * (seconds + 1) > money.micros * 3600


@given(rates, st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_price_rounds_up_and_never_falls_with_time(rate: Rate, first: int, second: int) -> None:
    exact_micro_seconds = rate.micros_per_hour * first
    assert rate.cost_ceil(first).micros * 3600 >= exact_micro_seconds
    assert rate.cost_ceil(first).micros * 3600 < exact_micro_seconds + 3600
    assert rate.cost_ceil(first + second) >= rate.cost_ceil(first)


@given(st.integers(-(10**12), 10**12))
def test_the_decimal_string_says_the_amount_exactly(micros: int) -> None:
    assert Decimal(Money(micros).dollars()) * 1_000_000 == micros


def test_a_price_of_zero_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="above zero"):
        Rate(0)
