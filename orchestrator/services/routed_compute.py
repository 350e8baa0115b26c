"""One compute port over several: a lease's provider decides which of them serves it."""

from __future__ import annotations

from datetime import datetime

from orchestrator.domain.errors import NotFoundError
from orchestrator.domain.ids import LeaseId
from orchestrator.domain.lease import Lease
from orchestrator.domain.offers import LOCAL_PROVIDER
from orchestrator.ports.compute import Compute, JobKey, JobOrder, JobView, MachineView
from orchestrator.ports.store import Store


class RoutedCompute:
    """`local` serves the leases of this machine, `rented` all others. The store is asked whose a lease is, and let go
    of before a machine is."""

    def __init__(self, local: Compute, rented: Compute, store: Store) -> None:
        self._local = local
        self._rented = rented
        self._store = store
        self._known: dict[LeaseId, Compute] = {}

    def launch(self, lease: Lease) -> None:
        self._of_provider(lease.offer.provider).launch(lease)

    def machine(self, lease_id: LeaseId) -> MachineView:
        return self._of(lease_id).machine(lease_id)

    def list_leases(self) -> tuple[LeaseId, ...]:
        return (*self._local.list_leases(), *self._rented.list_leases())

    def submit(self, order: JobOrder) -> None:
        self._of(order.key.lease_id).submit(order)

    def job(self, key: JobKey, offset: int) -> JobView:
        return self._of(key.lease_id).job(key, offset)

    def request_stop(self, key: JobKey) -> None:
        self._of(key.lease_id).request_stop(key)

    def move_deadlines(self, key: JobKey, soft: datetime, hard: datetime) -> None:
        self._of(key.lease_id).move_deadlines(key, soft, hard)

    def extend(self, lease_id: LeaseId, gone_by: datetime) -> None:
        self._of(lease_id).extend(lease_id, gone_by)

    def teardown(self, lease_id: LeaseId) -> None:
        self._of(lease_id).teardown(lease_id)

    def _of(self, lease_id: LeaseId) -> Compute:
        if lease_id not in self._known:
            self._known[lease_id] = self._found(lease_id)
        return self._known[lease_id]

    def _found(self, lease_id: LeaseId) -> Compute:
        try:
            return self._of_provider(self._store.lease(lease_id).offer.provider)
        except NotFoundError:
            # A leaked machine has no record: it is where it is listed.
            return self._local if lease_id in self._local.list_leases() else self._rented

    def _of_provider(self, provider: str) -> Compute:
        return self._local if provider == LOCAL_PROVIDER else self._rented
