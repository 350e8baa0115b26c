"""A machine that is slower than foretold, in simulated time: the next runs are foretold rightly."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.adapters.memory.world import Faults, World
from orchestrator.domain.cost.calibration import Observation, Predicted, Quantity
from orchestrator.domain.cost.coefficients import CellKey
from orchestrator.domain.ids import RunId, lease_id
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.run import Run
from orchestrator.domain.stages import StageKind, StageStatus
from orchestrator.ports.store import RunChange
from orchestrator.services.learned import Learned
from tests.simulation.simulating import Simulation
from tests.unit.domain.making import stages

CELL = CellKey("axolotl", "H200", "lora", "bf16")
GIB = 1 << 30
MODEL_SECONDS, MODEL_MEMORY = 1.0, 20.0 * GIB
"""What the model alone says, in every run."""
SLOWER = 1.3
AMPLE = 50_000_000
HALF_WIDTH = 1.3


def foretold(learned: Learned) -> Predicted:
    """A prediction as a quote would make it: the model, times what was learned."""
    speed = learned.corrections().get(CELL)
    memory = learned.corrections(Quantity.PEAK_MEMORY).get(CELL)
    by_speed = speed.log_factor if speed else 0.0
    by_memory = memory.log_factor if memory else 0.0
    seconds, size = MODEL_SECONDS * math.exp(by_speed), MODEL_MEMORY * math.exp(by_memory)
    return Predicted(
        CELL, seconds, seconds / HALF_WIDTH, seconds * HALF_WIDTH, size, size / HALF_WIDTH, size * HALF_WIDTH,
        correction=by_speed, memory_correction=by_memory,
    )  # fmt: skip


def run_to_end(simulation: Simulation, run_id: RunId, predicted: Predicted) -> Run:
    """Until the run has ended; every training of its plan is held to `predicted`, whoever plans anew in between."""
    for _ in range(20_000):
        run = simulation.tick(run_id).run
        if run.status is RunStatus.ENDED:
            return run
        if run.plan is None:
            continue
        parts = tuple(
            replace(part, predicted=predicted) if part.kind is StageKind.TRAIN else part for part in run.plan.stages
        )
        if parts != run.plan.stages:
            simulation.store.save(RunChange(replace(run, plan=replace(run.plan, stages=parts))))
    raise AssertionError(f"{run_id} did not end")


def of(observations: list[Observation], quantity: Quantity) -> list[Observation]:
    return [each for each in observations if each.quantity is quantity]


def seen(simulation: Simulation) -> list[Observation]:
    """The oldest first."""
    return [stored.observation for stored in reversed(simulation.store.observations(1000))]


def test_runs_on_a_machine_thirty_per_cent_slower_than_foretold_correct_the_next_ones_within_a_few_runs() -> None:
    simulation = Simulation()
    learned = Learned(simulation.store, simulation.clock)
    chance = random.Random(3)
    for _ in range(6):
        day = math.exp(chance.gauss(0.0, 0.02))
        simulation.compute.world = World(
            seconds_per_step=SLOWER * day, teardown_seconds=5, peak_memory_bytes=int(22 * GIB * day)
        )
        run_to_end(simulation, simulation.submit(AMPLE), foretold(learned))
    speed, memory = of(seen(simulation), Quantity.SECONDS_PER_STEP), of(seen(simulation), Quantity.PEAK_MEMORY)
    assert [each.actual for each in speed] == pytest.approx([SLOWER] * 6, rel=0.1)
    assert abs(speed[0].error) > 0.2
    assert all(abs(each.error) < 0.06 for each in speed[1:])
    assert all(abs(each.error) < 0.06 for each in memory[1:])
    found = learned.corrections()[CELL]
    assert math.exp(found.log_factor) == pytest.approx(SLOWER, rel=0.03)
    assert found.observations == 6
    cells = {cell.quantity: cell for cell in learned.page(10).cells}
    # Only the first run, which nobody could know better, lay outside its interval.
    assert cells[Quantity.SECONDS_PER_STEP].accuracy.coverage == pytest.approx(5 / 6)
    assert cells[Quantity.SECONDS_PER_STEP].correction == found


def test_every_training_of_a_chain_is_one_observation() -> None:
    simulation = Simulation(World(seconds_per_step=2, teardown_seconds=5))
    chain = stages("relora", iterations=3)
    run = run_to_end(simulation, simulation.submit(AMPLE, strategy="relora", stages=chain), foretold(
        Learned(simulation.store, simulation.clock)))  # fmt: skip
    found = of(seen(simulation), Quantity.SECONDS_PER_STEP)
    trained = [index for index, stage in enumerate(run.stages) if stage.kind is StageKind.TRAIN]
    assert [each.stage_index for each in found] == trained
    assert [each.actual for each in found] == pytest.approx([2.0] * 3)
    assert {(each.gpu, each.gpu_count, each.model) for each in found} == {("H200", 2, "/models/tiny")}


def test_a_training_that_went_on_after_its_machine_was_lost_is_one_observation() -> None:
    simulation = Simulation(World(seconds_per_step=1, teardown_seconds=5), faults=Faults())
    run_id = simulation.submit(AMPLE)
    simulation.faults.lost_at[lease_id(run_id, 1)] = simulation.clock.now() + timedelta(seconds=130)
    run = run_to_end(simulation, run_id, foretold(Learned(simulation.store, simulation.clock)))
    (found,) = of(seen(simulation), Quantity.SECONDS_PER_STEP)
    assert run.leases == 2
    assert (found.attempt, found.actual) == (2, pytest.approx(1.0))


def test_a_training_that_failed_teaches_nothing() -> None:
    simulation = Simulation(World(teardown_seconds=5, steps_per_checkpoint=1000), Faults(crash_steps=[50]))
    run = run_to_end(simulation, simulation.submit(AMPLE), foretold(Learned(simulation.store, simulation.clock)))
    assert run.stages[0].status is StageStatus.FAILED
    assert seen(simulation) == []
