"""What there was to choose from: the plans worth a look, and why the other ways to rent were not among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.domain.budget import Window
from orchestrator.domain.money import Money
from orchestrator.domain.offers import Offer

AS_GOOD = 0.99
"""A plan that trains on less of the tokens than this part of the best one's is no alternative to it."""
MOST_IN_FRONT = 12
MOST_REFUSALS = 24


@dataclass(frozen=True, slots=True)
class Choice:
    """A plan in short: `done` is the part of the strategy's tokens that it trains on; `seconds` and `cost`
    (micro-dollars) are p50."""

    offer: Offer
    window: Window
    usable: int
    done: float
    tokens: int
    seconds: int
    cost: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Why one kind of offer is no plan. `cheapest` (micro-dollars) or `seconds` would be enough, where that is the
    question; `count` offers are alike."""

    offer: Offer
    kind: str
    reason: str
    cheapest: int | None = None
    seconds: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusals of one kind and accelerator in one: the reason of the nearest, and what would make it pass."""

    kind: str
    accelerator: str
    devices: int
    offers: int
    offer_id: str
    reason: str
    nearest: str

    @property
    def told(self) -> str:
        """In one sentence."""
        return f"{self.offer_id}: {self.reason}" + (f" ({self.nearest})" if self.nearest else "")


def pareto_front(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """Of those that train about as much as the best, the ones that none beats in both dollars and hours; the quickest
    first. Equals are told once."""
    best = max(each.done for each in choices)
    able = sorted((each for each in choices if each.done >= best * AS_GOOD), key=lambda each: (each.seconds, each.cost))
    front: list[Choice] = []
    for each in able:
        if not front or each.cost < front[-1].cost:
            front.append(each)
    return tuple(front[:MOST_IN_FRONT])


def by_devices(choices: Sequence[Choice], best_of: Callable[[Sequence[Choice]], Choice]) -> tuple[Choice, ...]:
    """The best of each count of devices, the fewest first."""
    counts = sorted({each.offer.accelerator_count for each in choices})
    return tuple(best_of([each for each in choices if each.offer.accelerator_count == count]) for count in counts)


def cheapest_cap(refused: Sequence[Refused]) -> int | None:
    """The smallest cap in micro-dollars that would buy a training, None when no sum would."""
    return min((each.cheapest for each in refused if each.cheapest is not None), default=None)


def summed_up(refused: Sequence[Refused]) -> tuple[Refusal, ...]:
    """One refusal for each kind, accelerator and count of devices."""
    groups: dict[tuple[str, str, int], list[Refused]] = {}
    for each in refused:
        groups.setdefault((each.kind, each.offer.accelerator, each.offer.accelerator_count), []).append(each)
    return tuple(_summed_up(group) for group in groups.values())[:MOST_REFUSALS]


def _summed_up(group: Sequence[Refused]) -> Refusal:
    nearest = min(group, key=lambda each: (each.cheapest or 0, each.seconds or 0))
    told = ""
    if nearest.cheapest is not None:
        told = f"a budget of {Money(nearest.cheapest).dollars()} dollars would do"
    elif nearest.seconds is not None:
        told = f"max_hours of {nearest.seconds / 3600:.2f} would do"
    offer = nearest.offer
    return Refusal(
        nearest.kind,
        offer.accelerator,
        offer.accelerator_count,
        sum(each.count for each in group),
        offer.id,
        nearest.reason,
        told,
    )
