from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.domain.budget import Limit
from orchestrator.domain.cost.rows import Rows
from orchestrator.domain.errors import InvalidInputError, UnaffordableError
from orchestrator.domain.funding import plan_request
from orchestrator.domain.money import Money, Rate
from orchestrator.domain.offer_book import OfferBook
from orchestrator.domain.offers import Offer
from orchestrator.domain.plan import Plan
from orchestrator.domain.planner import PlanRequest, make_plan, share_anew
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.stages import StageKind
from tests.unit.domain.making import NOW, STARTUP, market, offer, spec, stages

RECIPE = stages()[0].recipe


def request(
    strategy: str = "lora", rows: int = 800, pace: float | None = None, steps_done: int = 0, **changes: object
) -> PlanRequest:
    """`pace` is the measured seconds per step of the first training."""
    whole = plan_request(spec(stages=stages(strategy)), (), Money(50_000_000), None)
    wishes = [replace(each, rows=Rows(rows)) if each.kind is StageKind.TRAIN else each for each in whole.stages]
    wishes[0] = replace(wishes[0], seconds_per_step=pace, steps_done=steps_done)
    return replace(whole, stages=tuple(wishes), **changes)  # type: ignore[arg-type]


def plan(wish: PlanRequest, *offers: Offer) -> Plan:
    here = market(*offers)
    return make_plan(wish, here, NOW)


def test_an_ample_cap_trains_all_that_the_strategy_can_use() -> None:
    made = plan(request())
    assert (made.planned_steps, made.intended_steps, made.limit) == (300, 300, None)
    assert made.stages[-1].seconds > 0


def test_a_tight_cap_is_spent_on_training_rather_than_on_evaluating() -> None:
    made = plan(request(available=Money(50_000), pace=0.5))
    assert made.stages[-1].seconds == 0
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
    prior, measured = plan(request()), plan(request(pace=0.1))
    assert measured.stages[0].seconds_per_step == 0.1
    assert measured.seconds.p90 / measured.seconds.p50 < prior.seconds.p90 / prior.seconds.p50


@example(strategy="split", cap=62_223, rows=1, pace=None)
@given(
    st.sampled_from(["lora", "dora_neftune", "galore", "relora", "orpo", "split", "full", "qlora"]),
    st.integers(30_000, 10**9),
    st.integers(1, 100_000),
    st.none() | st.floats(0.01, 30.0),
)
def test_a_plan_fits_its_cap_and_its_shares_fit_its_window(
    strategy: str, cap: int, rows: int, pace: float | None
) -> None:
    wish = request(strategy, rows, pace, available=Money(cap))
    try:
        made = plan(wish)
    except UnaffordableError:
        return
    assert made.cost.p50 <= made.cost.p90 <= made.cost.worst <= cap
    assert made.seconds.p50 <= made.seconds.p90 <= made.seconds.worst == made.window.seconds
    shared_out = sum(stage.seconds for stage in made.stages) + 1
    assert shared_out + made.window.allowances.total <= made.window.seconds
    # What a training leaves over goes to the next: it is the sums that must not run ahead.
    used, shared = accumulate(s.expected for s in made.stages), accumulate(s.seconds + 1 for s in made.stages)
    assert all(each <= most for each, most in zip(used, shared, strict=True))
    assert all(stage.seconds > 0 for stage in made.stages if stage.kind.makes_model)
    assert 0 < made.planned_steps <= made.intended_steps
    assert (made.limit is None) == (made.planned_steps == made.intended_steps)


