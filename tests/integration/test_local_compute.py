"""This machine as a provider, when things die that should not: the service, the keeper, the supervisor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from orchestrator.adapters.local.compute import LocalCompute
from orchestrator.adapters.local.places import Places
from orchestrator.adapters.local.processes import Mark, marked
from orchestrator.adapters.system.clock import SystemClock
from orchestrator.domain.errors import ComputeError
from orchestrator.domain.ids import LeaseId
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.stages import ExitCause
from orchestrator.ports.compute import JobOrder, JobState, MachineState
from tests.contract.compute_adapters import ComputeWorld, RealTime, local_compute, local_world

REPOSITORY = Path(__file__).parents[2]


class Machine(ComputeWorld):
    """The local world, with a look behind its curtain."""

    def __init__(self, home: Path, idle_seconds: int = 60) -> None:
        made = local_world(home, idle_seconds)
        super().__init__(made.name, made.compute, RealTime(), made._run_numbers)
        self.places = Places(home)

    def document(self, path: Path) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(path.read_text())
        return content

    def processes(self, lease: LeaseId) -> list[psutil.Process]:
        return marked(Mark(self.places.home, lease))

    def keeper(self, lease: LeaseId) -> int:
        return int(self.document(self.places.lease(lease).keeper)["pid"])

    def job(self, order: JobOrder) -> Path:
        return self.places.job(order.key.run_id, order.key.stage_id, order.key.attempt).folder

    def running(self, order: JobOrder) -> int:
        """Submit, wait for the first steps, and return the supervisor's pid."""
        self.compute.submit(order)
        self.wait(lambda: self.steps_seen(order.key) > 2)
        return int(self.document(self.job(order) / "supervisor.json")["pid"])


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.close()
    for lease in made.leases:
        assert made.processes(lease) == []


SERVICE = """
    import itertools, sys, time
    from pathlib import Path
    from tests.contract.compute_adapters import local_world
    world = local_world(Path(sys.argv[1]))
    lease = world.ready()
    world.compute.submit(world.order(lease, max_steps=100))
    print("submitted", flush=True)
    time.sleep(60)
"""


