"""Say what a wish would buy, without starting or reserving anything: one plan, or many side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.domain.cost.setup import Sharding
from orchestrator.domain.errors import FieldProblem, InvalidInputError, UnaffordableError
from orchestrator.domain.funding import plan_request
from orchestrator.domain.money import Money
from orchestrator.domain.offers import LOCAL_PROVIDER
from orchestrator.domain.plan import Assumption, Plan
from orchestrator.domain.planner import Search, search
from orchestrator.domain.run import RunSpec
from orchestrator.domain.staleness import age_days, is_old
from orchestrator.ports.clock import Clock
from orchestrator.services.draft import RunDraft, SpecifyRun
from orchestrator.services.markets import Markets
from orchestrator.services.told_rows import ToldTokens

MOST_COMPARED = 200


class Where(StrEnum):
    """What a quote looks at."""

    HERE = "here"
    """Machines that a run can be launched on by this service."""
    CLOUDS = "clouds"
    """Everything that is known to be for rent."""
    ANYWHERE = "anywhere"


@dataclass(frozen=True, slots=True)
class Quote:
    """A validated wish, its cap, the plan that it would be run by and what else there was to choose from.

    `obstacles` say why a run of this plan could not be launched today; empty when it could.
    """

    spec: RunSpec
    cap: Money
    found: Search
    where: Where = Where.HERE
    obstacles: tuple[str, ...] = ()

    @property
    def plan(self) -> Plan:
        return self.found.plan


@dataclass(frozen=True, slots=True)
class Compared:
    """One wish among several: its quote, or why there is none and what the least cap would be (micro-dollars)."""

    strategy: str
    cap: Money
    gpus: int | None
    quote: Quote | None
    refusal: str = ""
    cheapest: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run could be: what is for rent there, and how a wish is read for the machines there."""

    markets: Markets
    specify: SpecifyRun


class QuoteRun:
    """Plans drafts. Raises `InvalidInputError`, or `UnaffordableError` with the cheapest cap."""

    def __init__(
        self,
        places: Mapping[Where, Place],
        clock: Clock,
        price_max_age_days: int,
        rentable: frozenset[str] = frozenset(),
    ) -> None:
        """`rentable` are the providers, beside this machine, that a run can be launched on."""
        self._places = places
        self._launchable = rentable | {LOCAL_PROVIDER}
        self._clock = clock
        self._most_days = price_max_age_days

    def execute(self, draft: RunDraft, where: object = None, told: ToldTokens | None = None) -> Quote:
        place = parse_where(where)
        spec, cap = self._places[place].specify.execute(draft, told)
        request = plan_request(spec, (), cap, spec.max_seconds)
        found = search(request, self._places[place].markets.market(), self._clock.now())
        return self._quote(spec, cap, found, place, told)

    def _quote(self, spec: RunSpec, cap: Money, found: Search, place: Where, told: ToldTokens | None) -> Quote:
        """With the age of the price among the plan's assumptions when it is old."""
        plan, today = found.plan, self._clock.now().date()
        if is_old(plan.offer, today, self._most_days):
            age = age_days(plan.offer, today)
            days = "unknown" if age is None else str(age)
            why = f"over {self._most_days} days, or not dated: an old price, which is read again before a launch"
            plan = replace(plan, assumptions=(*plan.assumptions, Assumption("price_age_days", days, why)))
        return Quote(spec, cap, replace(found, plan=plan), place, self._obstacles(plan, told))

    def compare(
        self,
        draft: RunDraft,
        strategies: Sequence[object],
        budgets: Sequence[object],
        gpus: Sequence[object],
        where: object = None,
        told: ToldTokens | None = None,
    ) -> tuple[Compared, ...]:
        """Every strategy with every budget and count of accelerators, in this order. What cannot be planned says so in
        its place; what is not valid raises `InvalidInputError`."""
        if len(strategies) * len(budgets) * len(gpus) > MOST_COMPARED:
            raise InvalidInputError.of("strategies", f"together with budgets and gpus these are over {MOST_COMPARED}")
        place = parse_where(where)
        return tuple(
            compared
            for strategy in strategies
            for compared in self._compare(replace(draft, strategy=strategy), budgets, gpus, place, told)
        )

    def _compare(
        self,
        draft: RunDraft,
        budgets: Sequence[object],
        gpus: Sequence[object],
        place: Where,
        told: ToldTokens | None,
    ) -> Iterator[Compared]:
        market, now = self._places[place].markets.market(), self._clock.now()
        caps = [self._places[place].specify.cap(each) for each in budgets]
        counts = [self._places[place].specify.gpus(each) for each in gpus]
        spec, _ = self._places[place].specify.execute(replace(draft, budget=budgets[0], gpus=None), told)
        request = plan_request(spec, (), caps[0], spec.max_seconds)
        for cap in caps:
            for count in counts:
                asked = replace(spec, gpus=count)
                try:
                    found = search(replace(request, available=cap, gpus=count), market, now)
                except UnaffordableError as error:
                    why = "; ".join((str(error), *error.refusals[:1]))
                    yield Compared(spec.strategy, cap, count, None, why, error.cheapest_micros)
                else:
                    yield Compared(spec.strategy, cap, count, self._quote(asked, cap, found, place, told))

    def _obstacles(self, plan: Plan, told: ToldTokens | None) -> tuple[str, ...]:
        found = []
        if plan.offer.provider not in self._launchable:
            found.append(f"this service does not rent machines of {plan.offer.provider}: it was not told to")
        if any(stage.layout is not None and stage.layout.sharding is not Sharding.NONE for stage in plan.stages):
            found.append("weights split over several devices have not been tried with this trainer yet")
        if told is not None:
            found.append("the dataset is a number of tokens: name one to run on")
        return tuple(found)


def parse_where(value: object) -> Where:
    """Raises `InvalidInputError` naming `where`."""
    if value is None:
        return Where.HERE
    try:
        return Where(str(value))
    except ValueError:
        known = ", ".join(each.value for each in Where)
        raise InvalidInputError([FieldProblem("where", f"must be one of {known}")]) from None