@pytest.mark.parametrize("key", ["micro_batch_size", "gradient_accumulation_steps", "sequence_len", "num_epochs"])
@pytest.mark.parametrize("value", [0, -1, "8", None, True, float("nan")])
def test_a_shape_that_cannot_be_planned_names_the_override(key: str, value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        TrainingShape.from_recipe({**RECIPE, key: value})  # type: ignore[dict-item]
    assert caught.value.problems[0].field == f"overrides.{key}"


def test_a_split_budget_gives_each_training_its_share_and_a_merge_its_time() -> None:
    first, merge, second, evaluate = plan(request("split", available=Money(1_000_000))).stages
    assert (first.kind, merge.kind, second.kind) == (StageKind.TRAIN, StageKind.MERGE, StageKind.TRAIN)
    assert abs(first.seconds - second.seconds) <= 1
    assert merge.seconds > 0
    assert evaluate.seconds > 0


def test_shares_follow_the_strategys_parameters() -> None:
    wishes = stages("split", sft_share=1, orpo_share=3)
    first, _, second, _ = plan(plan_request(spec(stages=wishes), (), Money(10_000_000), None)).stages
    start = STARTUP
    assert (second.seconds - start) == pytest.approx(3 * (first.seconds - start), abs=4)


def test_the_cycles_of_relora_take_the_epochs_and_the_time_in_equal_parts() -> None:
    made = plan(request("relora", available=Money(400_000), pace=0.4)).stages
    cycles = [part for part in made if part.kind is StageKind.TRAIN]
    assert [part.kind for part in made] == [StageKind.TRAIN, StageKind.MERGE] * 3 + [StageKind.EVALUATE]
    assert {part.intended_steps for part in cycles} == {100}
    assert max(part.seconds for part in cycles) - min(part.seconds for part in cycles) <= 2


def test_what_one_training_measures_corrects_the_guess_for_the_others() -> None:
    prior = plan(request("split")).stages
    measured = plan(request("split", pace=10 * prior[0].seconds_per_step)).stages
    assert measured[2].seconds_per_step == pytest.approx(10 * prior[2].seconds_per_step)


def test_stages_that_are_done_get_no_more_time() -> None:
    wish = request("relora")
    done = tuple(replace(each, done=index < 2, steps_done=100 * (index == 0)) for index, each in enumerate(wish.stages))
    made = plan(replace(wish, stages=done)).stages
    assert [part.seconds for part in made[:2]] == [0, 0]
    assert (made[0].planned_steps, made[0].intended_steps) == (100, 100)
    assert made[2].seconds > plan(wish).stages[2].seconds


def test_max_hours_that_are_said_to_do_do() -> None:
    with pytest.raises(UnaffordableError) as caught:
        plan(request(max_seconds=20))
    hours = float(caught.value.refusals[0].split("max_hours of ")[1].split(" ")[0])
    assert plan(request(max_seconds=int(hours * 3600))).planned_steps > 0


def test_max_hours_shorter_than_a_billing_quantum_are_no_obstacle() -> None:
    hourly = offer(billing_quantum_seconds=3600, minimum_seconds=3600)
    made = plan(request(max_seconds=600), hourly)
    assert (made.window.seconds, made.cost.worst) == (600, 4_000_000)


def test_where_time_and_money_are_short_both_are_told() -> None:
    wish = request(max_seconds=20, available=Money(1))
    with pytest.raises(UnaffordableError) as caught:
        plan(wish)
    hours, money = (caught.value.refusals[0].split(word)[1].split(" ")[0] for word in ("max_hours of ", "budget of "))
    enough = Money(round(float(money) * 1_000_000))
    assert plan(replace(wish, max_seconds=int(float(hours) * 3600), available=enough)).planned_steps > 0


def test_a_wish_that_changed_its_speed_is_reckoned_anew_on_the_same_market() -> None:
    here = market()
    before = make_plan(request(), here, NOW).stages[0]
    after = make_plan(request(pace=before.seconds_per_step * 3), here, NOW).stages[0]
    assert after.seconds_per_step == pytest.approx(3 * before.seconds_per_step)


def test_a_spot_machines_interruptions_are_an_item_and_an_assumption() -> None:
    firm, spot = plan(request(pace=2.0)), plan(request(pace=2.0), offer(spot=True))
    (item,) = [each for each in spot.items if each.name == "spot interruptions"]
    assert spot.seconds.p50 - firm.seconds.p50 == item.p50 > 0
    (told,) = [each for each in spot.assumptions if each.name == "spot_interruptions_per_hour"]
    assert told.source.startswith("believed")
    assert not [each for each in firm.assumptions if each.name.startswith("spot")]


def test_a_lease_is_shared_out_although_its_provider_is_listed_no_more() -> None:
    wish = request("lora")
    here = market()
    gone = replace(here, book=OfferBook(()), providers={}, allowances={})
    train, evaluate = share_anew(wish, gone, offer(provider="gone"), 600)
    assert train.seconds > evaluate.seconds > 0


def test_a_stage_that_is_slow_has_its_own_share_and_nothing_of_those_before_it() -> None:
    made = plan(request("split", available=Money(700_000), pace=0.5))
    trainings = [part for part in made.stages if part.kind is StageKind.TRAIN]
    assert len(trainings) == 2
    assert all(part.slow <= max(part.seconds, part.expected) for part in trainings)
