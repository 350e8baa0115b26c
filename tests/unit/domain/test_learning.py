"""From a run's journal to observations: what counts as measured, and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.domain.budget import Limit, Window
from orchestrator.domain.cost.calibration import Observation, Predicted, Quantity, Span
from orchestrator.domain.cost.coefficients import CellKey
from orchestrator.domain.ids import StageId
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.learning import observations_of, stage_facts
from orchestrator.domain.money import Money
from orchestrator.domain.plan import Estimate, Plan, StagePlan
from orchestrator.domain.run import Run
from orchestrator.domain.stages import ExitCause, PeakMemory, Stage, StageExit, StageKind, StageStatus
from tests.unit.domain.making import ALLOWANCES, NOW, RUN, offer, run

CELL = CellKey("axolotl", "H200", "lora", "bf16")
TRAIN = StageId("01-train")
PREDICTED = Predicted(
    CELL, 1.0, 0.8, 1.25, 8e9, 7e9, 9e9, correction=0.1, memory_correction=-0.2,
    startup=Span(30.0, 20.0, 60.0), stage=Span(160.0, 120.0, 250.0),
)  # fmt: skip


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def metric(attempt: int, number: int, event: str, at: float, **fields: Any) -> Entry:
    data = {"event": event, "at": later(at).timestamp(), **fields}
    return Entry(RUN, EntryKind.METRIC, later(at), f"metric:{TRAIN}:{attempt}:0:{number}", data, TRAIN)


def started(attempt: int, at: float) -> Entry:
    return Entry(RUN, EntryKind.STAGE, later(at), f"stage:{TRAIN}:{attempt}:running", {"stage": TRAIN})


def attempt(number: int, at: float, pace: float, steps: int = 20) -> list[Entry]:
    """The entries of one attempt that takes 25 s to start."""
    begin = at + 25
    told = [started(number, at), metric(number, 0, "begin", begin, step=0, max_steps=steps)]
    for step in range(1, steps + 1):
        elapsed = pace * step
        told.append(
            metric(number, step, "step", begin + elapsed, step=step, elapsed_seconds=elapsed, tokens=100 * step)
        )
    return told


def trained(predicted: Predicted | None = PREDICTED, **stage: Any) -> Run:
    """A run whose training has ended well on two H200."""
    wish = run()
    machine = offer(accelerator="H200", accelerator_count=2)
    window = Window(NOW, 3600, Money(50_000_000), Limit.BUDGET, ALLOWANCES)
    parts = (
        StagePlan(StageKind.TRAIN, "LoRA", 3000, 160, 20, 20, 1.0, predicted=predicted),
        StagePlan(StageKind.EVALUATE, "both", 300, 100),
    )
    plan = Plan(machine, window, parts, Estimate(1, 2, 3), Estimate(1, 2, 3), None, ())
    first, *others = wish.all_stages
    done: dict[str, Any] = {
        "status": StageStatus.DONE,
        "attempt": 2,
        "ended_at": later(500),
        "exit": StageExit(ExitCause.COMPLETED, later(490), 20, 20, 20),
        "peak_memory": PeakMemory(device_reserved=8_500_000_000, device_allocated=8_000_000_000),
        **stage,
    }
    return replace(wish, plan=plan, stages=(replace(first, **done), *others))


def seen(found: tuple[Observation, ...]) -> Mapping[Quantity, float]:
    return {each.quantity: each.actual for each in found}


def of(ended: Run, entries: list[Entry]) -> tuple[Observation, ...]:
    return observations_of(ended, 0, stage_facts(ended.stages[0], entries))


def test_a_training_that_ended_well_is_observed_in_everything_that_was_foretold() -> None:
    found = of(trained(), attempt(2, 300, 1.1))
    assert seen(found) == pytest.approx({
        Quantity.SECONDS_PER_STEP: 1.1,
        Quantity.PEAK_MEMORY: 8_500_000_000,
        Quantity.STARTUP: 25.0,
        Quantity.STAGE: 190.0,
    })  # fmt: skip
    speed, memory = found[:2]
    assert (speed.predicted, speed.predicted_low, speed.predicted_high, speed.correction) == (1.0, 0.8, 1.25, 0.1)
    assert (memory.predicted, memory.predicted_low, memory.predicted_high, memory.correction) == (8e9, 7e9, 9e9, -0.2)
    assert (speed.cell, speed.gpu_count, speed.model, speed.attempt) == (CELL, 2, "/models/tiny", 2)
    assert speed.at == later(500)


def test_only_the_newest_attempt_counts() -> None:
    found = of(trained(), [*attempt(1, 0, 9.0), *attempt(2, 300, 1.1)])
    assert seen(found)[Quantity.SECONDS_PER_STEP] == pytest.approx(1.1)
    assert seen(found)[Quantity.STARTUP] == pytest.approx(25.0)


def test_time_spent_saving_is_no_step_time() -> None:
    told = attempt(2, 0, 1.0)
    with_saves: list[Entry] = []
    for entry in told:
        step, elapsed = entry.data.get("step"), entry.data.get("elapsed_seconds")
        if isinstance(step, int) and isinstance(elapsed, float):
            entry = replace(entry, data={**entry.data, "elapsed_seconds": elapsed + 5.0 * ((step - 1) // 2)})
        with_saves.append(entry)
        if isinstance(step, int) and step and step % 2 == 0:
            with_saves.append(metric(2, 100 + step, "checkpoint", 0, step=step, path="/c", seconds=5.0))
    assert seen(of(trained(), with_saves))[Quantity.SECONDS_PER_STEP] == pytest.approx(1.0)


def test_a_training_that_was_cut_is_not_held_to_the_time_of_the_whole() -> None:
    cut = trained(exit=StageExit(ExitCause.SOFT_DEADLINE, later(490), 20, 20, 900))
    assert Quantity.STAGE not in seen(of(cut, attempt(2, 300, 1.1)))
    assert Quantity.SECONDS_PER_STEP in seen(of(cut, attempt(2, 300, 1.1)))


def test_what_was_not_foretold_or_not_measured_is_no_observation() -> None:
    bare = Predicted(CELL, 1.0, 0.8, 1.25)
    assert set(seen(of(trained(bare), attempt(2, 300, 1.1)))) == {Quantity.SECONDS_PER_STEP}
    assert set(seen(of(trained(), []))) == {Quantity.PEAK_MEMORY}
    on_cpu = trained(peak_memory=PeakMemory(process_resident=900_000_000))
    assert Quantity.PEAK_MEMORY not in seen(of(on_cpu, attempt(2, 300, 1.1)))


def test_a_stage_without_a_prediction_or_a_plan_teaches_nothing() -> None:
    assert of(trained(None), attempt(2, 300, 1.1)) == ()
    assert of(replace(trained(), plan=None), attempt(2, 300, 1.1)) == ()


@pytest.mark.parametrize("status", [status for status in StageStatus if status is not StageStatus.DONE])
def test_a_stage_that_did_not_end_well_teaches_nothing(status: StageStatus) -> None:
    assert of(trained(status=status), attempt(2, 300, 1.1)) == ()


def test_lines_that_are_nonsense_are_passed_over() -> None:
    told = attempt(2, 300, 1.1)
    nonsense = [
        metric(2, 200, "step", 0, step="7", elapsed_seconds=1.0),
        metric(2, 201, "step", 0, step=8, elapsed_seconds=None),
        metric(2, 202, "checkpoint", 0, seconds=None),
        metric(2, 203, "begin", 0, step=None),
    ]
    stage: Stage = trained().stages[0]
    clean, dirty = stage_facts(stage, told), stage_facts(stage, [*told, *nonsense])
    assert dirty.pace == clean.pace
    assert clean.began_at == later(300).astimezone(UTC)
