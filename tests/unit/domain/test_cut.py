"""How a training is cut for a machine: the quickest layout that fits, and the same optimizer steps everywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.cost.fitted import FITTED
from orchestrator.domain.cost.gpus import GPUS
from orchestrator.domain.cost.known import known
from orchestrator.domain.cost.layout import Layout, layouts
from orchestrator.domain.cost.recipes import setup_of
from orchestrator.domain.cost.rows import Rows
from orchestrator.domain.cost.setup import Sharding
from orchestrator.domain.cut import SURE, Cut, Cutting
from orchestrator.domain.errors import UnaffordableError
from orchestrator.domain.money import Money
from orchestrator.domain.planner import PlanRequest, search
from orchestrator.domain.stages import StageKind
from orchestrator.domain.work import StageRequest
from tests.unit.domain.making import NOW
from tests.unit.domain.market_examples import MODELS, NAMES, SPLIT, clouds, rented, wish

RICH = Money(50_000_000_000)


def trainings(request: PlanRequest) -> list[StageRequest]:
    return [each for each in request.stages if each.kind is StageKind.TRAIN]


@pytest.mark.parametrize("devices", [1, 2, 3, 4])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("strategy", NAMES)
def test_the_cut_is_as_quick_as_the_quickest_of_all_layouts_that_fit(strategy: str, model: str, devices: int) -> None:
    architecture = known(model)
    assert architecture is not None
    for stage in trainings(wish(strategy, model)):
        for gpu in GPUS.values():
            tried = tuple(layouts(stage.shape, devices, (), checkpointed=True, shardings=SPLIT))
            fitting = [pace(stage, layout, gpu.name, model) for layout in tried if fits(stage, layout, gpu.name, model)]
            best = Cutting(stage.recipe, stage.rows, architecture, gpu, FITTED).best(tried)
            assert isinstance(best, Cut) == bool(fitting)
            if isinstance(best, Cut):
                assert pace(stage, best.layout, gpu.name, model) <= min(fitting) * 1.001
                assert best.fit is not None
                assert best.fit.fits


def fits(stage: StageRequest, layout: Layout, gpu: str, model: str) -> bool:
    architecture = known(model)
    assert architecture is not None
    setup = setup_of(stage.recipe, layout, stage.rows.longest_of(stage.shape.sequence_len))
    return FITTED.peak(architecture, setup, GPUS[gpu]).quantile(SURE) <= GPUS[gpu].memory


def pace(stage: StageRequest, layout: Layout, gpu: str, model: str) -> float:
    """Seconds of one row."""
    architecture = known(model)
    assert architecture is not None
    length = stage.rows.padded(layout.micro_batch, stage.shape.sequence_len, stage.recipe)
    step = FITTED.step(architecture, setup_of(stage.recipe, layout, round(length)), GPUS[gpu])
    return step.middle / layout.rows_per_step


@given(st.sampled_from(NAMES), st.integers(1, 16), st.integers(1, 16))
def test_an_optimizer_step_has_the_same_rows_on_one_two_and_four_devices(
    strategy: str, micro: int, accumulation: int
) -> None:
    stage = trainings(wish(strategy))[0]
    shape = replace(stage.shape, micro_batch_size=micro, gradient_accumulation_steps=accumulation * 4)
    for devices in (1, 2, 4):
        cuts = tuple(layouts(shape, devices, (), checkpointed=True, shardings=SPLIT))
        assert {each.rows_per_step for each in cuts} == {micro * accumulation * 4}
        assert {each.sharding for each in cuts} == (set(SPLIT) if devices > 1 else {Sharding.NONE})


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("micro", [1, 3, 4])
def test_a_pinned_micro_batch_stays_as_the_user_said(count: int, micro: int) -> None:
    request = wish("lora")
    pinned = tuple(
        replace(each, recipe={**each.recipe, "micro_batch_size": micro}, pinned=("micro_batch_size",))
        if each.kind is StageKind.TRAIN
        else each
        for each in request.stages
    )
    plan = search(replace(request, stages=pinned), clouds(rented(accelerator_count=count)), NOW).plan
    layout = plan.stages[0].layout
    assert layout is not None
    assert (layout.devices, layout.micro_batch) == (count, micro)


@pytest.mark.parametrize("devices", [1, 2, 4])
def test_a_pinned_accumulation_stays_and_the_micro_batch_gives(devices: int) -> None:
    shape = replace(trainings(wish("lora"))[0].shape, micro_batch_size=8, gradient_accumulation_steps=2)
    pinned = ("gradient_accumulation_steps",)
    cuts = tuple(layouts(shape, devices, pinned, checkpointed=True, shardings=(Sharding.NONE,)))
    assert {(each.micro_batch, each.accumulation) for each in cuts} == {(8 // devices, 2)}


def test_what_does_not_fit_one_device_is_told_how_many_would_do() -> None:
    request = wish("lora", MODELS[3], available=RICH)
    here = clouds(*(rented(accelerator_count=count) for count in (1, 2, 4)), rented(accelerator="L40S"))
    searched = search(request, here, NOW)
    told = {(each.accelerator, each.devices): each for each in searched.refusals}
    assert told["H200", 1].kind == "memory"
    assert "needs" in told["H200", 1].reason
    assert told["H200", 1].nearest == told["L40S", 1].nearest == "2 x H200 would do"


def test_a_model_that_fits_nowhere_is_refused_for_its_memory() -> None:
    request = wish("full", MODELS[3], available=RICH)
    with pytest.raises(UnaffordableError) as caught:
        search(request, clouds(rented(), rented(accelerator="L40S")), NOW)
    assert caught.value.cheapest_micros is None
    assert all("GiB (p95)" in each and "nothing on offer has the memory" in each for each in caught.value.refusals)


def test_a_count_that_the_user_ruled_out_is_still_told_where_nothing_else_fits() -> None:
    request = wish("lora", MODELS[3], available=RICH, gpus=1)
    with pytest.raises(UnaffordableError) as caught:
        search(request, clouds(rented(), rented(accelerator_count=2)), NOW)
    assert "2 x H200 would do" in caught.value.refusals[0]


def test_rows_of_one_length_are_cut_for_as_many_as_fit() -> None:
    """Nothing is padded, so that a larger micro-batch only saves launches."""
    stage = trainings(wish("lora"))[0]
    recipe = {**stage.recipe, "pad_to_sequence_len": True}
    architecture = known(MODELS[2])
    assert architecture is not None
    tried = tuple(layouts(stage.shape, 1, (), checkpointed=True, shardings=SPLIT))
    best = Cutting(recipe, Rows(1000), architecture, GPUS["B200"], FITTED).best(tried)
    assert isinstance(best, Cut)
    alike = [each for each in tried if each.checkpointing is best.layout.checkpointing]
    larger = [each for each in alike if each.micro_batch > best.layout.micro_batch]
    assert not any(fits(replace(stage, recipe=recipe, rows=Rows(1000)), each, "B200", MODELS[2]) for each in larger)
