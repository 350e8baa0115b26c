"""The planner: which machine, for how long, how many steps, for how much. Pure; prices and speeds come in.

It looks at every way to rent, drops what does not fit the memory, the cap or the user's limits, and takes the plan
that trains on most of the tokens that the strategy can use; of equals the quickest, then the cheapest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from orchestrator.domain import cut
from orchestrator.domain.budget import MAX_WINDOW_SECONDS, Allowances, open_window
from orchestrator.domain.choices import Choice, by_devices, pareto_front
from orchestrator.domain.cost.gpus import GPUS
from orchestrator.domain.cost.model import CostModel
from orchestrator.domain.cost.setup import Sharding
from orchestrator.domain.errors import UnaffordableError
from orchestrator.domain.money import Money
from orchestrator.domain.offer_book import MOST_DEVICES, OfferBook
from orchestrator.domain.offers import LOCAL_PROVIDER, Offer
from orchestrator.domain.overheads import Sizes
from orchestrator.domain.plan import Plan, StagePlan
from orchestrator.domain.planning import Planning
from orchestrator.domain.providers import ProviderFacts
from orchestrator.domain.refusals import Refusal, Tally, Why, cheapest_cap, worth_telling
from orchestrator.domain.run import ANY_MACHINE, MachineWishes, Prefer
from orchestrator.domain.ways import Cell, Way, Ways
from orchestrator.domain.work import StageRequest, Subject, Workloads

AS_QUICK = 1.05
"""Seconds of two plans that are closer than this cannot be told apart before they are measured."""
KEPT_REQUESTS = 16
"""Requests whose work is remembered for the next question about them: another cap, another limit."""


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """What can be rented now, what is true of each provider, and what the cost model says of speed and memory;
    `shardings` are what a training's memory may be split by over the devices there. What was reckoned on a market is
    kept as long as it is asked of the very same one."""

    book: OfferBook
    providers: Mapping[str, ProviderFacts]
    allowances: Mapping[str, Allowances]
    model: CostModel
    shardings: tuple[Sharding, ...] = (Sharding.NONE,)

    @property
    def offers(self) -> tuple[Offer, ...]:
        return self.book.offers


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Everything that a plan depends on, beside the market. `gpus` and `machine` narrow the search."""

    stages: tuple[StageRequest, ...]
    subject: Subject
    sizes: Sizes
    available: Money
    max_seconds: int | None
    gpus: int | None
    heldout_rows: int = 64
    machine: MachineWishes = ANY_MACHINE


@dataclass(frozen=True, slots=True)
class Search:
    """The best plan, what else there was to choose from, and why the rest was not: `front` are the plans that no other
    beats in both dollars and hours, `by_devices` the best of each count of devices."""

    plan: Plan
    front: tuple[Choice, ...]
    by_devices: tuple[Choice, ...]
    refusals: tuple[Refusal, ...]
    considered: int = 0


def make_plan(request: PlanRequest, market: Market, now: datetime) -> Plan:
    """The best plan. Raises `UnaffordableError` with the reasons and what the cheapest sufficient cap would be."""
    return search(request, market, now).plan


def search(request: PlanRequest, market: Market, now: datetime) -> Search:
    """The best plan and its alternatives. Raises `UnaffordableError` as `make_plan` does."""
    searching = _Searching(request, market, ways_of(request, market), now)
    choices, refusals = searching.run()
    if not choices:
        raise UnaffordableError(
            "no machine on offer can train within this budget and its limits",
            cheapest_cap(refusals),
            [each.told for each in worth_telling(refusals)],
        )
    prefer = request.machine.prefer
    best = best_of(choices, prefer)
    return Search(
        searching.plan(best),
        pareto_front(choices, best),
        by_devices(choices, lambda among: best_of(among, prefer)),
        worth_telling(refusals),
        len(market.offers),
    )


def share_anew(request: PlanRequest, market: Market, offer: Offer, usable: int) -> tuple[StagePlan, ...]:
    """The parts of the stages when a lease that is under way has `usable` seconds left to its soft deadline."""
    ways = ways_of(request, market)
    terms = ways.terms(offer.provider)
    work = ways.workloads.on(offer.accelerator, offer.accelerator_count)
    planning = Planning(request.stages, work, offer, terms.overheads, terms.allowances, request.heldout_rows)
    return planning.share_out(usable)


def ways_of(request: PlanRequest, market: Market) -> Ways:
    """The ways to rent for a request, the same ones for every sum of money and every limit."""
    return _ways(market, _Stages(request.stages), request.subject, request.sizes, request.heldout_rows)


class _Stages:
    """Stages that are equal when all of them are: their recipes are mappings, which cannot be hashed."""

    __slots__ = ("_hash", "key", "stages")

    def __init__(self, stages: tuple[StageRequest, ...]) -> None:
        self.stages = stages
        self.key = tuple(each.key for each in stages)
        self._hash = hash(self.key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Stages) and self.key == other.key


@lru_cache(maxsize=KEPT_REQUESTS)
def _ways(market: Market, stages: _Stages, subject: Subject, sizes: Sizes, heldout_rows: int) -> Ways:
    workloads = Workloads(stages.stages, subject, market.model, market.shardings)
    known = {name: (facts, market.allowances[name]) for name, facts in market.providers.items()}
    return Ways(stages.stages, workloads, market.book, known, sizes, heldout_rows)


