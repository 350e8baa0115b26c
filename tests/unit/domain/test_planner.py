from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.budget import Limit
from orchestrator.domain.errors import InvalidInputError, UnaffordableError
from orchestrator.domain.money import Money, Rate
from orchestrator.domain.offers import Offer
from orchestrator.domain.planner import Plan, PlanRequest, make_plan
from orchestrator.domain.recipe import TrainingShape
from tests.unit.domain.making import NOW, market, offer, spec


def request(**changes: object) -> PlanRequest:
    recipe = spec().recipe
    whole = PlanRequest(recipe, TrainingShape.from_recipe(recipe), 800, 1_000_000, Money(50_000_000), None, None)
    return replace(whole, **changes)  # type: ignore[arg-type]


def plan(wish: PlanRequest, *offers: Offer) -> Plan:
    here = market(*offers)
    return make_plan(wish, here.offers, here.overheads, here.allowances, NOW)


def test_an_ample_cap_trains_all_that_the_strategy_can_use() -> None:
    made = plan(request())
    assert (made.planned_steps, made.intended_steps, made.limit) == (300, 300, None)
    assert made.evaluate_seconds > 0


def test_a_tight_cap_is_spent_on_training_rather_than_on_evaluating() -> None:
    made = plan(request(available=Money(50_000), measured_seconds_per_step=0.5))
    assert made.evaluate_seconds == 0
    assert 0 < made.planned_steps < made.intended_steps
    assert made.limit is Limit.BUDGET


def test_a_cap_that_cannot_train_is_refused_with_the_cheapest_that_could() -> None:
    wish = request(available=Money(10_000))
    with pytest.raises(UnaffordableError) as caught:
        plan(wish)
    cheapest = caught.value.cheapest_micros
    assert cheapest is not None
    assert plan(replace(wish, available=Money(cheapest))).planned_steps > 0
    with pytest.raises(UnaffordableError):
        plan(replace(wish, available=Money(cheapest - 2_000)))


def test_a_machine_size_that_is_not_on_offer_is_refused_with_the_reason() -> None:
    with pytest.raises(UnaffordableError) as caught:
        plan(request(gpus=4))
    assert caught.value.cheapest_micros is None
    assert "4 were asked for" in caught.value.refusals[0]


def test_max_hours_too_short_to_train_is_no_question_of_money() -> None:
    with pytest.raises(UnaffordableError) as caught:
        plan(request(max_seconds=20))
    assert caught.value.cheapest_micros is None


def test_the_offer_that_trains_most_wins_and_the_cheaper_of_equals() -> None:
    dear, cheap = offer(region="dear", rate=Rate(8_000_000)), offer(region="cheap", rate=Rate(2_000_000))
    assert plan(request(), dear, cheap).offer is cheap
    assert plan(request(available=Money(100_000)), dear, cheap).offer is cheap


def test_a_measured_speed_takes_the_priors_place_and_narrows_the_interval() -> None:
    prior, measured = plan(request()), plan(request(measured_seconds_per_step=0.1))
    assert measured.seconds_per_step == 0.1
    assert measured.seconds.p90 / measured.seconds.p50 < prior.seconds.p90 / prior.seconds.p50


@given(st.integers(30_000, 10**9), st.integers(1, 100_000), st.floats(0.01, 30.0))
def test_a_plan_fits_its_cap_and_its_shares_fit_its_window(cap: int, rows: int, pace: float) -> None:
    wish = request(available=Money(cap), train_rows=rows, measured_seconds_per_step=pace)
    try:
        made = plan(wish)
    except UnaffordableError:
        return
    assert made.cost.p50 <= made.cost.p90 <= made.cost.worst <= cap
    assert made.seconds.p50 <= made.seconds.p90 <= made.seconds.worst == made.window.seconds
    assert made.train_seconds + made.evaluate_seconds + made.window.allowances.total <= made.window.seconds
    assert 0 < made.planned_steps <= made.intended_steps
    assert (made.limit is None) == (made.planned_steps == made.intended_steps)


@pytest.mark.parametrize("key", ["micro_batch_size", "gradient_accumulation_steps", "sequence_len", "num_epochs"])
@pytest.mark.parametrize("value", [0, -1, "8", None, True, float("nan")])
def test_a_shape_that_cannot_be_planned_names_the_override(key: str, value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        TrainingShape.from_recipe({**spec().recipe, key: value})  # type: ignore[dict-item]
    assert caught.value.problems[0].field == f"overrides.{key}"
