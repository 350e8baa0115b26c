"""Where ports meet adapters: the only place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.ports.artifacts import Artifacts
from orchestrator.ports.clock import Clock
from orchestrator.ports.compute import Compute
from orchestrator.ports.ids import Ids
from orchestrator.ports.inputs import Inputs
from orchestrator.ports.prices import Prices
from orchestrator.ports.signals import Changes, Notify, Wakeup
from orchestrator.ports.store import Store
from orchestrator.ports.trainer import Trainer
from orchestrator.services.advance_run import AdvanceRun
from orchestrator.services.cancel_run import CancelRun
from orchestrator.services.draft import SpecifyRun
from orchestrator.services.guard_budgets import GuardBudgets
from orchestrator.services.health import CheckHealth, Probe
from orchestrator.services.quote import QuoteRun
from orchestrator.services.read import ReadRuns
from orchestrator.services.reap import Reap
from orchestrator.services.submit_run import SubmitRun
from orchestrator.services.sweep import Sweep
from orchestrator.services.top_up_budget import TopUpBudget
from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class Ports:
    """One adapter for every port."""

    store: Store
    compute: Compute
    trainer: Trainer
    prices: Prices
    inputs: Inputs
    artifacts: Artifacts
    clock: Clock
    ids: Ids
    wakeup: Wakeup
    notify: Notify
    changes: Changes
    probes: Mapping[str, Probe]


@dataclass(frozen=True, slots=True)
class Application:
    """The use cases, ready to be called."""

    settings: Settings
    quote: QuoteRun
    submit: SubmitRun
    read: ReadRuns
    cancel: CancelRun
    top_up: TopUpBudget
    advance: AdvanceRun
    guard: GuardBudgets
    sweep: Sweep
    reap: Reap
    health: CheckHealth
    changes: Changes
    store: Store
    clock: Clock


def assemble(settings: Settings, ports: Ports) -> Application:
    """The use cases on `ports`."""
    quote = QuoteRun(SpecifyRun(ports.inputs, ports.trainer), ports.prices, ports.clock)
    return Application(
        settings=settings,
        quote=quote,
        submit=SubmitRun(ports.store, quote, ports.clock, ports.ids, ports.wakeup, ports.notify),
        read=ReadRuns(ports.store, ports.artifacts, ports.prices, ports.clock),
        cancel=CancelRun(ports.store, ports.clock, ports.wakeup, ports.notify),
        top_up=TopUpBudget(ports.store, ports.clock, ports.wakeup, ports.notify),
        advance=AdvanceRun(ports.store, ports.compute, ports.trainer, ports.prices, ports.clock, ports.notify),
        guard=GuardBudgets(ports.store, ports.compute, ports.clock),
        sweep=Sweep(ports.store, ports.clock, ports.wakeup),
        reap=Reap(ports.store, ports.compute),
        health=CheckHealth(ports.store, ports.clock, ports.probes),
        changes=ports.changes,
        store=ports.store,
        clock=ports.clock,
    )
