"""Runs of several trainings in simulated time: ReLoRA's chain of train and merge, with everything going wrong."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from orchestrator.adapters.memory.world import Faults, World
from orchestrator.domain import ledger
from orchestrator.domain.ids import RunId, lease_id
from orchestrator.domain.lifecycle import Outcome, RunStatus
from orchestrator.domain.money import ZERO, Money
from orchestrator.domain.run import Run
from orchestrator.domain.stages import ExitCause, Stage, StageKind, StageStatus
from tests.simulation.simulating import Simulation
from tests.unit.domain.making import stages

AMPLE = 50_000_000


def chain(simulation: Simulation, dollars_micros: int = AMPLE, iterations: int = 3, **wish: object) -> RunId:
    return simulation.submit(dollars_micros, strategy="relora", stages=stages("relora", iterations=iterations), **wish)


def of_kind(run: Run, kind: StageKind) -> list[Stage]:
    return [stage for stage in run.stages if stage.kind is kind]


def ran(simulation: Simulation) -> list[tuple[str, int]]:
    """Every job that was started, in order: its stage and attempt."""
    return [(order.key.stage_id, order.key.attempt) for order in simulation.compute.orders()]


def test_a_chain_trains_and_merges_in_turn_and_ends_with_the_evaluation() -> None:
    simulation = Simulation()
    record = simulation.until_ended(chain(simulation))
    run = record.run
    assert run.outcome is Outcome.COMPLETED
    assert [stage.status for stage in run.stages] == [StageStatus.DONE] * 7
    assert ran(simulation) == [
        (stage_id, 1)
        for stage_id in ("01-train", "02-merge", "03-train", "04-merge", "05-train", "06-merge", "07-evaluate")
    ]
    assert run.checkpoint == run.stages[5].checkpoint
    assert ledger.fold(record.postings).spent == simulation.billed(run)


def test_each_training_starts_from_the_model_that_the_merge_before_it_made() -> None:
    simulation = Simulation()
    simulation.until_ended(chain(simulation))
    orders = simulation.compute.orders()
    configs = [order.config for order in orders if order.config is not None]
    bases = [config["base_model"] for config in configs]
    merges = [order.document["merge"] for order in orders if "merge" in order.document]
    assert bases[0] == "/models/tiny"
    assert [str(base).split("/")[-3:] for base in bases[1:]] == [
        ["02-merge", "output", "merged"], ["04-merge", "output", "merged"]
    ]  # fmt: skip
    assert [merge["base_model"] for merge in merges] == bases
    assert [config["seed"] for config in configs] == [42, 43, 44]


@pytest.mark.parametrize("seconds", range(60, 420, 24))
def test_a_machine_lost_at_any_moment_costs_no_finished_stage(seconds: int) -> None:
    simulation = Simulation(World(seconds_per_step=0.5, teardown_seconds=5))
    run_id = chain(simulation)
    simulation.faults.lost_at[lease_id(run_id, 1)] = simulation.clock.now() + timedelta(seconds=seconds)
    record = simulation.until_ended(run_id)
    assert record.run.outcome is Outcome.COMPLETED
    assert len(ran(simulation)) - 7 <= record.run.leases - 1, "more than the stage under way was done again"
    assert ledger.fold(record.postings).spent == simulation.billed(record.run)


@pytest.mark.parametrize("dollars_micros", [700_000, 900_000, 1_300_000])
def test_a_budget_that_cuts_the_chain_gives_every_cycle_its_share_and_ends_within_the_cap(dollars_micros: int) -> None:
    simulation = Simulation(World(seconds_per_step=4, teardown_seconds=5, startup_seconds=10))
    record = simulation.until_ended(chain(simulation, dollars_micros))
    run = record.run
    assert run.outcome is Outcome.BUDGET_REACHED
    assert simulation.billed(run) <= Money(dollars_micros)
    steps = [stage.step for stage in of_kind(run, StageKind.TRAIN)]
    assert min(steps) > 0
    assert max(steps) - min(steps) <= max(steps) * 0.7
    assert {stage.status for stage in of_kind(run, StageKind.MERGE)} == {StageStatus.DONE}


def test_more_money_after_the_end_goes_on_with_the_last_training_and_merges_it_anew() -> None:
    simulation = Simulation(World(seconds_per_step=4, teardown_seconds=5))
    run_id = chain(simulation, 700_000)
    first = simulation.until_ended(run_id).run
    assert first.can_use_more
    simulation.top_up.execute(run_id, "2")
    record = simulation.until_ended(run_id)
    run = record.run
    assert [stage.attempt for stage in run.stages[:6]] == [1, 1, 1, 1, 2, 2]
    assert [stage.step for stage in run.stages[:4]] == [stage.step for stage in first.stages[:4]]
    assert run.stages[4].step > first.stages[4].step
    assert simulation.billed(run) <= Money(2_700_000)


def test_a_top_up_while_the_chain_runs_is_shared_among_the_cycles_to_come() -> None:
    simulation = Simulation(World(seconds_per_step=4, teardown_seconds=5))
    run_id = chain(simulation, 700_000)
    for _ in range(90):
        simulation.tick(run_id)
    before = [stage.planned_seconds for stage in simulation.store.load(run_id).run.stages]
    simulation.top_up.execute(run_id, "1")
    for _ in range(5):
        simulation.tick(run_id)
    after = [stage.planned_seconds for stage in simulation.store.load(run_id).run.stages]
    assert all(later > earlier for earlier, later in zip(before[2:5:2], after[2:5:2], strict=True))
    assert simulation.billed(simulation.until_ended(run_id).run) <= Money(1_700_000)


def test_a_cancelled_chain_keeps_the_newest_model() -> None:
    simulation = Simulation()
    run_id = chain(simulation)
    record = simulation.tick(run_id)
    while not (record.run.stages and record.run.stages[2].step > 5):
        record = simulation.tick(run_id)
    simulation.cancel.execute(run_id)
    run = simulation.until_ended(run_id, most=120).run
    assert run.outcome is Outcome.CANCELLED
    assert run.checkpoint == run.stages[2].checkpoint
    assert run.base_of(run.stages[2]) == run.stages[1].checkpoint


def test_a_merge_that_has_no_time_is_left_out_and_its_adapter_is_the_result() -> None:
    simulation = Simulation(World(seconds_per_step=4, merge_seconds=10_000, teardown_seconds=5))
    record = simulation.until_ended(chain(simulation, 700_000))
    run = record.run
    assert run.outcome is Outcome.BUDGET_REACHED
    assert run.stages[0].status is StageStatus.DONE
    assert {stage.status for stage in run.stages[1:6]} == {StageStatus.SKIPPED}
    assert run.checkpoint == run.stages[0].checkpoint
    assert simulation.billed(run) <= Money(700_000)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_goes_wrong_a_chain_never_spends_more_than_its_cap(seed: int) -> None:
    draw = random.Random(seed)
    world = World(
        seconds_per_step=draw.uniform(0.2, 6), merge_seconds=draw.uniform(1, 60), teardown_seconds=draw.uniform(0, 25)
    )
    faults = Faults(
        crash_steps=sorted(draw.sample(range(1, 120), draw.randint(0, 3))),
        lost_answers=draw.randint(0, 3),
        deaf_to_soft=draw.random() < 0.2,
        deaf_to_hard=draw.random() < 0.1,
    )
    simulation = Simulation(world, faults)
    cap = draw.randint(300_000, 4_000_000)
    run_id = chain(simulation, cap, iterations=draw.randint(1, 4))
    for ordinal in range(1, draw.randint(1, 3)):
        at = simulation.clock.now() + timedelta(seconds=draw.uniform(1, 900))
        simulation.faults.lost_at[lease_id(run_id, ordinal)] = at
    record = simulation.until_ended(run_id, seconds=draw.choice([1.0, 3.0]))
    balance = ledger.fold(record.postings)
    assert record.run.status is RunStatus.ENDED
    assert (balance.total, balance.reserved) == (ZERO, ZERO)
    assert balance.spent <= Money(cap)
    assert simulation.compute.list_leases() == ()
    done = [stage for stage in record.run.stages if stage.status is StageStatus.DONE]
    assert all(stage.exit is None or stage.exit.cause is not ExitCause.FAILED for stage in done)
