"""What must hold of every plan, whatever the market, the model, the strategy and the money."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orchestrator.domain.choices import AS_GOOD, Choice
from orchestrator.domain.errors import UnaffordableError
from orchestrator.domain.money import Money, Rate
from orchestrator.domain.offers import Offer
from orchestrator.domain.planner import Market, PlanRequest, Search, best_of, search, ways_of
from orchestrator.domain.run import MachineWishes, Prefer
from tests.unit.domain.making import NOW
from tests.unit.domain.market_examples import (
    caps,
    clouds,
    limits,
    models,
    offers,
    some_offers,
    strategies,
    tokens,
    wish,
)

wishes = st.builds(
    lambda strategy, model, count, cap, limit, prefer: replace(
        wish(strategy, model, count),
        available=Money(cap),
        max_seconds=limit,
        machine=MachineWishes(prefer=prefer),
    ),
    strategies, models, tokens, caps, limits, st.sampled_from(Prefer),
)  # fmt: skip


unhurried = settings(deadline=None)
"""An example is some searches on some markets; on a busy machine that takes its time."""


def found(request: PlanRequest, market: Market) -> Search | None:
    try:
        return search(request, market, NOW)
    except UnaffordableError:
        return None


def funded(request: PlanRequest, market: Market) -> PlanRequest:
    """The request, with money for a plan: its own, or from the least that would do on."""
    try:
        search(request, market, NOW)
    except UnaffordableError as error:
        cheapest = error.cheapest_micros
    else:
        return request
    assume(cheapest is not None)
    return replace(request, available=Money((cheapest or 0) + request.available.micros % 100_000))


def planned(request: PlanRequest, market: Market) -> Search:
    """What is found with money for it."""
    return search(funded(request, market), market, NOW)


def chosen(request: PlanRequest, market: Market) -> Choice | None:
    """The best plan in short."""
    searched = found(request, market)
    if searched is None:
        return None
    return next(each for each in searched.front if each.offer == searched.plan.offer)


@unhurried
@given(wishes, some_offers, st.integers(1, 20_000_000))
def test_more_budget_never_buys_fewer_tokens(request: PlanRequest, market: tuple[Offer, ...], more: int) -> None:
    here = clouds(*market)
    request = funded(request, here)
    less = chosen(request, here)
    richer = chosen(replace(request, available=request.available + Money(more)), here)
    assert less is not None
    assert richer is not None
    assert richer.done >= less.done
    assert richer.tokens >= less.tokens


@unhurried
@given(strategies, offers, st.integers(0, 4_000))
def test_a_second_more_never_trains_less(strategy: str, way: Offer, second: int) -> None:
    request = wish(strategy)
    cell = ways_of(request, here := clouds(way)).cell(way.accelerator, way.accelerator_count)
    assume(not cell.work.misfit)
    assert here.offers == (way,)
    planning = cell.planning(cell.ways[0])
    before, after = planning.outlook(second), planning.outlook(second + 1)
    assert before[0] <= after[0]
    shares = [[part.planned_steps for part in planning.share_out(each)] for each in (second, second + 1)]
    assert all(less <= more for less, more in zip(*shares, strict=True))


@unhurried
@given(wishes, offers, st.integers(1, 10**6))
def test_a_cheaper_identical_offer_is_never_worse(request: PlanRequest, way: Offer, off: int) -> None:
    cheaper = replace(way, rate=Rate(max(way.rate.micros_per_hour - off, 1)))
    request = funded(request, clouds(way))
    dear, cheap = search(request, clouds(way), NOW), search(request, clouds(cheaper), NOW)
    assert cheap.by_devices[0].done >= dear.by_devices[0].done
    if [part.expected for part in cheap.plan.stages] == [part.expected for part in dear.plan.stages]:
        assert cheap.plan.cost.p50 <= dear.plan.cost.p50


@unhurried
@given(wishes, some_offers)
def test_a_plan_never_exceeds_its_cap_nor_its_hours_storage_included(
    request: PlanRequest, market: tuple[Offer, ...]
) -> None:
    request = funded(request, here := clouds(*market))
    searched = search(request, here, NOW)
    plan = searched.plan
    listed = next(each for each in market if each.id == plan.offer.id)
    assert plan.offer.rate.micros_per_hour == listed.rate.micros_per_hour + plan.offer.storage_micros_per_hour
    assert plan.offer.storage_micros_per_hour > 0
    assert plan.cost.p50 <= plan.cost.p90 <= plan.cost.worst <= request.available.micros
    assert plan.cost.worst == plan.offer.cost(plan.window.seconds).micros
    assert plan.seconds.p50 <= plan.seconds.p90 <= plan.seconds.worst == plan.window.seconds
    assert request.max_seconds is None or plan.window.seconds <= request.max_seconds
    assert request.max_seconds is None or all(each.seconds <= request.max_seconds for each in searched.front)


@unhurried
@given(wishes, some_offers)
def test_every_stage_has_an_interval_and_the_items_add_up_to_the_lease(
    request: PlanRequest, market: tuple[Offer, ...]
) -> None:
    searched = planned(request, clouds(*market))
    plan = searched.plan
    given_so_far = 0
    for stage in plan.stages:
        given_so_far += stage.seconds
        assert stage.expected <= stage.slow <= given_so_far
        assert stage.sure_steps <= stage.planned_steps <= stage.intended_steps
    assert all(item.p50 <= item.p90 for item in plan.items)
    whole = math.fsum(item.p50 for item in plan.items)
    assert whole == pytest.approx(plan.seconds.p50, abs=len(plan.items) + 1)


@unhurried
@given(wishes, some_offers)
def test_no_plan_of_the_front_is_beaten_and_the_best_is_on_it(request: PlanRequest, market: tuple[Offer, ...]) -> None:
    searched = planned(request, clouds(*market))
    front = searched.front
    assert searched.plan.offer in {each.offer for each in front}
    assert not any(beats(one, other) for one in front for other in front)
    most = max(each.done for each in front)
    for best in searched.by_devices:
        as_good = any(beats(each, best) or measures(each) == measures(best) for each in front)
        assert as_good or best.done < most * AS_GOOD


def measures(choice: Choice) -> tuple[float, int, int]:
    return -choice.done, choice.seconds, choice.cost


def beats(one: Choice, other: Choice) -> bool:
    """Better in something, and worse in nothing."""
    return measures(one) != measures(other) and all(
        mine <= theirs for mine, theirs in zip(measures(one), measures(other), strict=True)
    )


@unhurried
@given(wishes, some_offers)
def test_what_is_passed_over_would_not_have_been_better(request: PlanRequest, market: tuple[Offer, ...]) -> None:
    """The search leaves out offers that others outdo; here each is planned on its own."""
    here = clouds(*market)
    tried: list[Choice] = []
    for way in market:
        alone = found(request, clouds(way))
        if alone is not None:
            tried += alone.front
    searched = found(request, here)
    assert (searched is None) == (not tried)
    if searched is not None:
        best = best_of(tried, request.machine.prefer)
        assert measures(best) == measures(next(each for each in searched.front if each.offer == searched.plan.offer))


@unhurried
@given(wishes, some_offers)
def test_what_a_refusal_says_would_do_does(request: PlanRequest, market: tuple[Offer, ...]) -> None:
    here = clouds(*market)
    try:
        refusals = search(request, here, NOW).refusals
    except UnaffordableError as error:
        cheapest = error.cheapest_micros
        assume(cheapest is not None)
        assert cheapest is not None
        assert found(replace(request, available=Money(cheapest)), here) is not None
        assert found(replace(request, available=Money(cheapest - 1)), here) is None
        return
    for each in refusals:
        if each.cheapest is not None:
            alone = clouds(*(way for way in market if way.id == each.offer_id))
            assert found(replace(request, available=Money(each.cheapest)), alone) is not None


@unhurried
@given(offers, st.integers(1, 200))
def test_a_bill_is_rounded_up_at_every_boundary(way: Offer, quanta: int) -> None:
    quantum = way.billing_quantum_seconds
    edge = max(quanta * quantum, -(-way.minimum_seconds // quantum) * quantum)
    assert way.billed_seconds(edge) == edge
    assert way.billed_seconds(edge + 1) == edge + quantum
    assert way.billed_seconds(edge - 1) in {edge, max(edge - 1, way.minimum_seconds)}
    assert way.cost(edge).micros * 3600 >= way.rate.micros_per_hour * edge
    assert (way.cost(edge).micros - 1) * 3600 < way.rate.micros_per_hour * edge


@unhurried
@given(wishes, offers, st.sampled_from([-1, 0, 1]))
def test_money_for_a_quantum_less_a_micro_dollar_buys_the_quantum_before(
    request: PlanRequest, way: Offer, off: int
) -> None:
    here = clouds(way)
    request = funded(replace(request, max_seconds=None), here)
    plan = search(request, here, NOW).plan
    exact = replace(request, available=plan.window.reserve + Money(off))
    again = found(exact, here)
    if off < 0:
        assert again is None or again.plan.window.seconds == plan.window.seconds - way.billing_quantum_seconds
    else:
        assert again is not None
        assert again.plan.window.seconds >= plan.window.seconds
        assert again.plan.cost.worst <= exact.available.micros
