"""What there was to choose from: the plans worth a look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.domain.budget import Window
from orchestrator.domain.offers import Offer

AS_GOOD = 0.99
"""A plan that trains on less of the tokens than this part of the best one's is no alternative to it."""
MOST_IN_FRONT = 12


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


def pareto_front(choices: Sequence[Choice], best: Choice) -> tuple[Choice, ...]:
    """Of those that train about as much as the best, the ones that no other beats in tokens, dollars and hours; the
    quickest first. Equals are told once. Of too many the ends and the `best` stay, the rest is thinned evenly."""
    able = sorted(
        (each for each in choices if each.done >= best.done * AS_GOOD),
        key=lambda each: (each.seconds, each.cost, -each.done, each is not best),
    )
    front: list[Choice] = []
    for each in able:
        if not any(other.cost <= each.cost and other.done >= each.done for other in front):
            front.append(each)
    if len(front) <= MOST_IN_FRONT:
        return tuple(front)
    last = len(front) - 1
    kept = {round(place * last / (MOST_IN_FRONT - 2)) for place in range(MOST_IN_FRONT - 1)} | {front.index(best)}
    return tuple(front[place] for place in sorted(kept))


def by_devices(choices: Sequence[Choice], best_of: Callable[[Sequence[Choice]], Choice]) -> tuple[Choice, ...]:
    """The best of each count of devices, the fewest first."""
    counts = sorted({each.offer.accelerator_count for each in choices})
    return tuple(best_of([each for each in choices if each.offer.accelerator_count == count]) for count in counts)
