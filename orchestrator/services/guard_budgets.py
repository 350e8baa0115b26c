"""The kill path. Reads the live leases and ends each before its bill can exceed what is reserved for it.

Needs the database and the compute backend, and nothing else: no broker, no worker, no tick of the run.
"""

from __future__ import annotations

import logging

from orchestrator.domain.budget import Fuse, fuse
from orchestrator.domain.ids import LeaseId
from orchestrator.domain.ledger import reserved_for
from orchestrator.ports.clock import Clock
from orchestrator.ports.compute import Compute
from orchestrator.ports.store import RunRecord, Store
from orchestrator.services.advance_run import running_job

log = logging.getLogger(__name__)


class GuardBudgets:
    """One round of the guard. Returns what was done to which lease."""

    def __init__(self, store: Store, compute: Compute, clock: Clock) -> None:
        self._store = store
        self._compute = compute
        self._clock = clock

    def execute(self) -> dict[LeaseId, Fuse]:
        done: dict[LeaseId, Fuse] = {}
        for record in self._store.open_leases():
            if record.lease is None:
                continue
            try:
                verdict = self._guard(record)
            except Exception:
                # Whatever is wrong with one lease must not keep the guard from the others; the next round tries again.
                log.exception("guard: %s could not be guarded", record.lease.id)
                continue
            if verdict is not Fuse.HOLD:
                done[record.lease.id] = verdict
        return done

    def _guard(self, record: RunRecord) -> Fuse:
        lease = record.lease
        assert lease is not None, "open leases come with their lease"
        reserved = reserved_for(record.postings, lease.id)
        verdict = fuse(lease.offer, lease.opened_at, lease.window, reserved, self._clock.now())
        if verdict is Fuse.TEAR_DOWN:
            self._compute.teardown(lease.id)
        elif verdict is Fuse.STOP:
            job = running_job(record.run, lease)
            if job is not None:
                self._compute.request_stop(job[1])
        return verdict