def forget() -> None:
    """Drop what is remembered of requests and predictions, as a new process would have it."""
    _ways.cache_clear()
    cut.forget()


def best_of(choices: Sequence[Choice], prefer: Prefer) -> Choice:
    """The plan that trains most; of those, by what the user prefers.

    Seconds that differ by less than anyone can foretell are the same: then the dollars decide.
    """
    most = max(each.done for each in choices)
    able = [each for each in choices if each.done == most]
    if prefer is Prefer.DOLLARS:
        return min(able, key=lambda each: (each.cost, each.seconds, each.offer.id))
    quickest = min(each.seconds for each in able)
    as_quick = (each for each in able if each.seconds <= quickest * AS_QUICK)
    return min(as_quick, key=lambda each: (each.cost, each.seconds, each.offer.id))


class _Searching:
    """One request on one market."""

    def __init__(self, request: PlanRequest, market: Market, ways: Ways, now: datetime) -> None:
        self._request = request
        self._market = market
        self._ways = ways
        self._now = now
        self._plannings: dict[str, Planning] = {}

    def run(self) -> tuple[list[Choice], list[Refusal]]:
        choices: list[Choice] = []
        refusals: list[Refusal] = []
        for accelerator, devices in self._market.book.cells:
            unwanted = self._unwanted(accelerator, devices)
            if unwanted is not None:
                refusals.append(self._whole_cell(*unwanted, accelerator, devices))
                continue
            cell = self._ways.cell(accelerator, devices)
            if cell.work.misfit:
                refusals.append(self._whole_cell(Why.MEMORY, cell.work.misfit, accelerator, devices))
                continue
            tally = Tally(self._request.available, self._request.max_seconds)
            choices += [found for way in cell.ways if (found := self._try(cell, way, tally)) is not None]
            refusals += tally.refusals()
        roomy = self._roomy(bool(choices)) if any(each.kind is Why.MEMORY for each in refusals) else []
        return choices, [each.with_room(roomy) for each in refusals]

    def _whole_cell(self, why: Why, reason: str, accelerator: str, devices: int) -> Refusal:
        groups = self._market.book.cells[accelerator, devices]
        number = sum(len(offers) for _, offers in groups)
        return Refusal(why, accelerator, devices, number, groups[0][1][0].id, reason)

    def plan(self, choice: Choice) -> Plan:
        """The plan in full."""
        return self._plannings[choice.offer.id].plan(choice.window, choice.usable)

    def _roomy(self, wanted_only: bool) -> list[tuple[str, int]]:
        """Accelerators and counts on offer that have the memory; beside those that are wanted if none of them has."""
        return [
            (accelerator, devices)
            for accelerator, devices in self._market.book.cells
            if accelerator in GPUS and devices <= MOST_DEVICES
            and not (wanted_only and self._unwanted(accelerator, devices))
            and not self._ways.cell(accelerator, devices).work.misfit
        ]  # fmt: skip

    def _unwanted(self, accelerator: str, devices: int) -> tuple[Why, str] | None:
        """What the user's own limits rule out, as kind and reason."""
        request, wished = self._request, self._request.machine.accelerators
        if request.gpus is not None and devices != request.gpus:
            return Why.GPUS, f"has {devices} accelerators, {request.gpus} were asked for"
        if devices > MOST_DEVICES:
            return Why.GPUS, f"has {devices} accelerators, {MOST_DEVICES} are the most that is used"
        if wished and accelerator not in wished:
            return Why.ACCELERATOR, f"{', '.join(wished)} was asked for"
        return None

    def _try(self, cell: Cell, way: Way, tally: Tally) -> Choice | None:
        limit, spot = self._request.max_seconds, self._request.machine.spot
        if spot is not None and way.kind.spot is not spot:
            tally.add(Why.SPOT, way)
        elif not way.offer.firm:
            tally.add(Why.PRICE, way)
        # This machine is what there is, known or not; a stranger's speed would be a guess with somebody's money.
        elif way.kind.provider != LOCAL_PROVIDER and way.kind.accelerator not in GPUS:
            tally.add(Why.ACCELERATOR, way)
        elif way.least > MAX_WINDOW_SECONDS:
            tally.add(Why.TIME, way)
        elif limit is not None and limit < way.least:
            tally.add(Why.MAX_HOURS, way)
        elif self._request.available.micros < way.least_micros:
            tally.add(Why.BUDGET, way)
        elif not way.outdone:
            return self._choice(cell.planning(way))
        return None

    def _choice(self, planning: Planning) -> Choice | None:
        offer, request = planning.offer, self._request
        window = open_window(request.available, offer, request.max_seconds, planning.allowances, self._now)
        usable = None if window is None else planning.usable(window)
        if window is None or usable is None:
            return None
        self._plannings[offer.id] = planning
        done, tokens, seconds = planning.outlook(usable)
        seconds = min(seconds, window.seconds)
        cost = min(offer.cost(seconds).micros, window.reserve.micros)
        return Choice(offer, window, usable, done, tokens, seconds, cost)
