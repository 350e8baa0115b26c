"""Runs that are cut short in awkward places: what was paid for is kept, what was left out is said, money goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.adapters.memory.world import World
from orchestrator.domain import ledger
from orchestrator.domain.ids import RunId, lease_id
from orchestrator.domain.lifecycle import Outcome, RunStatus
from orchestrator.domain.money import Money
from orchestrator.domain.run import Run
from orchestrator.domain.stages import StageKind, StageSpec, StageStatus
from orchestrator.domain.strategies import Wishes, expand, find_strategy
from tests.simulation.simulating import Simulation
from tests.unit.domain.making import SHAPE, stages


def with_merge() -> tuple[StageSpec, ...]:
    """LoRA and its merged model, in the tests' small shape."""
    found = expand(find_strategy("lora"), Wishes({}, merged=True))
    return (replace(found[0], recipe={**found[0].recipe, **SHAPE}), *found[1:])


def until(simulation: Simulation, run_id: RunId, step: int, stage: int = 0) -> Run:
    """Tick until the stage has got as far as `step`."""
    while True:
        run = simulation.tick(run_id).run
        assert run.status is not RunStatus.ENDED, run.reason
        if run.stages and run.stages[stage].step >= step:
            return run


def lose_machine(simulation: Simulation, run_id: RunId, ordinal: int = 1) -> None:
    simulation.faults.lost_at[lease_id(run_id, ordinal)] = simulation.clock.now()


def test_a_training_that_lost_its_machine_and_its_money_goes_on_with_more() -> None:
    simulation = Simulation(World(seconds_per_step=2, teardown_seconds=5))
    run_id = simulation.submit(1_000_000)
    until(simulation, run_id, 133)
    lose_machine(simulation, run_id)
    first = simulation.until_ended(run_id).run
    assert (first.outcome, first.can_use_more) == (Outcome.BUDGET_REACHED, True)
    simulation.top_up.execute(run_id, "5")
    run = simulation.until_ended(run_id).run
    assert run.outcome is Outcome.COMPLETED
    assert run.stages[0].step == 300


def test_a_merged_model_that_was_asked_for_and_left_out_is_no_completed_run() -> None:
    simulation = Simulation(World(merge_seconds=10_000, teardown_seconds=5))
    run_id = simulation.submit(900_000, stages=with_merge())
    run = simulation.until_ended(run_id).run
    assert run.stages[1].status is StageStatus.SKIPPED
    assert run.outcome is Outcome.BUDGET_REACHED
    assert run.can_use_more


def test_an_evaluation_without_a_share_still_takes_place_when_money_comes() -> None:
    simulation = Simulation(World(seconds_per_step=1, teardown_seconds=5))
    run_id = simulation.submit(380_000)
    run = until(simulation, run_id, 10)
    assert run.stages[-1].planned_seconds == 0
    simulation.top_up.execute(run_id, "20")
    run = simulation.until_ended(run_id).run
    assert run.outcome is Outcome.COMPLETED
    assert [result["subject"] for result in run.stages[-1].results] == ["base", "tuned"]


def test_an_evaluation_that_lost_its_machine_gets_all_of_a_short_lease() -> None:
    simulation = Simulation(World(seconds_per_step=1, evaluate_seconds=8, teardown_seconds=5))
    run_id = simulation.submit(1_200_000)
    while simulation.tick(run_id).run.stages[-1:] == () or not simulation.store.load(run_id).run.stages[-1].attempt:
        pass
    lose_machine(simulation, run_id)
    run = simulation.until_ended(run_id).run
    assert run.outcome is Outcome.COMPLETED
    assert [result["subject"] for result in run.stages[-1].results] == ["base", "tuned"]


def test_a_late_machine_shortens_every_training_and_not_the_first_alone() -> None:
    simulation = Simulation(World(seconds_per_step=1, provision_seconds=130, teardown_seconds=5))
    run_id = simulation.submit(1_000_000, strategy="relora", stages=stages("relora"))
    run = simulation.until_ended(run_id).run
    steps = [stage.step for stage in run.stages if stage.kind is StageKind.TRAIN]
    # What merges leave over flows to the later ones; but the first is not left with the lateness of the machine alone.
    assert min(steps) >= 15


def test_a_little_money_near_a_trainings_end_takes_nothing_from_the_next() -> None:
    def steps(top_up: bool) -> list[int]:
        simulation = Simulation(World(seconds_per_step=1, teardown_seconds=5))
        wish = tuple(
            replace(each, recipe={**each.recipe, "num_epochs": 100}) if each.kind is StageKind.TRAIN else each
            for each in stages("relora", iterations=2)
        )
        run_id = simulation.submit(2_000_000, strategy="relora", stages=wish)
        planned = until(simulation, run_id, 20).stages[0].max_steps
        until(simulation, run_id, planned - 12)
        if top_up:
            simulation.top_up.execute(run_id, "0.10")
        run = simulation.until_ended(run_id).run
        return [stage.step for stage in run.stages if stage.kind is StageKind.TRAIN]

    before, after = steps(top_up=False), steps(top_up=True)
    assert after[0] == pytest.approx(before[0], abs=15)
    assert after[1] >= before[1]


def test_money_that_comes_during_the_last_evaluation_of_a_cut_run_is_trained_with() -> None:
    simulation = Simulation(World(seconds_per_step=4, evaluate_seconds=20, teardown_seconds=5))
    run_id = simulation.submit(1_000_000)
    while not (record := simulation.tick(run_id)).run.stages or not record.run.stages[-1].attempt:
        assert record.run.status is not RunStatus.ENDED
    before = record.run.stages[0].step
    simulation.top_up.execute(run_id, "20")
    run = simulation.until_ended(run_id).run
    assert run.outcome is Outcome.COMPLETED
    assert run.stages[0].step == 300 > before
    assert ledger.fold(simulation.store.load(run_id).postings).spent <= Money(21_000_000)


def test_figures_of_an_older_model_do_not_outlive_it() -> None:
    simulation = Simulation(World(seconds_per_step=4, evaluate_seconds=5, teardown_seconds=5))
    run_id = simulation.submit(1_000_000)
    first = simulation.until_ended(run_id).run
    assert first.stages[-1].results
    again = first.reopened()
    assert again.stages[-1].results == ()
    assert again.stages[-1].exit is None
    assert again.stages[0].exit == first.stages[0].exit


@pytest.mark.parametrize("startup", [10.0, 90.0])
def test_a_small_share_ends_in_its_own_training_and_not_in_the_whole_run(startup: float) -> None:
    simulation = Simulation(World(seconds_per_step=1, startup_seconds=startup, teardown_seconds=5))
    run_id = simulation.submit(3_000_000, strategy="relora", stages=stages("relora", iterations=2))
    simulation.faults.lost_at[lease_id(run_id, 1)] = simulation.clock.now() + timedelta(seconds=5000)
    run = simulation.until_ended(run_id).run
    assert run.outcome in {Outcome.COMPLETED, Outcome.BUDGET_REACHED}
    assert all(stage.step > 0 for stage in run.stages if stage.kind is StageKind.TRAIN)
