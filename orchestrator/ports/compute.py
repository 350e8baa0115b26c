"""The compute port: machines that are rented, and jobs that run on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orchestrator.domain.ids import LeaseId, RunId, StageId
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lease import Lease
from orchestrator.domain.observations import JobState, JobView, MachineState, MachineView
from orchestrator.domain.stages import StageKind

__all__ = ["Compute", "JobKey", "JobOrder", "JobState", "JobView", "MachineState", "MachineView"]


@dataclass(frozen=True, slots=True)
class JobKey:
    """Names one attempt at one stage on one lease."""

    run_id: RunId
    lease_id: LeaseId
    stage_id: StageId
    attempt: int


@dataclass(frozen=True, slots=True)
class JobOrder:
    """What to run: `document` is the job as docs/node-contract.md writes it, less the paths and deadlines that the
    adapter fills in; `config` is the trainer's configuration with `{data_dir}` and `{output_dir}` for the node's
    folders, None where the stage needs none. `data` names the folder of its rows, shared by all jobs that read them."""

    key: JobKey
    kind: StageKind
    soft_deadline: datetime
    hard_deadline: datetime
    document: Mapping[str, JsonValue]
    config: Mapping[str, JsonValue] | None
    data: str = "data"


class Compute(Protocol):
    """Rents machines and runs jobs on them. Any call may raise `ComputeError`, from which nothing may be concluded.

    Promises, proved by tests/contract/test_compute.py on every adapter:
    - `launch` returns without waiting for the machine and is idempotent: asking again for a lease that is coming,
      ready or gone changes nothing. The provider-side end (`window.gone_by`) is armed by the launch itself.
    - `machine` of a lease never launched is ABSENT; after a teardown it becomes GONE and stays so,
      with an `ended_at` before the lease opened: what never came costs nothing.
    - `list_leases` names every machine of ours that may still cost money, whoever launched it.
    - `submit` is idempotent by key: a second call starts nothing. The job outlives the caller.
    - `job` shows every metrics line exactly once to a reader that follows `next_offset`.
    - `request_stop` makes a running job save a checkpoint and exit with `STOP_REQUESTED`; for any other it is a no-op.
    - `move_deadlines` moves a running job's deadlines; `extend` moves the machine's provider-side end. Both idempotent.
    - `teardown` ends the machine and every process on it, at once and for good; idempotent, also for absent leases.
    """

    def launch(self, lease: Lease) -> None: ...

    def machine(self, lease_id: LeaseId) -> MachineView: ...

    def list_leases(self) -> tuple[LeaseId, ...]: ...

    def submit(self, order: JobOrder) -> None: ...

    def job(self, key: JobKey, offset: int) -> JobView: ...

    def request_stop(self, key: JobKey) -> None: ...

    def move_deadlines(self, key: JobKey, soft: datetime, hard: datetime) -> None: ...

    def extend(self, lease_id: LeaseId, gone_by: datetime) -> None: ...

    def teardown(self, lease_id: LeaseId) -> None: ...
