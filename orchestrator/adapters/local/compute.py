"""This machine, played as a provider: leases are keepers, jobs are detached processes that bear the lease's mark."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from orchestrator.adapters.documents import locked
from orchestrator.adapters.local.jobs import LocalJobs
from orchestrator.adapters.local.machines import LocalMachines
from orchestrator.adapters.local.places import Places
from orchestrator.domain.errors import ComputeError
from orchestrator.domain.ids import LeaseId
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lease import Lease
from orchestrator.ports.clock import Clock
from orchestrator.ports.compute import JobKey, JobOrder, JobView, MachineState, MachineView


class LocalCompute:
    """Rents this machine to itself. All of its state is on disk and in /proc: any number of processes may use it.

    Below `home`: `leases/<lease>/`, `runs/<run>/data`, `runs/<run>/<stage>/output`, `runs/<run>/<stage>/attempt-<n>/`.
    `node_python` runs the node; `node_path` is the folder that holds the `workers` package. A machine without a
    running job ends itself after `idle_seconds`, as a cloud's autostop does.

    With `store` (`url` and `endpoint_url`) jobs also bring their files there, with the credentials of this process's
    environment.

    Where the port leaves room: a machine is READY as soon as its launch returns (it is never COMING). If its keeper is
    killed while processes of the lease live on, it stays READY and listed, since what lives costs; it is GONE once
    they have ended. A launch that was cut short before the keeper ran is ABSENT. `extend`, `request_stop` and
    `move_deadlines` of what has ended do nothing; `submit` to a machine that is not there raises `ComputeError`.
    """

    def __init__(
        self,
        home: Path,
        node_python: Path,
        node_path: Path,
        clock: Clock,
        idle_seconds: int,
        store: Mapping[str, JsonValue] | None = None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        places = Places(home.resolve())
        self._machines = LocalMachines(places, clock, idle_seconds)
        # The interpreter's path is not resolved: a virtual environment's is a link to the system's.
        self._jobs = LocalJobs(places, node_python.absolute(), node_path.resolve(), clock, store)

    def launch(self, lease: Lease) -> None:
        self._machines.launch(lease)

    def machine(self, lease_id: LeaseId) -> MachineView:
        return self._machines.view(lease_id)

    def list_leases(self) -> tuple[LeaseId, ...]:
        return self._machines.listed()

    def submit(self, order: JobOrder) -> None:
        lease_id = order.key.lease_id
        place = self._machines.place(lease_id)
        if self._jobs.is_submitted(order.key):
            return
        self._require_machine(lease_id)
        with locked(place.lock):
            if self._jobs.is_submitted(order.key):
                return
            self._require_machine(lease_id)
            self._jobs.start(order, self._machines.devices(lease_id))
            if place.closing.exists():
                # The end was decided while the job started, and may have swept before it was there.
                self._machines.end_processes(lease_id, spare_keeper=True)
                raise ComputeError(f"{lease_id} ended while the job was being started")

    def job(self, key: JobKey, offset: int) -> JobView:
        return self._jobs.view(key, offset)

    def request_stop(self, key: JobKey) -> None:
        self._jobs.order_stop(key)

    def move_deadlines(self, key: JobKey, soft: datetime, hard: datetime) -> None:
        self._jobs.order_deadlines(key, soft, hard)

    def extend(self, lease_id: LeaseId, gone_by: datetime) -> None:
        self._machines.extend(lease_id, gone_by)

    def teardown(self, lease_id: LeaseId) -> None:
        self._machines.teardown(lease_id)

    def _require_machine(self, lease_id: LeaseId) -> None:
        state = self._machines.view(lease_id).state
        if state is not MachineState.READY or self._machines.place(lease_id).closing.exists():
            raise ComputeError(f"{lease_id} is {state}, nothing can be started on it")
