"""Why ways to rent are no plan, told once for each accelerator and count of devices, with what would make one pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.domain.cost.gpus import GPUS
from orchestrator.domain.money import SECONDS_PER_HOUR, Money
from orchestrator.domain.ways import Way

MOST_REFUSALS = 24
_HOUR_PARTS = 10_000


class Why(StrEnum):
    """What stands against a plan, what is nearest to passing first."""

    BUDGET = "budget"
    MAX_HOURS = "max_hours"
    MEMORY = "memory"
    SPOT = "spot"
    PRICE = "price"
    GPUS = "gpus"
    ACCELERATOR = "accelerator"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusals of one kind, accelerator and count in one: how many `offers` they are, the reason of the nearest
    of them, and what would make it pass. `cheapest` is the cap (micro-dollars) that would, where only money is short.
    """

    kind: Why
    accelerator: str
    devices: int
    offers: int
    offer_id: str
    reason: str
    nearest: str = ""
    cheapest: int | None = None

    @property
    def told(self) -> str:
        """In one sentence."""
        return f"{self.offer_id}: {self.reason}" + (f" ({self.nearest})" if self.nearest else "")

    def with_room(self, roomy: Sequence[tuple[str, int]]) -> Refusal:
        """One for want of memory with what would have it, of these accelerators and counts: more of the same if there
        are, else the fewest others."""
        if self.kind is not Why.MEMORY:
            return self
        if not roomy:
            return replace(self, nearest="nothing on offer has the memory")
        accelerator, devices = min(
            roomy, key=lambda each: (each[0] != self.accelerator, each[1], GPUS[each[0]].memory, each[0])
        )
        return replace(self, nearest=f"{devices} x {accelerator} would do")


class Tally:
    """Counts the ways of one cell that are no plan for `available` money and `limit` seconds."""

    def __init__(self, available: Money, limit: int | None) -> None:
        self._available = available
        self._limit = limit
        self._counts: dict[Why, int] = {}
        self._nearest: dict[Why, Way] = {}

    def add(self, why: Why, way: Way) -> None:
        """One more, for that reason."""
        self._counts[why] = self._counts.get(why, 0) + way.offers
        nearest = self._nearest.get(why)
        if nearest is None or self._distance(why, way) < self._distance(why, nearest):
            self._nearest[why] = way

    def refusals(self) -> list[Refusal]:
        """One for each reason that was met."""
        return [self._refusal(why, way, self._counts[why]) for why, way in self._nearest.items()]

    def _distance(self, why: Why, way: Way) -> tuple[int, ...]:
        if why is Why.BUDGET:
            return (way.least_micros,)
        if why is Why.MAX_HOURS:
            return max(way.least_micros - self._available.micros, 0), way.least
        return ()

    def _refusal(self, why: Why, way: Way, count: int) -> Refusal:
        cheapest = way.least_micros if why is Why.BUDGET else None
        reason, nearest = self._reason(why, way), self._passing(why, way)
        return Refusal(why, way.kind.accelerator, way.kind.devices, count, way.offer.id, reason, nearest, cheapest)

    def _reason(self, why: Why, way: Way) -> str:
        least = f"{way.least} s is the least that trains"
        return {
            Why.BUDGET: f"{least}, which costs {Money(way.least_micros).dollars()} dollars",
            Why.MAX_HOURS: f"max_hours leaves {self._limit} s, {way.least} s is the least",
            Why.SPOT: "is spot" if way.kind.spot else "is on demand",
            Why.PRICE: "is an auction's floor, not a price that it can be had for",
            Why.ACCELERATOR: f"nothing is known of the speed of {way.kind.accelerator}",
            Why.TIME: f"{least}, and nothing is rented for so long",
        }[why]

    def _passing(self, why: Why, way: Way) -> str:
        money = f"a budget of {Money(way.least_micros).dollars()} dollars"
        if why is Why.BUDGET:
            return f"{money} would do"
        if why is not Why.MAX_HOURS:
            return ""
        # Rounded up: what is said to do has to.
        hours = f"max_hours of {-(-way.least * _HOUR_PARTS // SECONDS_PER_HOUR) / _HOUR_PARTS:g}"
        return f"{hours} with {money} would do" if way.least_micros > self._available.micros else f"{hours} would do"


def cheapest_cap(refusals: Iterable[Refusal]) -> int | None:
    """The smallest cap in micro-dollars that would buy a training, None when no sum would."""
    return min((each.cheapest for each in refusals if each.cheapest is not None), default=None)


def worth_telling(refusals: Sequence[Refusal]) -> tuple[Refusal, ...]:
    """The first `MOST_REFUSALS`, what is nearest to passing first."""
    order = list(Why)
    return tuple(sorted(refusals, key=lambda each: (order.index(each.kind), each.cheapest or 0))[:MOST_REFUSALS])
