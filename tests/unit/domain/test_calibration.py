"""The correction of a cell and the accuracy of predictions, held against their definitions."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.cost.calibration import (
    NOISE_SD,
    PRIOR_SD,
    Observation,
    Quantity,
    accuracy,
    clipped,
    corrections,
    corrections_in_force,
    summary,
)
from orchestrator.domain.cost.coefficients import CellKey, Correction
from orchestrator.domain.ids import RunId
from tests.unit.domain.making import NOW, RUN

H200 = CellKey("axolotl", "H200", "lora", "bf16")
SECONDS = Quantity.SECONDS_PER_STEP
CPU = CellKey("axolotl", "CPU", "lora", "fp32")


def observed(ratio: float = 1.0, cell: CellKey = H200, **fields: Any) -> Observation:
    """A stage whose actual value was `ratio` of what was foretold, with an interval of 20 % either way."""
    whole = Observation(
        RUN, 0, 1, NOW, cell.framework, cell.gpu, 1, cell.method, cell.precision, "owner/model",
        Quantity.SECONDS_PER_STEP, 2.0, 1.6, 2.4, 2.0 * ratio,
    )  # fmt: skip
    return replace(whole, **fields)


def learned(*ratios: float, **options: float) -> Correction:
    return corrections([observed(ratio) for ratio in ratios], **options)[H200]  # type: ignore[arg-type]


def test_one_stage_moves_the_cell_by_the_formula() -> None:
    found = learned(1.3, prior_sd=0.3, noise_sd=0.1)
    precision = 1 / 0.3**2 + 1 / 0.1**2
    assert found.log_factor == pytest.approx(math.log(1.3) / 0.1**2 / precision)
    assert found.sigma == pytest.approx(precision**-0.5)
    assert found.observations == 1


@pytest.mark.parametrize("seed", range(30))
def test_the_posterior_lies_between_the_prior_and_the_data(seed: int) -> None:
    chance = random.Random(seed)
    ratios = [math.exp(chance.gauss(chance.uniform(-0.5, 0.5), 0.05)) for _ in range(chance.randint(1, 20))]
    found = learned(*ratios)
    logs = clipped([math.log(ratio) for ratio in ratios], PRIOR_SD, NOISE_SD)
    mean = sum(logs) / len(logs)
    assert min(0.0, mean) <= found.log_factor <= max(0.0, mean)
    assert abs(found.log_factor) < abs(mean)


def test_more_stages_make_it_surer_and_bring_it_closer_to_the_data() -> None:
    found = [learned(*[1.3] * count) for count in (1, 2, 5, 20, 100)]
    sigmas = [each.sigma for each in found]
    assert sigmas == sorted(sigmas, reverse=True)
    assert sigmas[-1] == pytest.approx(NOISE_SD / 10, rel=0.01)
    distances = [math.log(1.3) - each.log_factor for each in found]
    assert distances == sorted(distances, reverse=True)
    assert 0 < distances[-1] < 0.001


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_the_stages_does_not_matter(seed: int) -> None:
    chance = random.Random(seed)
    stages = [observed(math.exp(chance.gauss(0.2, 0.3)), chance.choice([H200, CPU])) for _ in range(25)]
    shuffled = chance.sample(stages, len(stages))
    assert corrections(stages) == corrections(shuffled)
    assert list(summary(stages)) == list(summary(shuffled))


def test_a_correction_that_was_applied_already_is_not_learned_twice() -> None:
    applied = math.log(1.3)
    # The plan foretold 1.3 times what the model says, and that came true.
    right = [replace(observed(1.0), stage_index=index, correction=applied) for index in range(40)]
    assert corrections(right)[H200].log_factor == pytest.approx(applied, rel=0.01)


def test_one_wild_stage_hardly_moves_a_cell_that_others_agree_on() -> None:
    calm, wild = learned(*[1.1] * 8), learned(*[1.1] * 7, 100.0)
    assert abs(wild.log_factor - calm.log_factor) < NOISE_SD


@pytest.mark.parametrize("ratio", [1e-6, 1e6])
def test_a_first_stage_that_is_wild_is_believed_within_bounds(ratio: float) -> None:
    assert abs(learned(ratio).log_factor) < 3 * math.hypot(PRIOR_SD, NOISE_SD)


def test_many_stages_that_agree_are_believed_however_far_off() -> None:
    assert learned(*[6.0] * 10).log_factor == pytest.approx(math.log(6), rel=0.02)


def test_cells_and_quantities_never_mix() -> None:
    stages = [
        observed(3.0, CPU),
        observed(1.1, H200),
        observed(1.5, H200, quantity=Quantity.PEAK_MEMORY),
    ]
    speed, memory = corrections(stages), corrections(stages, quantity=Quantity.PEAK_MEMORY)
    assert set(speed) == {CPU, H200}
    assert speed[H200] == learned(1.1)
    assert set(memory) == {H200}
    assert memory[H200] == learned(1.5)
    assert corrections([]) == {}


def test_a_device_without_a_data_sheet_may_be_further_off_and_is_surer_later() -> None:
    found = corrections_in_force([observed(2.0, cell) for cell in (CPU, H200) for _ in range(4)], SECONDS)
    assert found[H200] == learned(*[2.0] * 4)
    assert found[CPU].sigma > 3 * found[H200].sigma
    assert found[CPU].log_factor == pytest.approx(math.log(2), rel=0.05)


def test_the_accuracy_is_counted_right() -> None:
    # 2.0 was foretold within 1.6 to 2.4; the bounds themselves are within.
    stages = [observed(actual=actual) for actual in (1.6, 2.0, 2.4, 2.5, 4.0)]
    found = accuracy(stages)
    errors = [2.0 / actual - 1 for actual in (1.6, 2.0, 2.4, 2.5, 4.0)]
    assert found.observations == 5
    assert found.coverage == pytest.approx(3 / 5)
    assert found.mape == pytest.approx(sum(map(abs, errors)) / 5)
    assert found.bias == pytest.approx(sum(errors) / 5)


def test_the_summary_tells_quantities_and_cells_apart() -> None:
    stages = [observed(1.0), observed(2.0), observed(1.0, CPU), observed(1.0, quantity=Quantity.STARTUP)]
    found = summary(stages)
    assert list(found) == [
        (Quantity.SECONDS_PER_STEP, CPU), (Quantity.SECONDS_PER_STEP, H200), (Quantity.STARTUP, H200)
    ]  # fmt: skip
    assert [each.observations for each in found.values()] == [1, 2, 1]
    assert found[Quantity.SECONDS_PER_STEP, H200].coverage == 0.5


def test_intervals_of_the_right_width_cover_nine_in_ten() -> None:
    chance = random.Random(7)
    spread, reach = 0.2, 1.6449 * 0.2
    stages = [
        replace(observed(math.exp(chance.gauss(0, spread)), predicted_low=2 * math.exp(-reach),
                         predicted_high=2 * math.exp(reach)), run_id=RunId(f"run_{index:012d}"))
        for index in range(4000)
    ]  # fmt: skip
    assert accuracy(stages).coverage == pytest.approx(0.9, abs=0.015)


@pytest.mark.parametrize("field", ["predicted", "predicted_low", "predicted_high", "actual"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_an_observation_that_is_no_positive_number_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        observed(**{field: value})
