"""Say what a wish would buy, without starting or reserving anything."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.funding import plan_request
from orchestrator.domain.money import Money
from orchestrator.domain.plan import Plan
from orchestrator.domain.planner import Search, search
from orchestrator.domain.run import RunSpec
from orchestrator.ports.clock import Clock
from orchestrator.services.draft import RunDraft, SpecifyRun
from orchestrator.services.markets import Markets


@dataclass(frozen=True, slots=True)
class Quote:
    """A validated wish, its cap, the plan that it would be run by and what else there was to choose from."""

    spec: RunSpec
    cap: Money
    found: Search

    @property
    def plan(self) -> Plan:
        return self.found.plan


class QuoteRun:
    """Plans a draft. Raises `InvalidInputError`, or `UnaffordableError` with the cheapest cap."""

    def __init__(self, specify: SpecifyRun, markets: Markets, clock: Clock) -> None:
        self._specify = specify
        self._markets = markets
        self._clock = clock

    def execute(self, draft: RunDraft) -> Quote:
        spec, cap = self._specify.execute(draft)
        request = plan_request(spec, (), cap, spec.max_seconds)
        found = search(request, self._markets.market(), self._clock.now())
        return Quote(spec, cap, found)
