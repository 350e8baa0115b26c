"""What a run that has begun is planned by: its own layout, and its own speed on the machine where it was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.cost.coefficients import CellKey, Correction
from orchestrator.domain.cost.fitted import FITTED
from orchestrator.domain.cost.known import known
from orchestrator.domain.cost.layout import as_written
from orchestrator.domain.cost.setup import Checkpointing
from orchestrator.domain.funding import plan_request, plan_stages
from orchestrator.domain.money import Money, Rate
from orchestrator.domain.offer_book import OfferBook
from orchestrator.domain.offers import Offer
from orchestrator.domain.plan import Plan
from orchestrator.domain.planner import Market, make_plan, share_anew
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.run import Run, RunSpec
from orchestrator.domain.stages import Devices, StageStatus
from tests.unit.domain.making import NOW, market, offer, run, spec, stages

LLAMA = "meta-llama/Llama-3.1-8B"
CAP = Money(50_000_000)


def machine(accelerator: str, *counts: int) -> tuple[Offer, ...]:
    """This machine with so many devices of the accelerator."""
    return tuple(
        offer(accelerator=accelerator, accelerator_count=count, rate=Rate(4_000_000 * count)) for count in counts
    )


def llama(strategy: str = "lora") -> RunSpec:
    expanded = stages(strategy)
    wished = (replace(each, recipe={**each.recipe, "sequence_len": 2048}) if each.recipe else each for each in expanded)
    return spec(model=LLAMA, model_parameters=8_030_261_248, architecture=known(LLAMA), stages=tuple(wished))


def funded(wish: RunSpec, here: Market) -> Run:
    """A run that was planned and has its machine."""
    asked = run(spec=wish)
    plan = make_plan(plan_request(wish, (), CAP, None), here, NOW)
    return replace(asked, plan=plan, stages=plan_stages(replace(asked, plan=plan), plan))


def begun(funded_run: Run, seconds_per_step: float | None, on: Devices | None, **changes: object) -> Run:
    """The run with a checkpoint of its first training."""
    first = replace(
        funded_run.stages[0], checkpoint="/c/10", step=10, attempt=1, seconds_per_step=seconds_per_step, measured_on=on
    )
    return funded_run.with_stage(replace(first, **changes))  # type: ignore[arg-type]


def planned_anew(past: Run, here: Market) -> Plan:
    assert past.plan is not None
    return make_plan(plan_request(past.spec, past.stages, CAP, None, plan=past.plan), here, NOW)


def believing(here: Market, memory: float) -> Market:
    """The same machines, of which one has learned that everything needs so many times the memory."""
    cell = past_cell(here)
    corrected = FITTED.corrected({}, {cell: Correction(memory, 0.01, 50)})
    return Market(OfferBook(here.offers), here.providers, here.allowances, corrected)


def past_cell(here: Market) -> CellKey:
    predicted = funded(llama(), here).plan.stages[0].predicted  # type: ignore[union-attr]
    assert predicted is not None
    return predicted.cell


def test_a_speed_measured_on_four_devices_is_no_promise_for_one() -> None:
    here = market(*machine("H200", 1, 4))
    first = funded(llama(), market(*machine("H200", 4)))
    assert first.plan is not None
    pace = first.plan.stages[0].seconds_per_step
    past = begun(first, pace, Devices("H200", 4))
    alone = planned_anew(past, market(*machine("H200", 1)))
    assert alone.stages[0].seconds_per_step > 1.5 * pace
    assert "measured of" in alone.stages[0].speed_source
    assert planned_anew(past, here).offer.accelerator_count == 4


def test_what_was_measured_elsewhere_scales_what_is_predicted_here() -> None:
    here = market(*machine("H200", 1))
    first = funded(llama(), market(*machine("H200", 4)))
    assert first.plan is not None
    pace = first.plan.stages[0].seconds_per_step
    as_foretold = planned_anew(begun(first, pace, Devices("H200", 4)), here)
    twice = planned_anew(begun(first, 2 * pace, Devices("H200", 4)), here)
    assert twice.stages[0].seconds_per_step == pytest.approx(2 * as_foretold.stages[0].seconds_per_step)


def test_a_speed_of_an_older_version_holds_wherever_it_is_asked_for() -> None:
    past = begun(funded(llama(), market(*machine("H200", 4))), 0.5, None)
    assert planned_anew(past, market(*machine("H200", 1))).stages[0].seconds_per_step == 0.5


def test_on_devices_that_nothing_is_known_of_a_layout_for_four_is_not_used_on_one() -> None:
    wished = spec(stages=tuple(
        replace(each, recipe={**each.recipe, "gradient_accumulation_steps": 4}) if each.recipe else each
        for each in stages()
    ))  # fmt: skip
    past = begun(funded(wished, market(*machine("RTX", 4))), None, None)
    layout = planned_anew(past, market(*machine("RTX", 1))).stages[0].layout
    assert layout is not None
    assert (layout.devices, layout.rows_per_step) == (1, 32)


def test_a_lease_under_way_keeps_its_trainings_whatever_was_learned_since_of_memory() -> None:
    here = market(*machine("H200", 1))
    first = funded(llama("relora"), here)
    assert first.plan is not None
    under_way = first.with_stage(replace(first.stages[0], status=StageStatus.RUNNING, soft_deadline=NOW))
    request = plan_request(under_way.spec, under_way.stages, CAP, None, NOW, first.plan)
    parts = share_anew(request, believing(here, 3.0), first.plan.offer, 3600)
    assert [part.layout for part in parts] == [part.layout for part in first.plan.stages]
    assert all(part.intended_steps for part in parts if part.layout is not None)


def test_a_training_that_ran_on_this_machine_goes_on_there_whatever_the_memory_model_says_now() -> None:
    here = market(*machine("H200", 1))
    past = begun(funded(llama(), here), 0.5, Devices("H200", 1))
    assert past.plan is not None
    anew = planned_anew(past, believing(here, 3.0))
    assert anew.stages[0].layout == past.plan.stages[0].layout


def test_a_training_planned_before_there_were_layouts_goes_on_as_its_recipe_has_it() -> None:
    here = market(*machine("H200", 2))
    first = funded(llama(), here)
    assert first.plan is not None
    older = replace(first.plan, stages=tuple(replace(part, layout=None) for part in first.plan.stages))
    past = begun(replace(first, plan=older), 0.5, None)
    layout = planned_anew(past, here).stages[0].layout
    assert layout is not None
    assert (layout.devices, layout.micro_batch, layout.accumulation) == (2, 8, 1)
    assert layout.checkpointing is Checkpointing.FULL


@pytest.mark.parametrize(
    ("micro_batch", "accumulation", "devices", "pinned", "cut"),
    [
        (8, 1, 1, (), (8, 1)),
        (8, 1, 4, (), (2, 1)),
        (8, 3, 2, (), (6, 2)),
        (2, 8, 4, (), (2, 2)),
        (1, 1, 4, (), (1, 1)),
        (8, 1, 4, ("micro_batch_size",), (8, 1)),
        (4, 2, 4, ("gradient_accumulation_steps",), (1, 2)),
    ],
)
def test_more_devices_that_nothing_is_known_of_share_the_rows_of_a_step_too(
    micro_batch: int, accumulation: int, devices: int, pinned: tuple[str, ...], cut: tuple[int, int]
) -> None:
    shape = TrainingShape(micro_batch, accumulation, 128, 1.0)
    layout = as_written(shape, devices, True, pinned)
    assert (layout.devices, layout.micro_batch, layout.accumulation) == (devices, *cut)
