"""A lease is served where its provider is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from orchestrator.adapters.memory.clock import ManualClock
from orchestrator.adapters.memory.compute import MemoryCompute
from orchestrator.adapters.memory.store import MemoryStore
from orchestrator.domain.budget import Allowances, Limit, Window
from orchestrator.domain.ids import LeaseId, RunId, lease_id
from orchestrator.domain.lease import Lease
from orchestrator.domain.money import Money, Rate
from orchestrator.domain.offers import Offer
from orchestrator.ports.compute import MachineState
from orchestrator.services.routed_compute import RoutedCompute

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LOCAL = Offer("local", "here", "this-machine", "CPU", 1, False, Rate(1), 1, 1, date(2026, 1, 1), "a test")
CLOUD = replace(LOCAL, provider="slurm", accelerator="H200")


class Scene:
    """Two simulated providers behind one port."""

    def __init__(self) -> None:
        clock = ManualClock(NOW)
        self.local, self.rented, self.store = MemoryCompute(clock), MemoryCompute(clock), MemoryStore()
        self.routed = RoutedCompute(self.local, self.rented, self.store)

    def launched(self, number: int, offer: Offer) -> LeaseId:
        run = RunId(f"run_{number:012d}")
        window = Window(NOW, 600, Money(1), Limit.BUDGET, Allowances(1, 1, 1))
        lease = Lease(lease_id(run, 1), run, offer, window, NOW)
        self.routed.launch(lease)
        return lease.id


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_lease_goes_to_its_provider_and_all_are_listed(scene: Scene) -> None:
    here, there = scene.launched(1, LOCAL), scene.launched(2, CLOUD)
    assert scene.local.list_leases() == (here,)
    assert scene.rented.list_leases() == (there,)
    assert set(scene.routed.list_leases()) == {here, there}


def test_a_leaked_machine_without_a_record_is_torn_down_where_it_is(scene: Scene) -> None:
    here, there = scene.launched(1, LOCAL), scene.launched(2, CLOUD)
    for leaked in (here, there):
        scene.routed.teardown(leaked)
    assert scene.local.machine(here).state is MachineState.GONE
    assert scene.rented.machine(there).state is MachineState.GONE
    assert scene.local.machine(there).state is MachineState.ABSENT
