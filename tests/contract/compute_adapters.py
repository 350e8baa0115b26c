"""The adapters of the Compute port, each with a world around it whose time can pass."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from orchestrator.adapters.local.compute import LocalCompute
from orchestrator.adapters.memory.clock import ManualClock
from orchestrator.adapters.memory.compute import MemoryCompute
from orchestrator.adapters.memory.world import World
from orchestrator.adapters.system.clock import SystemClock
from orchestrator.domain.budget import Allowances, Limit, Window
from orchestrator.domain.ids import LeaseId, RunId, lease_id, stage_id
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lease import Lease
from orchestrator.domain.money import Money, Rate
from orchestrator.domain.offers import Offer
from orchestrator.domain.stages import StageKind
from orchestrator.ports.compute import Compute, JobKey, JobOrder, JobState, JobView, MachineState

NODE_DOUBLE = Path(__file__).parent / "node_double"
PATIENCE_SECONDS = 20.0
OFFER = Offer(
    "local", "here", "this-machine", "CPU", 1, False, Rate(3_600_000), 1, 1, date(2026, 1, 1), "a test's setting", 1
)
TRAIN: Mapping[str, JsonValue] = {
    "seed": 1,
    "dataset": {"source": "/nowhere/rows.jsonl", "format": "alpaca", "heldout_rows": 4, "heldout_source": None},
    "train": {"launcher": "python", "processes": 1, "resume_from": None, "pilot_steps": 3, "save_seconds": 0},
}


class PassingTime(Protocol):
    """`pass_a_little` lets a moment of the adapter's time pass."""

    def now(self) -> datetime: ...

    def pass_a_little(self) -> None: ...


class RealTime:
    def now(self) -> datetime:
        return SystemClock().now()

    def pass_a_little(self) -> None:
        time.sleep(0.02)


@dataclass
class SimulatedTime:
    clock: ManualClock

    def now(self) -> datetime:
        return self.clock.now()

    def pass_a_little(self) -> None:
        self.clock.advance(0.02)


@dataclass(frozen=True)
class Pace:
    """How long the adapter's own second is, in real ones, what it rents, and what a step of its node takes."""

    second: float = 1.0
    offer: Offer = OFFER
    seconds_per_step: float | None = None


OWN_PACE = Pace()


class ComputeWorld:
    """An adapter under test. Durations are in its own seconds: those of the memory adapter cost nothing, and those of a
    cloud are long."""

    def __init__(
        self, name: str, compute: Compute, passing: PassingTime, run_numbers: Iterator[int], pace: Pace = OWN_PACE
    ) -> None:
        self.name = name
        self.pace = pace
        self.compute = compute
        self._passing = passing
        self._run_numbers = run_numbers
        self.leases: list[LeaseId] = []

    def now(self) -> datetime:
        return self._passing.now()

    def lease(self, seconds: int = 60, teardown: int = 1) -> Lease:
        """A lease of a new run that must be gone `seconds` from now."""
        run = RunId(f"run_{next(self._run_numbers):012d}")
        real, end = int(seconds * self.pace.second), int(teardown * self.pace.second)
        window = Window(self.now(), real, Money(seconds * 1000), Limit.BUDGET, Allowances(1, 1, end))
        lease = Lease(lease_id(run, 1), run, self.pace.offer, window, self.now())
        self.leases.append(lease.id)
        return lease

    def ready(self, seconds: int = 60, teardown: int = 1) -> Lease:
        """A launched lease whose machine is there."""
        lease = self.lease(seconds, teardown)
        self.compute.launch(lease)
        self.wait(lambda: self.state(lease.id) is MachineState.READY)
        return lease

    def order(
        self,
        lease: Lease,
        max_steps: int = 10,
        soft: float = 50,
        hard: float = 55,
        attempt: int = 1,
        train: Mapping[str, JsonValue] | None = None,
    ) -> JobOrder:
        """A training of `max_steps` steps of a fiftieth of a second; deadlines in seconds from now."""
        section = TRAIN["train"]
        assert isinstance(section, dict)
        return JobOrder(
            key=JobKey(lease.run_id, lease.id, stage_id(1, "train"), attempt),
            kind=StageKind.TRAIN,
            soft_deadline=self.now() + self.seconds(soft),
            hard_deadline=self.now() + self.seconds(hard),
            document={**TRAIN, "train": {**section, **self._step(), **(train or {})}},
            config={
                "max_steps": max_steps,
                "datasets": [{"path": "{data_dir}/train.jsonl"}],
                "output_dir": "{output_dir}",
            },
        )

    def seconds(self, count: float) -> timedelta:
        """So many of the adapter's own seconds."""
        return timedelta(seconds=count * self.pace.second)

    def _step(self) -> dict[str, JsonValue]:
        return {} if self.pace.seconds_per_step is None else {"seconds_per_step": self.pace.seconds_per_step}

    def state(self, lease: LeaseId) -> MachineState:
        return self.compute.machine(lease).state

    def wait(self, condition: Callable[[], bool]) -> None:
        """Let time pass until `condition` holds."""
        give_up_at = self.now() + self.seconds(PATIENCE_SECONDS)
        while not condition():
            assert self.now() < give_up_at, "it never came true"
            self._passing.pass_a_little()

    def let_pass(self, seconds: float) -> None:
        until = self.now() + self.seconds(seconds)
        self.wait(lambda: self.now() >= until)

    def follow(self, key: JobKey) -> tuple[list[Mapping[str, JsonValue]], JobView]:
        """Read a job to its end as the service does: every line once, and the last view."""
        lines: list[Mapping[str, JsonValue]] = []
        offset = 0
        view = JobView(JobState.UNKNOWN_JOB)

        def ended() -> bool:
            nonlocal offset, view
            view = self.compute.job(key, offset)
            lines.extend(view.lines)
            offset = view.next_offset
            return view.state is JobState.EXITED

        self.wait(ended)
        return lines, view

    def steps_seen(self, key: JobKey) -> int:
        return sum(line["event"] == "step" for line in self.compute.job(key, 0).lines)

    def close(self) -> None:
        for lease in self.leases:
            self.compute.teardown(lease)


def local_compute(home: Path, idle_seconds: int = 60) -> LocalCompute:
    """This machine, with the contract's node in the trainer's place."""
    return LocalCompute(home, Path(sys.executable), NODE_DOUBLE, SystemClock(), idle_seconds)


def local_world(home: Path, idle_seconds: int = 60) -> ComputeWorld:
    return ComputeWorld("local", local_compute(home, idle_seconds), RealTime(), itertools.count(1))


def memory_world() -> ComputeWorld:
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    world = World(
        provision_seconds=0.2,
        startup_seconds=0.1,
        seconds_per_step=0.02,
        checkpoint_seconds=0.05,
        steps_per_checkpoint=1000,
    )
    return ComputeWorld("memory", MemoryCompute(clock, world), SimulatedTime(clock), itertools.count(1))


@pytest.fixture(params=["memory", "local"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ComputeWorld]:
    """Each adapter of the port in turn; whatever a test leaves running is ended."""
    made = memory_world() if request.param == "memory" else local_world(tmp_path)
    yield made
    made.close()
