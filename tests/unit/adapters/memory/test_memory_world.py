"""The simulated provider: its bill, its faults, and the small doubles beside it."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest

from orchestrator.adapters.memory.clock import START, ManualClock
from orchestrator.adapters.memory.compute import MemoryCompute
from orchestrator.adapters.memory.ids import SequenceIds
from orchestrator.adapters.memory.signals import MemoryNotify, MemoryWakeup
from orchestrator.adapters.memory.world import Faults, LaunchFault, World
from orchestrator.adapters.system.clock import SystemClock
from orchestrator.adapters.system.ids import SystemIds
from orchestrator.domain.budget import bill
from orchestrator.domain.errors import ComputeError
from orchestrator.domain.ids import RunId, lease_id, parse_run_id
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lease import Lease
from orchestrator.domain.money import ZERO
from orchestrator.domain.stages import ExitCause, StageExit, StageKind
from orchestrator.ports.compute import JobKey, JobOrder, JobState, MachineState
from tests.contract.compute_adapters import OFFER, ComputeWorld, SimulatedTime

WORLD = World(provision_seconds=30, startup_seconds=10, seconds_per_step=1, checkpoint_seconds=2)


class Scene:
    """One lease with a training on it, at one step a second."""

    def __init__(self, world: World = WORLD, faults: Faults | None = None) -> None:
        self.clock = ManualClock()
        self.compute = MemoryCompute(self.clock, world, faults)
        self.world = ComputeWorld("memory", self.compute, SimulatedTime(self.clock), itertools.count(1))
        self.lease = self.world.lease(seconds=600, teardown=20)

    def train(self, max_steps: int = 100, soft: float = 400, hard: float = 450) -> JobOrder:
        self.compute.launch(self.lease)
        self.clock.advance(30)
        order = self.world.order(self.lease, max_steps, soft, hard)
        self.compute.submit(order)
        return order

    def exit(self, key: JobKey, after: float) -> StageExit | None:
        self.clock.advance(after)
        offset = 0
        while (view := self.compute.job(key, offset)).next_offset != offset:
            offset = view.next_offset
        return view.exit


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_provider_bills_what_the_domain_reckons(scene: Scene) -> None:
    assert scene.compute.billed(scene.lease.id) == ZERO
    scene.compute.launch(scene.lease)
    scene.clock.advance(100.2)
    assert scene.compute.billed(scene.lease.id) == OFFER.cost(101)
    scene.compute.teardown(scene.lease.id)
    scene.clock.advance(1000)
    ended_at = scene.compute.machine(scene.lease.id).ended_at
    assert ended_at is not None
    assert scene.compute.billed(scene.lease.id) == bill(OFFER, START, ended_at) == OFFER.cost(101)


def test_nobody_at_the_wheel_still_costs_no_more_than_the_window() -> None:
    scene = Scene(World(teardown_seconds=20))
    scene.compute.launch(scene.lease)
    scene.clock.advance(580)
    assert scene.compute.list_leases() == (scene.lease.id,)
    scene.clock.advance(5000)
    assert scene.compute.list_leases() == ()
    assert scene.compute.billed(scene.lease.id) == OFFER.cost(600)


def test_a_provider_that_forgets_the_end_bills_on(scene: Scene) -> None:
    scene.compute.faults.deaf_to_gone_by = True
    scene.compute.launch(scene.lease)
    scene.clock.advance(5000)
    assert scene.compute.machine(scene.lease.id).state is MachineState.READY
    assert scene.compute.billed(scene.lease.id) == OFFER.cost(5000)


def test_a_machine_comes_after_its_time(scene: Scene) -> None:
    scene.compute.launch(scene.lease)
    scene.clock.advance(29)
    assert scene.compute.machine(scene.lease.id).state is MachineState.COMING
    with pytest.raises(ComputeError):
        scene.compute.submit(scene.world.order(scene.lease))
    scene.clock.advance(1)
    assert scene.compute.machine(scene.lease.id).state is MachineState.READY


@pytest.mark.parametrize(
    ("fault", "after_launch", "later"),
    [
        (LaunchFault.REFUSED, MachineState.ABSENT, MachineState.ABSENT),
        (LaunchFault.UNKNOWN, MachineState.COMING, MachineState.READY),
        (LaunchFault.STILLBORN, MachineState.COMING, MachineState.GONE),
    ],
)
def test_a_launch_goes_wrong_as_told(fault: LaunchFault, after_launch: MachineState, later: MachineState) -> None:
    scene = Scene(faults=Faults(launches=[fault]))
    if fault is LaunchFault.STILLBORN:
        scene.compute.launch(scene.lease)
    else:
        with pytest.raises(ComputeError):
            scene.compute.launch(scene.lease)
    assert scene.compute.machine(scene.lease.id).state is after_launch
    scene.clock.advance(60)
    assert scene.compute.machine(scene.lease.id).state is later


def test_an_unreachable_provider_answers_nothing_and_does_nothing(scene: Scene) -> None:
    scene.compute.faults.unreachable_until = scene.clock.now() + timedelta(seconds=10)
    calls = (
        lambda: scene.compute.launch(scene.lease),
        lambda: scene.compute.machine(scene.lease.id),
        scene.compute.list_leases,
        lambda: scene.compute.teardown(scene.lease.id),
    )
    for call in calls:
        with pytest.raises(ComputeError):
            call()
    scene.clock.advance(10)
    assert scene.compute.machine(scene.lease.id).state is MachineState.ABSENT


def test_a_lost_answer_hides_a_deed_that_was_done(scene: Scene) -> None:
    order = scene.train()
    scene.compute.faults.lost_answers = 1
    with pytest.raises(ComputeError):
        scene.compute.request_stop(order.key)
    ended = scene.exit(order.key, after=20)
    assert ended is not None
    assert ended.cause is ExitCause.STOP_REQUESTED


def test_a_machine_that_is_lost_takes_its_job_along_and_bills_no_more(scene: Scene) -> None:
    order = scene.train()
    lost_at = scene.clock.now() + timedelta(seconds=50)
    scene.compute.faults.lost_at[scene.lease.id] = lost_at
    ended = scene.exit(order.key, after=5000)
    assert ended == StageExit(ExitCause.VANISHED, lost_at, message="left no marker")
    assert scene.compute.billed(scene.lease.id) == OFFER.cost(80)
    last = max(int(str(line["step"])) for line in scene.compute.job(order.key, 0).lines if line["event"] == "step")
    assert last == 40


def test_a_lost_training_resumes_from_its_last_whole_checkpoint(scene: Scene) -> None:
    scene.compute.faults.lost_at[scene.lease.id] = scene.clock.now() + timedelta(seconds=30 + 10 + 60)
    scene.train()
    scene.clock.advance(100)
    again = Lease(lease_id(scene.lease.run_id, 2), scene.lease.run_id, OFFER, scene.lease.window, START)
    scene.compute.launch(again)
    scene.clock.advance(30)
    order = scene.world.order(again, 100, attempt=2, train={"resume_from": "latest"})
    scene.compute.submit(order)
    scene.clock.advance(15)
    assert [line["step"] for line in scene.compute.job(order.key, 0).lines if line["event"] == "begin"] == [50]


def test_a_training_crashes_once_where_it_is_told(scene: Scene) -> None:
    scene.compute.faults.crash_steps = [7]
    order = scene.train()
    ended = scene.exit(order.key, after=100)
    assert ended is not None
    assert (ended.cause, ended.last_step) == (ExitCause.FAILED, 7)
    assert "step 7" in ended.message
    again = scene.world.order(scene.lease, 20, attempt=2)
    scene.compute.submit(again)
    retried = scene.exit(again.key, after=100)
    assert retried is not None
    assert retried.cause is ExitCause.COMPLETED


def test_a_fresh_start_takes_no_older_checkpoint_for_its_own(scene: Scene) -> None:
    order = scene.train()
    first = scene.exit(order.key, after=200)
    assert first is not None
    assert first.checkpoint is not None
    scene.compute.faults.crash_steps = [7]
    again = scene.world.order(scene.lease, 100, attempt=2)
    scene.compute.submit(again)
    crashed = scene.exit(again.key, after=50)
    assert crashed is not None
    assert (crashed.cause, crashed.checkpoint) == (ExitCause.FAILED, None)


def test_a_training_sizes_itself_to_the_soft_deadline_after_its_pilot(scene: Scene) -> None:
    order = scene.train(max_steps=1000, soft=60, hard=90)
    ended = scene.exit(order.key, after=100)
    assert ended is not None
    assert (ended.cause, ended.last_step, ended.intended_steps) == (ExitCause.COMPLETED, 50, 1000)
    sized = [line for line in scene.compute.job(order.key, 0).lines if line["event"] == "sized"]
    assert [(line["reason"], line["step"], line["max_steps"]) for line in sized] == [("pilot", 3, 50)]


def test_more_time_makes_a_sized_training_longer_but_never_longer_than_intended(scene: Scene) -> None:
    order = scene.train(max_steps=100, soft=60, hard=90)
    scene.clock.advance(20)
    scene.compute.move_deadlines(order.key, order.soft_deadline + timedelta(hours=1), order.hard_deadline)
    scene.compute.move_deadlines(
        order.key, order.soft_deadline + timedelta(hours=1), order.hard_deadline + timedelta(hours=1)
    )
    ended = scene.exit(order.key, after=300)
    assert ended is not None
    assert (ended.cause, ended.last_step) == (ExitCause.COMPLETED, 100)


def test_a_deaf_trainer_is_ended_at_the_hard_deadline(scene: Scene) -> None:
    scene.compute.faults.deaf_to_soft = True
    order = scene.train(max_steps=1000, soft=60, hard=90)
    scene.compute.request_stop(order.key)
    ended = scene.exit(order.key, after=400)
    assert ended is not None
    assert (ended.cause, ended.ended_at) == (ExitCause.HARD_DEADLINE, order.hard_deadline)
    assert ended.checkpoint is not None
    assert ended.checkpoint.endswith("checkpoint-75")


def test_a_wholly_deaf_node_runs_until_the_machine_ends(scene: Scene) -> None:
    scene.compute.faults.deaf_to_soft = scene.compute.faults.deaf_to_hard = True
    order = scene.train(max_steps=10_000, soft=60, hard=90)
    ended = scene.exit(order.key, after=5000)
    assert ended == StageExit(ExitCause.VANISHED, START + timedelta(seconds=580), message="left no marker")


def test_an_evaluation_finds_the_trained_model_better(scene: Scene) -> None:
    scene.compute.launch(scene.lease)
    scene.clock.advance(30)
    section: JsonValue = {"base_model": "b", "tuned_dir": "/simulated/output/checkpoint-50"}
    document: dict[str, JsonValue] = {"dataset": {"heldout_rows": 8}, "evaluate": section}
    now = scene.clock.now()
    key = JobKey(scene.lease.run_id, scene.lease.id, scene.world.order(scene.lease).key.stage_id, 1)
    late = now + timedelta(seconds=300)
    scene.compute.submit(JobOrder(key, StageKind.EVALUATE, late, late, document, None))
    ended = scene.exit(key, after=100)
    assert ended is not None
    assert ended.cause is ExitCause.COMPLETED
    found = [line for line in scene.compute.job(key, 0).lines if line["event"] == "evaluation"]
    assert [line["subject"] for line in found] == ["base", "tuned"]
    assert float(str(found[1]["heldout_loss"])) < float(str(found[0]["heldout_loss"]))


def test_an_observer_does_not_change_what_happens() -> None:
    watched, unwatched = Scene(), Scene()
    for scene in (watched, unwatched):
        scene.train(max_steps=1000, soft=60, hard=90)
    order = watched.world.order(watched.lease)
    for _ in range(200):
        watched.clock.advance(1)
        watched.compute.job(order.key, 0)
    unwatched.clock.advance(200)
    assert watched.compute.job(order.key, 0) == unwatched.compute.job(order.key, 0)
    assert watched.compute.job(order.key, 0).state is JobState.EXITED


def test_a_manual_clock_moves_only_forwards() -> None:
    clock = ManualClock()
    clock.advance(1.5)
    assert clock.now() == START + timedelta(seconds=1.5)
    with pytest.raises(ValueError, match="backwards"):
        clock.move_to(START)
    with pytest.raises(ValueError, match="zone"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - the error is the point


def test_ids_are_well_formed_and_never_the_same() -> None:
    sequence, system = SequenceIds(), SystemIds()
    ids = [*(sequence.new_run_id() for _ in range(100)), *(system.new_run_id() for _ in range(100))]
    assert len(set(ids)) == 200
    assert [parse_run_id(one) for one in ids] == ids
    assert ids[0] == RunId("run_000000000001")


def test_the_system_clock_shows_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_bells_remember_who_rang_until_they_are_asked() -> None:
    wakeup, notify = MemoryWakeup(), MemoryNotify()
    run = RunId("run_000000000001")
    wakeup.wake(run)
    wakeup.wake(run)
    notify.changed(run)
    assert (wakeup.take(), notify.take()) == ((run, run), (run,))
    assert (wakeup.take(), notify.take()) == ((), ())
