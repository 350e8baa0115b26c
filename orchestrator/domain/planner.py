"""The planner: which machine, for how long, how many steps, for how much. Pure; prices and speeds come in.

It looks at every way to rent, drops what does not fit the memory, the cap or the user's limits, and takes the plan
that trains on most of the tokens that the strategy can use; of equals the quickest, then the cheapest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from orchestrator.domain.budget import Allowances, Window, open_window
from orchestrator.domain.choices import Choice, Refusal, Refused, by_devices, cheapest_cap, pareto_front, summed_up
from orchestrator.domain.cost.gpus import GPUS
from orchestrator.domain.cost.model import CostModel
from orchestrator.domain.cost.setup import Sharding
from orchestrator.domain.errors import UnaffordableError
from orchestrator.domain.money import Money, Rate
from orchestrator.domain.offer_book import MOST_DEVICES, Kind, OfferBook
from orchestrator.domain.offers import LOCAL_PROVIDER, Offer
from orchestrator.domain.overheads import Overheads, Sizes, overheads_of
from orchestrator.domain.plan import Plan, StagePlan
from orchestrator.domain.planning import Planning
from orchestrator.domain.providers import ProviderFacts
from orchestrator.domain.run import ANY_MACHINE, MachineWishes, Prefer
from orchestrator.domain.work import StageRequest, Subject, Workloads

AS_QUICK = 1.05
"""Seconds of two plans that are closer than this cannot be told apart before they are measured."""
GIB = 1 << 30
SYSTEM_DISK_GIB = 100
"""The trainer's image and its caches, beside the model, its checkpoints and its result."""


@dataclass(frozen=True, slots=True)
class Market:
    """What can be rented now, what is true of each provider, and what the cost model says of speed and memory;
    `shardings` are what a training's memory may be split by over the devices there."""

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


def search(request: PlanRequest, market: Market, now: datetime, workloads: Workloads | None = None) -> Search:
    """The best plan and its alternatives; `workloads` are the request's own, if it was asked before for other money.
    Raises `UnaffordableError` as `make_plan` does."""
    known = workloads or workloads_of(request, market)
    choices, refused = _Searching(request, market, known, now).run()
    refusals = summed_up(refused)
    if not choices:
        raise UnaffordableError(
            "no machine on offer can train within this budget and its limits",
            cheapest_cap(refused),
            [each.told for each in refusals],
        )
    prefer = request.machine.prefer
    best = best_of(choices, prefer)
    planning = _planning(request, market, known, best.offer)
    plan = planning.plan(best.window, best.usable)
    return Search(
        plan,
        pareto_front(choices),
        by_devices(choices, lambda among: best_of(among, prefer)),
        refusals,
        len(market.offers),
    )


def share_anew(request: PlanRequest, market: Market, offer: Offer, usable: int) -> tuple[StagePlan, ...]:
    """The parts of the stages when a lease that is under way has `usable` seconds left to its soft deadline."""
    return _planning(request, market, workloads_of(request, market), offer).share_out(usable)


def workloads_of(request: PlanRequest, market: Market) -> Workloads:
    """The work of the request's stages, to be reckoned when it is asked for."""
    return Workloads(request.stages, request.subject, market.model, market.shardings)


def allowances_of(base: Allowances, overheads: Overheads) -> Allowances:
    """The upper bounds of an end for a model whose checkpoints take longer to write than a small one's."""
    return replace(base, checkpoint=base.checkpoint + overheads.saving)


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


def _planning(request: PlanRequest, market: Market, workloads: Workloads, offer: Offer) -> Planning:
    overheads = overheads_of(market.providers[offer.provider], request.sizes)
    return Planning(
        request.stages,
        workloads.on(offer.accelerator, offer.accelerator_count),
        offer,
        overheads,
        allowances_of(market.allowances[offer.provider], overheads),
        request.heldout_rows,
    )


