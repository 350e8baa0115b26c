"""`SkyPilotCompute`: the compute port on machines that SkyPilot rents."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from orchestrator.adapters.documents import locked
from orchestrator.adapters.skypilot.client import SkyPilotClient
from orchestrator.adapters.skypilot.follower import Followers
from orchestrator.adapters.skypilot.jobs import SkyJobs
from orchestrator.adapters.skypilot.machines import SkyMachines
from orchestrator.adapters.skypilot.places import SkyPlaces
from orchestrator.adapters.skypilot.tasks import NodeSetup
from orchestrator.domain.errors import ComputeError
from orchestrator.domain.ids import LeaseId
from orchestrator.domain.lease import Lease
from orchestrator.ports.clock import Clock
from orchestrator.ports.compute import JobKey, JobOrder, JobView, MachineState, MachineView


class SkyPilotCompute:
    """Rents through the SkyPilot that `client` speaks to. Its notes are below `home`/skypilot; any number of processes
    may use it. Jobs run below `node_home`, a path of the rented machine.

    Where the port leaves room: a machine is READY once SkyPilot's own set-up is through. What a machine has written is
    known as far as its log was read; lines that were not read when it went are lost, its VANISHED exit is not. A
    machine that goes by itself is noticed within `REFRESH_SECONDS` and counted until then. The provider's end comes in
    whole minutes, early rather than late.
    """

    def __init__(
        self, client: SkyPilotClient, home: Path, node_home: Path, node: NodeSetup, node_path: Path, clock: Clock
    ) -> None:
        self._client = client
        self._places = SkyPlaces(home.absolute(), node_home)
        self._machines = SkyMachines(client, self._places, node, clock)
        self._followers = Followers(client, self._machines, self._places, clock)
        self._jobs = SkyJobs(client, self._followers, self._places, node, node_path, clock)

    def launch(self, lease: Lease) -> None:
        self._machines.launch(lease)

    def machine(self, lease_id: LeaseId) -> MachineView:
        return self._machines.view(lease_id)

    def list_leases(self) -> tuple[LeaseId, ...]:
        return self._machines.listed()

    def submit(self, order: JobOrder) -> None:
        if self._jobs.is_submitted(order.key):
            return
        lease_id = order.key.lease_id
        self._require_machine(lease_id)
        notes = self._places.job(order.key)
        notes.folder.mkdir(parents=True, exist_ok=True)
        with locked(notes.lock):
            if self._jobs.is_submitted(order.key):
                return
            self._jobs.start(order, self._machines.accelerators(lease_id))
        self._followers.see_to(order.key)

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

    def close(self) -> None:
        """Stop following logs; what is rented stays rented."""
        self._followers.close()
        self._client.close()
        self._followers.join()

    def _require_machine(self, lease_id: LeaseId) -> None:
        state = self._machines.view(lease_id).state
        if state is not MachineState.READY or self._places.lease(lease_id).closing.exists():
            raise ComputeError(f"{lease_id} is {state}, nothing can be started on it")