def test_a_job_outlives_a_service_that_is_killed(machine: Machine) -> None:
    lease = machine.lease()
    order = machine.order(lease, max_steps=100)
    command = [sys.executable, "-c", textwrap.dedent(SERVICE), str(machine.places.home)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == b"submitted\n"
        service.send_signal(signal.SIGKILL)
    assert machine.state(lease.id) is MachineState.READY
    assert machine.compute.list_leases() == (lease.id,)
    lines, view = machine.follow(order.key)
    assert view.exit is not None
    assert view.exit.cause is ExitCause.COMPLETED
    assert sum(line["event"] == "step" for line in lines) == 100


def test_what_lives_on_after_its_keeper_is_listed_and_torn_down(machine: Machine) -> None:
    lease = machine.ready()
    machine.running(machine.order(lease, max_steps=5000))
    os.kill(machine.keeper(lease.id), signal.SIGKILL)
    machine.wait(lambda: "keeper has died" in machine.compute.machine(lease.id).message)
    assert machine.state(lease.id) is MachineState.READY
    assert machine.compute.list_leases() == (lease.id,)
    machine.compute.teardown(lease.id)
    assert machine.processes(lease.id) == []
    assert machine.state(lease.id) is MachineState.GONE


def test_a_second_launch_replaces_a_keeper_that_died_before_its_jobs(machine: Machine) -> None:
    lease = machine.ready(seconds=6, teardown=2)
    machine.running(machine.order(lease, max_steps=5000))
    first = machine.keeper(lease.id)
    os.kill(first, signal.SIGKILL)
    machine.wait(lambda: "keeper has died" in machine.compute.machine(lease.id).message)
    machine.compute.launch(lease)
    assert machine.keeper(lease.id) != first
    machine.wait(lambda: machine.state(lease.id) is MachineState.GONE)
    assert machine.now() <= lease.window.gone_by


def test_a_machine_whose_processes_are_all_dead_is_gone_since_its_last_sign_of_life(machine: Machine) -> None:
    lease = machine.ready()
    before = machine.now()
    os.kill(machine.keeper(lease.id), signal.SIGKILL)
    machine.wait(lambda: machine.state(lease.id) is MachineState.GONE)
    ended_at = machine.compute.machine(lease.id).ended_at
    assert ended_at is not None
    assert before - timedelta(seconds=2) <= ended_at <= machine.now()
    machine.let_pass(0.5)
    machine.compute.launch(lease)
    machine.compute.teardown(lease.id)
    assert machine.compute.machine(lease.id).ended_at == ended_at
    assert machine.compute.list_leases() == ()


def test_a_teardown_needs_no_keeper_that_listens(machine: Machine) -> None:
    lease = machine.ready()
    machine.running(machine.order(lease, max_steps=5000))
    os.kill(machine.keeper(lease.id), signal.SIGSTOP)
    machine.compute.teardown(lease.id)
    assert machine.processes(lease.id) == []
    assert machine.state(lease.id) is MachineState.GONE


def test_a_job_whose_supervisor_is_killed_has_vanished(machine: Machine) -> None:
    lease = machine.ready()
    order = machine.order(lease, max_steps=5000)
    os.kill(machine.running(order), signal.SIGKILL)
    lines, view = machine.follow(order.key)
    assert view.exit is not None
    assert view.exit.cause is ExitCause.VANISHED
    assert view.exit.ended_at <= machine.now()
    assert sum(line["event"] == "step" for line in lines) > 2
    assert len(machine.processes(lease.id)) == 2, "the keeper, and the trainer that was left behind"


def test_a_supervisor_that_cannot_start_has_vanished_and_left_a_log(machine: Machine, tmp_path: Path) -> None:
    lease = machine.ready()
    order = machine.order(lease)
    broken = tmp_path / "broken"
    (broken / "workers").mkdir(parents=True)
    (broken / "workers" / "__init__.py").write_text("raise ImportError('no node here')")
    LocalCompute(machine.places.home, Path(sys.executable), broken, SystemClock(), 60).submit(order)
    _, view = machine.follow(order.key)
    assert view.exit is not None
    assert view.exit.cause is ExitCause.VANISHED
    assert "no node here" in (machine.job(order) / "log.txt").read_text()


def test_a_node_python_that_does_not_exist_is_told_at_once(machine: Machine, tmp_path: Path) -> None:
    lease = machine.ready()
    broken = LocalCompute(machine.places.home, tmp_path / "none", tmp_path, SystemClock(), 60)
    with pytest.raises(ComputeError, match="No such file"):
        broken.submit(machine.order(lease))
    assert machine.compute.job(machine.order(lease).key, 0).state is JobState.UNKNOWN_JOB


def test_an_idle_machine_ends_itself_and_a_busy_one_does_not(tmp_path: Path) -> None:
    machine = Machine(tmp_path, idle_seconds=1)
    lease = machine.ready()
    order = machine.order(lease, max_steps=100)
    machine.compute.submit(order)
    machine.follow(order.key)
    assert machine.state(lease.id) is MachineState.READY
    machine.wait(lambda: machine.state(lease.id) is MachineState.GONE)
    assert machine.compute.machine(lease.id).message == "idle"
    machine.close()


def test_a_launch_that_was_cut_short_is_made_good_by_the_next(machine: Machine) -> None:
    lease = machine.lease()
    place = machine.places.lease(lease.id)
    place.folder.mkdir(parents=True)
    assert machine.state(lease.id) is MachineState.ABSENT
    machine.compute.launch(lease)
    kept = machine.document(place.lease)
    machine.compute.launch(lease)
    assert machine.state(lease.id) is MachineState.READY
    assert machine.document(place.lease) == kept


def test_a_submission_that_was_cut_short_is_made_good_by_the_next(machine: Machine) -> None:
    lease = machine.ready()
    order = machine.order(lease, max_steps=5)
    folder = machine.job(order)
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps({"lease_id": lease.id}))
    assert machine.compute.job(order.key, 0).state is JobState.UNKNOWN_JOB
    machine.compute.submit(order)
    assert sum(line["event"] == "begin" for line in machine.follow(order.key)[0]) == 1


def test_nothing_is_submitted_to_a_lease_that_is_being_ended(machine: Machine) -> None:
    lease = machine.ready()
    os.kill(machine.keeper(lease.id), signal.SIGSTOP)
    machine.places.lease(lease.id).closing.write_text('{"at": 0, "why": "teardown"}')
    with pytest.raises(ComputeError):
        machine.compute.submit(machine.order(lease))


def test_one_attempt_cannot_run_on_two_leases(machine: Machine) -> None:
    first, second = machine.ready(), machine.ready()
    order = machine.order(first, max_steps=5)
    machine.compute.submit(order)
    with pytest.raises(ComputeError, match="belongs to"):
        machine.compute.submit(replace(order, key=replace(order.key, lease_id=second.id)))


def test_the_job_folder_is_written_as_the_contract_says(machine: Machine) -> None:
    lease = machine.ready()
    order = machine.order(lease, max_steps=5)
    machine.compute.submit(order)
    machine.follow(order.key)
    folder, run = machine.job(order), machine.places.home / "runs" / lease.run_id
    assert folder == run / "01-train" / "attempt-1"
    job = machine.document(folder / "job.json")
    assert job == {
        **order.document,
        "version": 2,
        "run_id": lease.run_id,
        "lease_id": lease.id,
        "stage_id": "01-train",
        "kind": "train",
        "attempt": 1,
        "job_dir": str(folder),
        "output_dir": str(run / "01-train" / "output"),
        "data_dir": str(run / "data"),
        "soft_deadline": order.soft_deadline.timestamp(),
        "hard_deadline": order.hard_deadline.timestamp(),
    }
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["datasets"] == [{"path": f"{run}/data/train.jsonl"}]
    assert config["output_dir"] == f"{run}/01-train/output"
    assert "supervisor of attempt-1" in (folder / "log.txt").read_text()


