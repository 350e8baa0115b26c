"""Say what a wish would buy, without starting or reserving anything."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.decision import Market
from orchestrator.domain.funding import plan_request
from orchestrator.domain.money import Money
from orchestrator.domain.plan import Plan
from orchestrator.domain.planner import make_plan
from orchestrator.domain.run import RunSpec
from orchestrator.ports.clock import Clock
from orchestrator.ports.prices import Prices
from orchestrator.services.draft import RunDraft, SpecifyRun


@dataclass(frozen=True, slots=True)
class Quote:
    """A validated wish, its cap and the plan that it would be run by."""

    spec: RunSpec
    cap: Money
    plan: Plan


def market_of(prices: Prices) -> Market:
    """What can be rented now."""
    return Market(prices.offers(), prices.overheads(), prices.allowances())


class QuoteRun:
    """Plans a draft. Raises `InvalidInputError`, or `UnaffordableError` with the cheapest cap."""

    def __init__(self, specify: SpecifyRun, prices: Prices, clock: Clock) -> None:
        self._specify = specify
        self._prices = prices
        self._clock = clock

    def execute(self, draft: RunDraft) -> Quote:
        spec, cap = self._specify.execute(draft)
        request = plan_request(spec, (), cap, spec.max_seconds)
        market = market_of(self._prices)
        plan = make_plan(request, market.offers, market.overheads, market.allowances, self._clock.now())
        return Quote(spec, cap, plan)
