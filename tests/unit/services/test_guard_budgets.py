from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.adapters.memory.clock import ManualClock
from orchestrator.adapters.memory.compute import MemoryCompute
from orchestrator.adapters.memory.store import MemoryStore
from orchestrator.domain import ledger
from orchestrator.domain.budget import Fuse, open_window
from orchestrator.domain.errors import ComputeError
from orchestrator.domain.ids import LeaseId, RunId, lease_id
from orchestrator.domain.lease import Lease
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.money import Money
from orchestrator.ports.store import RunChange
from orchestrator.services.guard_budgets import GuardBudgets
from tests.unit.domain.making import ALLOWANCES, NOW, offer, run

FIRST, SECOND = RunId("run_aaaaaaaaaaaa"), RunId("run_bbbbbbbbbbbb")


class OneBrokenMachine(MemoryCompute):
    """A provider that cannot be reached about one lease."""

    broken: LeaseId | None = None

    def teardown(self, lease_id: LeaseId) -> None:
        if lease_id == self.broken:
            raise ComputeError("cannot be reached")
        super().teardown(lease_id)


def live(store: MemoryStore, compute: MemoryCompute, run_id: RunId, cap: int, now: datetime) -> Lease:
    """A run with a funded, launched machine."""
    way = offer(capacity=None)
    window = open_window(Money(cap), way, None, ALLOWANCES, now)
    assert window is not None
    lease = Lease(lease_id(run_id, 1), run_id, way, window, now)
    grant = ledger.grant(run_id, Money(cap), now, "cap")
    held = ledger.reserve([grant], run_id, lease.id, window.reserve, now, "funding")
    whole = run(id=run_id, status=RunStatus.RUNNING, leases=1, lease_id=lease.id)
    store.create(RunChange(whole, lease, (grant, held)), None)
    compute.launch(lease)
    return lease


def test_a_machine_is_torn_down_before_it_overspends() -> None:
    clock, store = ManualClock(NOW), MemoryStore()
    compute = MemoryCompute(clock)
    lease = live(store, compute, FIRST, 100_000, NOW)
    guard = GuardBudgets(store, compute, clock)
    assert guard.execute() == {}
    clock.move_to(lease.window.soft)
    assert guard.execute() == {lease.id: Fuse.STOP}
    clock.move_to(lease.window.hard)
    assert guard.execute() == {lease.id: Fuse.TEAR_DOWN}
    assert compute.list_leases() == ()
    assert compute.billed(lease.id) <= Money(100_000)


def test_a_lease_that_cannot_be_reached_does_not_keep_the_guard_from_the_others() -> None:
    clock, store = ManualClock(NOW), MemoryStore()
    compute = OneBrokenMachine(clock)
    first, second = live(store, compute, FIRST, 100_000, NOW), live(store, compute, SECOND, 100_000, NOW)
    compute.broken = first.id
    clock.move_to(first.window.hard)
    assert GuardBudgets(store, compute, clock).execute() == {second.id: Fuse.TEAR_DOWN}
    compute.broken = None
    clock.move_to(first.window.hard + timedelta(seconds=1))
    assert first.id in GuardBudgets(store, compute, clock).execute()
