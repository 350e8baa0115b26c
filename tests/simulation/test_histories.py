"""Whole lives of runs with the real services, in simulated time, with everything going wrong that can."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.adapters.memory.world import Faults, LaunchFault, World
from orchestrator.domain import ledger
from orchestrator.domain.errors import ConflictError
from orchestrator.domain.ids import LeaseId, RunId, lease_id
from orchestrator.domain.lifecycle import Outcome, RunStatus
from orchestrator.domain.money import ZERO, Money
from orchestrator.domain.stages import ExitCause, StageStatus
from tests.simulation.simulating import Simulation, cloud


def test_an_ample_budget_completes_and_the_ledger_says_what_the_provider_bills() -> None:
    simulation = Simulation()
    run_id = simulation.submit(50_000_000)
    record = simulation.until_ended(run_id)
    balance = ledger.fold(record.postings)
    assert record.run.outcome is Outcome.COMPLETED
    assert [stage.status for stage in record.run.stages] == [StageStatus.DONE, StageStatus.DONE]
    assert balance.spent == simulation.billed(record.run)
    assert (balance.reserved, balance.total) == (ZERO, ZERO)
    assert simulation.compute.list_leases() == ()


def test_a_budget_that_cannot_cover_the_training_ends_with_a_checkpoint_within_the_cap() -> None:
    simulation = Simulation(World(seconds_per_step=5, teardown_seconds=5))
    record = simulation.until_ended(simulation.submit(1_000_000))
    assert record.run.outcome is Outcome.BUDGET_REACHED
    assert record.run.checkpoint is not None
    assert simulation.billed(record.run) <= Money(1_000_000)


def test_max_hours_ends_a_run_as_time_and_not_as_budget() -> None:
    simulation = Simulation(World(seconds_per_step=5, teardown_seconds=5))
    record = simulation.until_ended(simulation.submit(50_000_000, max_seconds=400))
    assert record.run.outcome is Outcome.TIME_REACHED
    assert record.run.machine_seconds <= 400


@pytest.mark.parametrize("seconds", [3, 40, 120, 250])
def test_a_cancelled_run_gives_its_machine_back(seconds: int) -> None:
    simulation = Simulation(World(seconds_per_step=2, teardown_seconds=5))
    run_id = simulation.submit(50_000_000)
    for _ in range(seconds):
        simulation.tick(run_id)
    simulation.cancel.execute(run_id)
    record = simulation.until_ended(run_id, most=60)
    assert record.run.outcome is Outcome.CANCELLED
    assert simulation.compute.list_leases() == ()


def test_a_lost_machine_is_settled_and_the_run_goes_on_from_its_checkpoint() -> None:
    simulation = Simulation(World(seconds_per_step=2, teardown_seconds=5))
    run_id = simulation.submit(50_000_000)
    simulation.faults.lost_at[lease_id(run_id, 1)] = simulation.clock.now() + timedelta(seconds=200)
    record = simulation.until_ended(run_id)
    assert record.run.outcome is Outcome.COMPLETED
    assert record.run.leases == 2
    assert record.run.stages[0].attempt == 2
    assert ledger.fold(record.postings).spent == simulation.billed(record.run)


def test_machines_that_never_come_end_the_run_without_spending_the_cap() -> None:
    simulation = Simulation(faults=Faults(launches=[LaunchFault.STILLBORN] * 10))
    run_id = simulation.submit(50_000_000)
    record = simulation.until_ended(run_id)
    assert record.run.outcome is Outcome.FAILED
    assert record.run.leases == 3
    assert simulation.billed(record.run) < Money(5_000_000)


def test_an_unknown_answer_to_a_launch_never_rents_twice() -> None:
    simulation = Simulation(faults=Faults(launches=[LaunchFault.UNKNOWN]))
    run_id = simulation.submit(50_000_000)
    record = simulation.until_ended(run_id)
    assert (record.run.outcome, record.run.leases) == (Outcome.COMPLETED, 1)


def test_a_training_that_always_crashes_fails_and_is_not_bought_again() -> None:
    simulation = Simulation(faults=Faults(crash_steps=[3, 3, 3, 3]))
    run_id = simulation.submit(50_000_000)
    record = simulation.until_ended(run_id)
    assert record.run.outcome is Outcome.FAILED
    assert record.run.stages[0].attempt == 1
    assert "simulated crash" in record.run.reason


def test_a_crash_after_a_checkpoint_is_resumed() -> None:
    simulation = Simulation(faults=Faults(crash_steps=[60]))
    record = simulation.until_ended(simulation.submit(50_000_000))
    assert (record.run.outcome, record.run.stages[0].attempt) == (Outcome.COMPLETED, 2)


@pytest.mark.parametrize("dead", ["worker", "guard", "both"])
def test_a_dead_control_plane_spends_no_more_than_the_cap(dead: str) -> None:
    simulation = Simulation(World(seconds_per_step=30, teardown_seconds=5), Faults(deaf_to_soft=True))
    run_id = simulation.submit(2_000_000)
    for _ in range(120):
        simulation.tick(run_id)
    simulation.worker_alive, simulation.guard_alive = dead == "guard", dead == "worker"
    for _ in range(3000):
        simulation.tick(run_id)
    assert simulation.compute.list_leases() == ()
    simulation.worker_alive = simulation.guard_alive = True
    record = simulation.until_ended(run_id)
    assert record.run.outcome is Outcome.BUDGET_REACHED
    assert ledger.fold(record.postings).spent <= Money(2_000_000)


def test_the_guard_alone_ends_a_machine_that_nothing_else_would() -> None:
    faults = Faults(deaf_to_soft=True, deaf_to_hard=True, deaf_to_gone_by=True)
    simulation = Simulation(World(seconds_per_step=30, teardown_seconds=5), faults)
    run_id = simulation.submit(2_000_000)
    for _ in range(120):
        simulation.tick(run_id)
    simulation.worker_alive = False
    for _ in range(2000):
        simulation.tick(run_id)
    assert simulation.compute.list_leases() == ()


def test_a_top_up_of_a_live_run_trains_longer_on_the_same_machine() -> None:
    simulation = Simulation(World(seconds_per_step=5, teardown_seconds=5))
    run_id = simulation.submit(1_000_000)
    for _ in range(100):
        simulation.tick(run_id)
    simulation.top_up.execute(run_id, 10)
    record = simulation.until_ended(run_id)
    assert (record.run.outcome, record.run.leases) == (Outcome.COMPLETED, 1)
    assert record.run.stages[0].step == record.run.stages[0].intended_steps
    assert ledger.fold(record.postings).cap == Money(11_000_000)


def test_a_top_up_after_the_budgets_end_goes_on_from_the_checkpoint() -> None:
    simulation = Simulation(World(seconds_per_step=5, teardown_seconds=5))
    run_id = simulation.submit(1_000_000)
    stopped = simulation.until_ended(run_id).run.stages[0].step
    simulation.top_up.execute(run_id, 10)
    record = simulation.until_ended(run_id)
    assert record.run.outcome is Outcome.COMPLETED
    assert record.run.stages[0].step > stopped > 0


def test_a_top_up_that_comes_while_the_machine_goes_is_used_and_not_stranded() -> None:
    simulation = Simulation(World(seconds_per_step=5, teardown_seconds=20))
    run_id = simulation.submit(1_000_000)
    while simulation.tick(run_id).run.status is not RunStatus.RELEASING:
        pass
    simulation.top_up.execute(run_id, 10)
    record = simulation.until_ended(run_id)
    assert (record.run.outcome, record.run.leases) == (Outcome.COMPLETED, 2)


def test_an_old_cancel_does_not_end_a_run_that_was_topped_up_afterwards() -> None:
    simulation = Simulation(World(seconds_per_step=5, teardown_seconds=20))
    run_id = simulation.submit(1_000_000)
    while simulation.tick(run_id).run.status is not RunStatus.RELEASING:
        pass
    simulation.cancel.execute(run_id)
    assert simulation.until_ended(run_id).run.outcome is Outcome.BUDGET_REACHED
    simulation.top_up.execute(run_id, 10)
    assert simulation.until_ended(run_id).run.outcome is Outcome.COMPLETED


def test_a_training_that_ended_while_nobody_looked_is_not_bought_again() -> None:
    simulation = Simulation(World(seconds_per_step=0.5, teardown_seconds=5))
    run_id = simulation.submit(50_000_000)
    for _ in range(80):
        simulation.tick(run_id)
    simulation.worker_alive = False
    for _ in range(300):
        simulation.tick(run_id)
    simulation.faults.lost_at[lease_id(run_id, 1)] = simulation.clock.now()
    simulation.worker_alive = True
    record = simulation.until_ended(run_id)
    assert record.run.stages[0].attempt == 1
    assert record.run.stages[0].step == record.run.stages[0].intended_steps


def test_a_cancel_that_is_heard_late_still_gets_its_checkpoint() -> None:
    simulation = Simulation(World(seconds_per_step=2, teardown_seconds=5))
    run_id = simulation.submit(50_000_000)
    for _ in range(150):
        simulation.tick(run_id)
    simulation.worker_alive = False
    simulation.cancel.execute(run_id)
    for _ in range(60):
        simulation.tick(run_id)
    simulation.worker_alive = True
    record = simulation.until_ended(run_id)
    train = record.run.stages[0]
    assert record.run.outcome is Outcome.CANCELLED
    assert train.exit is not None
    assert train.exit.cause is ExitCause.STOP_REQUESTED


def test_lost_machines_do_not_use_up_the_attempts_of_a_training() -> None:
    simulation = Simulation(World(seconds_per_step=3, teardown_seconds=5), Faults(crash_steps=[140]))
    run_id = simulation.submit(50_000_000)
    for ordinal in (1, 2):
        simulation.faults.lost_at[lease_id(run_id, ordinal)] = simulation.clock.now() + timedelta(
            seconds=70 + 130 * ordinal
        )
    record = simulation.until_ended(run_id)
    assert record.run.outcome is Outcome.COMPLETED
    assert record.run.stages[0].attempt == 4


def test_a_machine_that_never_came_costs_nothing() -> None:
    simulation = Simulation(faults=Faults(launches=[LaunchFault.REFUSED] * 5000))
    record = simulation.until_ended(simulation.submit(50_000_000), seconds=5)
    assert record.run.outcome is Outcome.FAILED
    assert ledger.fold(record.postings).spent == ZERO


def test_a_machine_without_an_open_lease_is_reaped() -> None:
    simulation = Simulation()
    run_id = simulation.submit(50_000_000)
    simulation.tick(run_id)
    lease = simulation.store.load(run_id).lease
    assert lease is not None
    stray = LeaseId("lf-strayyyyyyyy-1")
    simulation.compute.launch(replace(lease, id=stray))
    assert simulation.reap() == (stray,)
    simulation.clock.advance(10)
    assert stray not in simulation.compute.list_leases()


@pytest.mark.parametrize("seed", range(100))
def test_no_history_overspends_leaks_or_hangs(seed: int) -> None:
    chance = random.Random(seed)
    world = World(
        provision_seconds=chance.choice([1, 30, 200]),
        startup_seconds=chance.choice([1, 20, 60]),
        seconds_per_step=chance.choice([0.2, 2, 15]),
        teardown_seconds=chance.choice([0, 5, 25]),
        checkpoint_seconds=chance.choice([1, 15]),
    )
    faults = Faults(
        launches=[chance.choice([None, None, *LaunchFault]) for _ in range(4)],
        crash_steps=[chance.randint(1, 250) for _ in range(chance.randint(0, 3))],
        deaf_to_soft=chance.random() < 0.2,
        deaf_to_hard=chance.random() < 0.1,
        deaf_to_gone_by=chance.random() < 0.1,
    )
    prices = cloud(chance.choice([4_000_000, 18_000_000, 72_000_000]), chance.choice([1, 60, 600]))
    simulation = Simulation(world, faults, prices)
    run_id = simulation.submit(chance.choice([2_000_000, 10_000_000, 50_000_000]))
    for ordinal in range(1, 4):
        if chance.random() < 0.4:
            lost = simulation.clock.now() + timedelta(seconds=chance.randint(10, 1500))
            simulation.faults.lost_at[lease_id(run_id, ordinal)] = lost
    _live(simulation, run_id, chance)
    simulation.worker_alive = simulation.guard_alive = True
    simulation.faults.unreachable_until = None
    record = simulation.until_ended(run_id, seconds=5)
    simulation.clock.advance(60)
    assert simulation.compute.list_leases() == ()
    balance = ledger.fold(record.postings)
    assert balance.reserved == ZERO
    assert simulation.billed(record.run) <= balance.spent <= balance.cap


def _live(simulation: Simulation, run_id: RunId, chance: random.Random) -> None:
    """A troubled hour: processes die and come back, answers get lost, people cancel and top up."""
    for _ in range(chance.choice([100, 1200])):
        simulation.tick(run_id, chance.choice([0.5, 1, 3]))
        dice = chance.random()
        if dice < 0.004:
            simulation.worker_alive = not simulation.worker_alive
        elif dice < 0.008:
            simulation.faults.lost_answers = chance.randint(0, 3)
        elif dice < 0.010:
            simulation.reap()
        elif dice < 0.0105:
            try:
                chance.choice([simulation.cancel.execute, lambda run: simulation.top_up.execute(run, 3)])(run_id)
            except ConflictError:
                continue
