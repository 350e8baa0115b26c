"""The real services in a simulated world: one seed, one history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from orchestrator.adapters.axolotl.trainer import AxolotlTrainer
from orchestrator.adapters.memory.clock import ManualClock
from orchestrator.adapters.memory.compute import MemoryCompute
from orchestrator.adapters.memory.ids import SequenceIds
from orchestrator.adapters.memory.signals import MemoryNotify, MemoryWakeup
from orchestrator.adapters.memory.store import MemoryStore
from orchestrator.adapters.memory.world import Faults, World
from orchestrator.domain import ledger
from orchestrator.domain.budget import Allowances
from orchestrator.domain.errors import ComputeError
from orchestrator.domain.ids import LeaseId, RunId, lease_id
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.money import ZERO, Money, Rate
from orchestrator.domain.offers import Offer
from orchestrator.domain.providers import ProviderFacts
from orchestrator.domain.run import Run
from orchestrator.ports.store import RunChange, RunRecord
from orchestrator.services.advance_run import AdvanceRun
from orchestrator.services.cancel_run import CancelRun
from orchestrator.services.current_model import CurrentModel
from orchestrator.services.guard_budgets import GuardBudgets
from orchestrator.services.learn import Learn
from orchestrator.services.learned import Learned
from orchestrator.services.markets import Markets
from orchestrator.services.reap import Reap
from orchestrator.services.top_up_budget import TopUpBudget
from tests.unit.domain.making import facts, spec

ALLOWANCES = Allowances(detect=15, checkpoint=20, teardown=30)


@dataclass(frozen=True, slots=True)
class SimulatedPrices:
    """One cloud, one offer."""

    offer: Offer

    def offers(self) -> tuple[Offer, ...]:
        return (self.offer,)

    def facts(self) -> dict[str, ProviderFacts]:
        return {self.offer.provider: facts(self.offer.provider, provision=60, startup=30)}

    def allowances(self) -> dict[str, Allowances]:
        return {self.offer.provider: ALLOWANCES}


def cloud(micros_per_hour: int = 8_000_000, quantum: int = 1) -> SimulatedPrices:
    return SimulatedPrices(
        Offer("cloud", "eu", "2xH200", "H200", 2, False, Rate(micros_per_hour), quantum, 1, date(2026, 11, 1), "a test")
    )


class Simulation:
    """Ticks, guard rounds and the reaper on one clock. `worker_alive` and `guard_alive` say who takes part."""

    def __init__(
        self, world: World | None = None, faults: Faults | None = None, prices: SimulatedPrices | None = None
    ) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore()
        self.world = world or World(teardown_seconds=5)
        self.faults = faults or Faults()
        self.compute = MemoryCompute(self.clock, self.world, self.faults)
        self.prices = prices or cloud()
        self.worker_alive = True
        self.guard_alive = True
        notify, wakeup = MemoryNotify(), MemoryWakeup()
        self._ids = SequenceIds()
        self._advance = AdvanceRun(
            self.store,
            self.compute,
            AxolotlTrainer("cuda"),
            Markets(self.prices, CurrentModel(Learned(self.store, self.clock))),
            self.clock,
            notify,
            Learn(self.store),
        )
        self._guard = GuardBudgets(self.store, self.compute, self.clock)
        self._reap = Reap(self.store, self.compute)
        self.cancel = CancelRun(self.store, self.clock, wakeup, notify)
        self.top_up = TopUpBudget(self.store, self.clock, wakeup, notify)

    def submit(self, dollars_micros: int, max_seconds: int | None = None, **wish: Any) -> RunId:
        """`wish` overrides fields of the run's spec."""
        now = self.clock.now()
        run = Run(self._ids.new_run_id(), spec(max_seconds=max_seconds, **wish), now, wake_at=now)
        self.store.create(RunChange(run, None, (ledger.grant(run.id, Money(dollars_micros), now, "cap"),)), None)
        return run.id

    def tick(self, run_id: RunId, seconds: float = 1.0) -> RunRecord:
        """Let `seconds` pass, then let whoever lives do its round."""
        self.clock.advance(seconds)
        if self.guard_alive:
            self._guard.execute()
        if self.worker_alive:
            self._advance.execute(run_id)
        record = self.store.load(run_id)
        self._check(record)
        return record

    def reap(self) -> tuple[LeaseId, ...]:
        try:
            return self._reap.execute()
        except ComputeError:
            return ()

    def until_ended(self, run_id: RunId, seconds: float = 1.0, most: int = 20_000) -> RunRecord:
        for _ in range(most):
            record = self.tick(run_id, seconds)
            if record.run.status is RunStatus.ENDED:
                return record
        raise AssertionError(f"{run_id} is still {record.run.status} after {most} ticks")

    def _check(self, record: RunRecord) -> None:
        """What must hold at every moment, whatever goes wrong."""
        balance = ledger.fold(record.postings)
        assert balance.total == ZERO
        assert balance.spent >= ZERO
        assert balance.spent + balance.reserved <= balance.cap
        assert self.billed(record.run) <= balance.cap, "the provider's own bill exceeds the cap"

    def billed(self, run: Run) -> Money:
        """The provider's bill for all leases of the run, reckoned apart from the ledger."""
        leases = (lease_id(run.id, ordinal) for ordinal in range(1, run.leases + 1))
        return sum((self.compute.billed(lease) for lease in leases), ZERO)
