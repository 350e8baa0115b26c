"""What orchestrator/ports/compute.py promises, proved on every adapter."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.domain.errors import ComputeError
from orchestrator.domain.stages import ExitCause
from orchestrator.ports.compute import JobState, MachineState
from tests.contract.compute_adapters import ComputeWorld, world

__all__ = ["world"]


def test_a_lease_never_launched_is_absent(world: ComputeWorld) -> None:
    lease = world.lease()
    assert world.state(lease.id) is MachineState.ABSENT
    assert lease.id not in world.compute.list_leases()


def test_a_launched_machine_becomes_ready_and_is_listed(world: ComputeWorld) -> None:
    lease = world.ready()
    assert world.compute.list_leases() == (lease.id,)
    assert world.compute.machine(lease.id).ended_at is None


def test_a_machine_that_is_coming_is_listed_already(world: ComputeWorld) -> None:
    lease = world.lease()
    world.compute.launch(lease)
    assert world.state(lease.id) in {MachineState.COMING, MachineState.READY}
    assert world.compute.list_leases() == (lease.id,)


def test_a_second_launch_changes_nothing(world: ComputeWorld) -> None:
    lease = world.ready()
    order = world.order(lease, max_steps=500)
    world.compute.submit(order)
    world.wait(lambda: world.steps_seen(order.key) > 2)
    world.compute.launch(lease)
    assert world.compute.list_leases() == (lease.id,)
    assert world.compute.job(order.key, 0).state is JobState.RUNNING


def test_launches_at_the_same_time_make_one_machine(world: ComputeWorld) -> None:
    lease = world.lease()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(world.compute.launch, [lease] * 4))
    world.wait(lambda: world.state(lease.id) is MachineState.READY)
    assert world.compute.list_leases() == (lease.id,)
    world.compute.teardown(lease.id)
    assert world.compute.list_leases() == ()


def test_a_machine_that_never_came_is_gone_after_a_teardown_and_costs_nothing(world: ComputeWorld) -> None:
    lease = world.lease()
    world.compute.teardown(lease.id)
    view = world.compute.machine(lease.id)
    assert view.state is MachineState.GONE
    assert view.ended_at is not None
    assert view.ended_at <= lease.opened_at
    world.compute.launch(lease)
    assert world.compute.list_leases() == ()


def test_a_machine_torn_down_is_gone_and_stays_so(world: ComputeWorld) -> None:
    lease = world.ready()
    before = world.now()
    world.compute.teardown(lease.id)
    world.wait(lambda: world.state(lease.id) is MachineState.GONE)
    ended_at = world.compute.machine(lease.id).ended_at
    assert ended_at is not None
    assert before - world.seconds(1) <= ended_at <= world.now()
    assert world.compute.list_leases() == ()
    world.let_pass(0.3)
    world.compute.teardown(lease.id)
    world.compute.launch(lease)
    world.let_pass(0.3)
    view = world.compute.machine(lease.id)
    assert (view.state, view.ended_at) == (MachineState.GONE, ended_at)
    assert world.compute.list_leases() == ()


def test_a_teardown_before_the_launch_prevents_it(world: ComputeWorld) -> None:
    lease = world.lease()
    world.compute.teardown(lease.id)
    world.compute.launch(lease)
    world.let_pass(0.5)
    assert world.state(lease.id) is MachineState.GONE
    assert world.compute.list_leases() == ()


def test_the_provider_ends_a_machine_before_it_must_be_gone(world: ComputeWorld) -> None:
    lease = world.ready(seconds=4, teardown=2)
    order = world.order(lease, max_steps=10_000)
    world.compute.submit(order)
    world.wait(lambda: world.state(lease.id) is MachineState.GONE)
    ended_at = world.compute.machine(lease.id).ended_at
    assert ended_at is not None
    assert lease.window.gone_by - world.seconds(2.1) <= ended_at <= lease.window.gone_by
    _, view = world.follow(order.key)
    assert view.exit is not None
    assert view.exit.cause is ExitCause.VANISHED


def test_an_extension_keeps_a_machine_beyond_its_first_end(world: ComputeWorld) -> None:
    lease = world.ready(seconds=2, teardown=1)
    for _ in range(2):
        world.compute.extend(lease.id, lease.window.gone_by + world.seconds(60))
    world.let_pass(2.5)
    assert world.state(lease.id) is MachineState.READY


def test_an_end_can_be_moved_nearer(world: ComputeWorld) -> None:
    lease = world.ready(seconds=60)
    world.compute.extend(lease.id, world.now())
    world.wait(lambda: world.state(lease.id) is MachineState.GONE)


def test_extending_what_was_never_launched_or_has_ended_does_nothing(world: ComputeWorld) -> None:
    absent, ended = world.lease(), world.ready()
    world.compute.teardown(ended.id)
    for lease in (absent, ended):
        world.compute.extend(lease.id, world.now() + world.seconds(60))
    assert world.state(absent.id) is MachineState.ABSENT
    assert world.state(ended.id) is MachineState.GONE


def test_a_job_never_submitted_is_unknown(world: ComputeWorld) -> None:
    lease = world.ready()
    assert world.compute.job(world.order(lease).key, 0).state is JobState.UNKNOWN_JOB


def test_a_job_shows_every_line_once_and_then_how_it_ended(world: ComputeWorld) -> None:
    lease = world.ready()
    order = world.order(lease, max_steps=25)
    world.compute.submit(order)
    lines, view = world.follow(order.key)
    assert [line["step"] for line in lines if line["event"] == "step"] == list(range(1, 26))
    assert lines[-1]["event"] == "end"
    assert world.compute.job(order.key, view.next_offset).lines == ()
    assert view.exit is not None
    assert (view.exit.cause, view.exit.last_step, view.exit.intended_steps) == (ExitCause.COMPLETED, 25, 25)
    assert view.exit.result is not None
    assert view.exit.ended_at <= world.now()


def test_a_reader_who_is_behind_gets_all_lines_before_the_exit(world: ComputeWorld) -> None:
    lease = world.ready()
    order = world.order(lease, max_steps=150)
    world.compute.submit(order)
    _, ended = world.follow(order.key)
    lines, view = world.follow(order.key)
    assert sum(line["event"] == "step" for line in lines) == 150
    assert view.exit == ended.exit


def test_a_second_submission_starts_nothing(world: ComputeWorld) -> None:
    lease = world.ready()
    order = world.order(lease, max_steps=20)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(world.compute.submit, [order] * 4))
    lines, _ = world.follow(order.key)
    world.compute.submit(order)
    world.let_pass(0.3)
    again, _ = world.follow(order.key)
    assert sum(line["event"] == "begin" for line in again) == 1
    assert lines == again


def test_a_job_cannot_be_submitted_where_no_machine_is(world: ComputeWorld) -> None:
    absent, ended = world.lease(), world.ready()
    world.compute.teardown(ended.id)
    for lease in (absent, ended):
        with pytest.raises(ComputeError):
            world.compute.submit(world.order(lease))
        assert world.compute.job(world.order(lease).key, 0).state is JobState.UNKNOWN_JOB


def test_a_stop_request_saves_a_checkpoint_and_exits(world: ComputeWorld) -> None:
    lease = world.ready()
    order = world.order(lease, max_steps=5_000)
    world.compute.submit(order)
    world.wait(lambda: world.steps_seen(order.key) > 3)
    for _ in range(2):
        world.compute.request_stop(order.key)
    lines, view = world.follow(order.key)
    assert view.exit is not None
    assert view.exit.cause is ExitCause.STOP_REQUESTED
    assert view.exit.checkpoint == [line["path"] for line in lines if line["event"] == "checkpoint"][-1]
    assert 0 < view.exit.last_step < 5_000


def test_a_stop_request_to_no_running_job_does_nothing(world: ComputeWorld) -> None:
    lease = world.ready()
    order = world.order(lease, max_steps=3)
    world.compute.request_stop(order.key)
    assert world.compute.job(order.key, 0).state is JobState.UNKNOWN_JOB
    world.compute.submit(order)
    _, view = world.follow(order.key)
    world.compute.request_stop(order.key)
    world.compute.move_deadlines(order.key, world.now(), world.now())
    assert view.exit is not None
    assert view.exit.cause is ExitCause.COMPLETED
    assert world.follow(order.key)[1].exit == view.exit


def test_a_job_stops_by_itself_at_its_soft_deadline(world: ComputeWorld) -> None:
    lease = world.ready()
    order = world.order(lease, max_steps=5_000, soft=1.5, train={"pilot_steps": 10_000})
    world.compute.submit(order)
    _, view = world.follow(order.key)
    assert view.exit is not None
    assert view.exit.cause is ExitCause.SOFT_DEADLINE
    assert order.soft_deadline <= view.exit.ended_at <= order.soft_deadline + world.seconds(5)


def test_deadlines_move_under_a_running_job(world: ComputeWorld) -> None:
    lease = world.ready()
    order = world.order(lease, max_steps=5_000, train={"pilot_steps": 10_000})
    world.compute.submit(order)
    world.wait(lambda: world.steps_seen(order.key) > 3)
    for _ in range(2):
        world.compute.move_deadlines(order.key, world.now(), world.now() + world.seconds(30))
    _, view = world.follow(order.key)
    assert view.exit is not None
    assert view.exit.cause is ExitCause.SOFT_DEADLINE


def test_a_later_stop_request_leaves_moved_deadlines_as_they_are(world: ComputeWorld) -> None:
    lease = world.ready()
    order = world.order(lease, max_steps=5_000, soft=1.5, train={"pilot_steps": 10_000})
    world.compute.submit(order)
    world.compute.move_deadlines(order.key, world.now() + world.seconds(40), world.now() + world.seconds(50))
    world.let_pass(2)
    assert world.compute.job(order.key, 0).state is JobState.RUNNING
    world.compute.request_stop(order.key)
    assert world.follow(order.key)[1].exit is not None


def test_the_next_attempt_resumes_from_the_checkpoint(world: ComputeWorld) -> None:
    first = world.ready()
    order = world.order(first, max_steps=40)
    world.compute.submit(order)
    world.wait(lambda: world.steps_seen(order.key) > 3)
    world.compute.request_stop(order.key)
    _, stopped = world.follow(order.key)
    again = world.order(first, max_steps=40, attempt=2, train={"resume_from": "latest"})
    world.compute.submit(again)
    lines, view = world.follow(again.key)
    assert stopped.exit is not None
    assert next(line["step"] for line in lines if line["event"] == "begin") == stopped.exit.last_step
    assert view.exit is not None
    assert (view.exit.cause, view.exit.last_step) == (ExitCause.COMPLETED, 40)


def test_a_teardown_ends_the_job_without_a_marker(world: ComputeWorld) -> None:
    lease = world.ready()
    order = world.order(lease, max_steps=5_000)
    world.compute.submit(order)
    world.wait(lambda: world.steps_seen(order.key) > 3)
    world.compute.teardown(lease.id)
    lines, view = world.follow(order.key)
    assert view.exit is not None
    assert view.exit.cause is ExitCause.VANISHED
    assert view.exit == world.follow(order.key)[1].exit
    assert len(lines) > 3
