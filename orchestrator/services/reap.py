"""The reaper: a machine that bears our mark and has no open lease is torn down."""

from __future__ import annotations

import logging

from orchestrator.domain.errors import ComputeError, NotFoundError
from orchestrator.domain.ids import LeaseId
from orchestrator.ports.compute import Compute
from orchestrator.ports.store import Store

log = logging.getLogger(__name__)


class Reap:
    """Returns the leaked leases; tears them down unless `dry_run`. A lease is recorded before its machine is asked
    for, so a machine without a record is leaked and not young."""

    def __init__(self, store: Store, compute: Compute) -> None:
        self._store = store
        self._compute = compute

    def execute(self, *, dry_run: bool = False) -> tuple[LeaseId, ...]:
        # The list first: a lease that opens in between is then merely not on it.
        leaked = tuple(lease for lease in self._compute.list_leases() if not self._is_open(lease))
        for lease in leaked:
            log.warning("%s has no open lease%s", lease, "" if dry_run else " and is torn down")
            if not dry_run:
                self._end(lease)
        return leaked

    def _end(self, lease: LeaseId) -> None:
        try:
            self._compute.teardown(lease)
        except ComputeError as error:
            # One machine that will not go must not keep the others.
            log.warning("%s could not be torn down: %s", lease, error)

    def _is_open(self, lease: LeaseId) -> bool:
        try:
            return self._store.lease(lease).is_open
        except NotFoundError:
            return False