def test_a_job_gets_the_mark_and_none_of_the_services_secrets(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATTICEFORGE_DATABASE_URL", "secret")
    monkeypatch.setenv("SOME_CLOUD_TOKEN", "secret")
    lease = machine.ready()
    machine.running(machine.order(lease, max_steps=5000))
    for process in machine.processes(lease.id):
        environment = process.environ()
        assert environment["LATTICEFORGE_LEASE_ID"] == lease.id
        assert environment["LATTICEFORGE_HOME"] == str(machine.places.home)
        assert "secret" not in environment.values()
        assert environment.get("CUDA_VISIBLE_DEVICES", "") == ""


@pytest.mark.parametrize("misbehaviour", ["crash", "garbage"])
def test_a_node_that_misbehaves_is_still_understood(machine: Machine, misbehaviour: str) -> None:
    lease = machine.ready()
    order = machine.order(lease, max_steps=5, train={"misbehave": misbehaviour})
    machine.compute.submit(order)
    lines, view = machine.follow(order.key)
    assert view.exit is not None
    if misbehaviour == "crash":
        assert (view.exit.cause, view.exit.message) == (ExitCause.FAILED, "crashed at step 3, as asked")
    else:
        assert [line["event"] for line in lines].count("step") == 5
        assert all(line["loss"] is None for line in lines if line["event"] == "step")


@pytest.mark.parametrize("marker", ["{", "{}", '{"cause": "boredom"}', '{"cause": "failed", "ended_at": 1e400}'])
def test_a_marker_that_makes_no_sense_still_ends_the_job(machine: Machine, marker: str) -> None:
    lease = machine.ready()
    order = machine.order(lease, max_steps=5)
    machine.compute.submit(order)
    machine.follow(order.key)
    (machine.job(order) / "exit.json").write_text(marker)
    view = machine.compute.job(order.key, 0)
    assert view.exit is not None
    assert (view.state, view.exit.cause) == (JobState.EXITED, ExitCause.VANISHED)


def test_two_installations_do_not_see_each_others_leases(machine: Machine, tmp_path: Path) -> None:
    lease = machine.ready()
    other = local_compute(tmp_path / "other")
    assert other.list_leases() == ()
    other.teardown(lease.id)
    assert machine.state(lease.id) is MachineState.READY


def test_a_name_that_no_lease_can_bear_is_refused(machine: Machine) -> None:
    for call in (machine.compute.teardown, machine.compute.machine):
        with pytest.raises(ComputeError):
            call(LeaseId("../../etc"))


def test_the_real_supervisor_runs_under_this_provider(machine: Machine, tmp_path: Path) -> None:
    """Up to its first stage, which needs no trainer: it refuses the rows by their line."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"instruction": "a", "output": "b"}\n{"instruction": "a"}\n')
    lease = machine.ready()
    order = machine.order(lease)
    dataset: JsonValue = {"source": str(rows), "format": "alpaca", "heldout_rows": 1, "heldout_source": None}
    real = LocalCompute(machine.places.home, Path(sys.executable), REPOSITORY, SystemClock(), 60)
    real.submit(replace(order, document={**order.document, "dataset": dataset}))
    _, view = machine.follow(order.key)
    assert view.exit is not None
    assert view.exit.cause is ExitCause.FAILED
    assert "rows.jsonl:2" in view.exit.message


def test_a_job_is_told_the_store_and_given_its_credentials_only_where_there_is_one(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real supervisor has nothing to train on and brings its verdict to a store on this disk."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-test's-secret")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"instruction": "a"}\n')
    lease = machine.ready()
    dataset: JsonValue = {"source": str(rows), "format": "alpaca", "heldout_rows": 1, "heldout_source": None}
    store: dict[str, JsonValue] = {"url": str(tmp_path / "store"), "endpoint_url": None}
    for number, place in enumerate((None, store)):
        order = machine.order(lease, attempt=number + 1)
        compute = LocalCompute(machine.places.home, Path(sys.executable), REPOSITORY, SystemClock(), 60, store=place)
        compute.submit(replace(order, document={**order.document, "dataset": dataset}))
        given = [process.environ() for process in machine.processes(lease.id)]
        assert any("AWS_SECRET_ACCESS_KEY" in each for each in given) is (place is not None)
        _, view = machine.follow(order.key)
        assert view.exit is not None
        assert "rows.jsonl:1" in view.exit.message
    job = machine.job(order)
    kept = tmp_path / "store" / order.key.run_id / job.parent.name / job.name
    assert json.loads((kept / "exit.json").read_text())["cause"] == "failed"
    assert (kept / "latticeforge_manifest.json").is_file()
    assert list((tmp_path / "store").rglob("exit.json")) == [kept / "exit.json"]
    assert not any("a-test's-secret" in path.read_text() for path in kept.iterdir())