class _Searching:
    """One request on one market."""

    def __init__(self, request: PlanRequest, market: Market, workloads: Workloads, now: datetime) -> None:
        self._request = request
        self._market = market
        self._workloads = workloads
        self._now = now
        self._overheads: dict[str, Overheads] = {}

    def run(self) -> tuple[list[Choice], list[Refused]]:
        choices: list[Choice] = []
        refused: list[Refused] = []
        for kind, offers in self._market.book.groups.items():
            found = self._unwanted(kind, offers[0]) or self._try(kind, offers[0])
            if isinstance(found, Choice):
                choices.append(found)
            else:
                refused.append(replace(found, count=len(offers)))
        return choices, refused

    def _unwanted(self, kind: Kind, offer: Offer) -> Refused | None:
        """What the user's own limits, or ignorance, rule out."""
        request = self._request
        if request.gpus is not None and kind.devices != request.gpus:
            return Refused(offer, "gpus", f"has {kind.devices} accelerators, {request.gpus} were asked for")
        if kind.devices > MOST_DEVICES:
            return Refused(offer, "gpus", f"has {kind.devices} accelerators, {MOST_DEVICES} are the most that is used")
        wishes = request.machine
        if wishes.accelerators and kind.accelerator not in wishes.accelerators:
            return Refused(offer, "accelerator", f"{', '.join(wishes.accelerators)} was asked for")
        if wishes.spot is not None and kind.spot is not wishes.spot:
            return Refused(offer, "spot", "is spot" if kind.spot else "is on demand")
        if not offer.firm:
            return Refused(offer, "price", "is an auction's floor, not a price that it can be had for")
        # This machine is what there is, known or not; a stranger's speed would be a guess with somebody's money.
        if kind.provider != LOCAL_PROVIDER and kind.accelerator not in GPUS:
            return Refused(offer, "accelerator", f"nothing is known of the speed of {kind.accelerator}")
        return None

    def _try(self, kind: Kind, offer: Offer) -> Choice | Refused:
        work = self._workloads.on(kind.accelerator, kind.devices)
        if work.misfit:
            return Refused(offer, "memory", work.misfit)
        overheads = self._overheads_of(kind.provider)
        priced = self._with_storage(offer)
        allowances = allowances_of(self._market.allowances[kind.provider], overheads)
        planning = Planning(self._request.stages, work, priced, overheads, allowances, self._request.heldout_rows)
        window = open_window(self._request.available, priced, self._request.max_seconds, allowances, self._now)
        usable = None if window is None else planning.usable(window)
        if window is None or usable is None:
            return self._too_short(planning, priced)
        return self._choice(planning, priced, window, usable)

    def _choice(self, planning: Planning, offer: Offer, window: Window, usable: int) -> Choice:
        done, tokens, seconds = planning.outlook(usable)
        seconds = min(seconds, window.seconds)
        return Choice(
            offer, window, usable, done, tokens, seconds, min(offer.cost(seconds).micros, window.reserve.micros)
        )

    def _too_short(self, planning: Planning, offer: Offer) -> Refused:
        least = planning.least_seconds()
        limit = self._request.max_seconds
        if limit is not None and limit < least:
            return Refused(offer, "max_hours", f"max_hours leaves {limit} s, {least} s is the least", seconds=least)
        cost = offer.cost(least)
        return Refused(
            offer, "budget", f"{least} s is the least that trains, which costs {cost.dollars()} dollars", cost.micros
        )

    def _overheads_of(self, provider: str) -> Overheads:
        if provider not in self._overheads:
            self._overheads[provider] = overheads_of(self._market.providers[provider], self._request.sizes)
        return self._overheads[provider]

    def _with_storage(self, offer: Offer) -> Offer:
        """The machine with its disk: what is billed by the hour is one rate, whoever reckons with it."""
        facts = self._market.providers[offer.provider]
        storage = facts.storage_micros_per_gib_hour * disk_gib(self._request.sizes)
        if not storage:
            return offer
        return replace(offer, rate=Rate(offer.rate.micros_per_hour + storage), storage_micros_per_hour=storage)


@lru_cache(maxsize=256)
def disk_gib(sizes: Sizes) -> int:
    """GiB that a run needs on its machine's disk: the system, the model, two checkpoints and the one being written, the
    result."""
    return SYSTEM_DISK_GIB + -(-(sizes.model + 3 * sizes.checkpoint + sizes.result) // GIB)
