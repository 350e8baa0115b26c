"""What other caps would buy: a ladder of caps, each with a plan of its own, as the slider and its drawing show them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from api.web.charts import CHART_SIZE, Box
from api.web.wording import dollars, duration
from orchestrator.domain.money import MICROS_PER_DOLLAR, Money
from orchestrator.domain.plan import Plan
from orchestrator.services.quote import Compared

LOOK = tuple(Decimal(first).scaleb(power) for power in range(-2, 5) for first in (1, 2, 5))
"""Caps in dollars that show between which others it is worth looking closer."""
MOST_RUNGS = 40
MOST_A_DECADE = 24
CENT = MICROS_PER_DOLLAR // 100

Compare = Callable[[Sequence[object]], tuple[Compared, ...]]


@dataclass(frozen=True, slots=True)
class Rung:
    """One cap, and where it is on the drawing."""

    compared: Compared
    x: float

    @property
    def plan(self) -> Plan | None:
        return None if self.compared.quote is None else self.compared.quote.plan

    @property
    def done(self) -> float:
        """The part of the training that is expected to fit."""
        return 0.0 if self.plan is None else done(self.plan)

    @property
    def summary(self) -> str:
        """In one sentence, for who hears the slider."""
        cap, plan = dollars(self.compared.cap), self.plan
        if plan is None:
            return f"{cap}: buys no training"
        machine = f"{plan.offer.accelerator_count} {plan.offer.accelerator}"
        return f"{cap}: {self.done:.0%} of the training in {duration(plan.seconds.p50)} on {machine}"


@dataclass(frozen=True, slots=True)
class Caps:
    """Caps from the least that buys anything to where more money changes nothing. `tokens` and `hours` are the points
    of two lines, each scaled to its own top: all usable tokens, and `most_seconds`. `chosen` is where the slider is."""

    rungs: tuple[Rung, ...]
    chosen: int
    tokens: str
    hours: str
    most_seconds: int

    @property
    def buys(self) -> bool:
        return any(rung.plan is not None for rung in self.rungs)

    @classmethod
    def of(cls, compared: Sequence[Compared], typed: Money | None) -> Caps:
        """The rungs in the order of their caps; the one of the `typed` cap is chosen, else one in the middle."""
        step = CHART_SIZE[0] / max(len(compared) - 1, 1)
        rungs = tuple(Rung(each, round(index * step, 1)) for index, each in enumerate(compared))
        bought = [(index, rung.plan) for index, rung in enumerate(rungs) if rung.plan is not None]
        most = max((plan.seconds.p50 for _, plan in bought), default=0)
        middle = bought[len(bought) // 2][0] if bought else len(rungs) - 1
        return cls(
            rungs,
            next((index for index, rung in enumerate(rungs) if rung.compared.cap == typed), middle),
            _line([(index, done(plan)) for index, plan in bought], len(rungs), 1.0),
            _line([(index, plan.seconds.p50) for index, plan in bought], len(rungs), most),
            most,
        )


def done(plan: Plan) -> float:
    """The part of the usable tokens that is trained on; of the steps, where tokens are not counted."""
    if plan.intended_tokens:
        return plan.planned_tokens / plan.intended_tokens
    return plan.planned_steps / plan.intended_steps if plan.intended_steps else 0.0


def look_over(compare: Compare, typed: Money | None) -> Caps:
    """What `compare` says of the caps that are worth showing; the `typed` one is among them."""
    wide = compare([f"{cap:f}" for cap in LOOK])
    fine = {Money(int(cap * MICROS_PER_DOLLAR)) for cap in _between(wide) or LOOK[-1:]} | ({typed} if typed else set())
    return Caps.of(compare([cap.dollars() for cap in sorted(fine)]), typed)


def _between(wide: Sequence[Compared]) -> list[Decimal]:
    """Caps closer together, where the wide look saw the plan change."""
    bought = [index for index, each in enumerate(wide) if each.quote is not None]
    if not bought:
        return []
    first = max(bought[0] - 1, 0)
    last = next(index for index in bought if all(_alike(wide[index], later) for later in wide[index:]))
    low, high = LOOK[first], LOOK[min(last + 1, len(LOOK) - 1)]
    decades = math.log10(high / low)
    each = max(min(int(MOST_RUNGS / decades), MOST_A_DECADE), 1)
    steps = max(round(decades * each), 1)
    rungs = [_round(low * Decimal(10 ** (decades * step / steps))) for step in range(steps + 1)]
    least = wide[first].cheapest
    if least is None:
        return rungs
    # A cap is typed in cents; the least one that buys anything is a rung, and of those below it one is enough.
    enough = Decimal(-(-least // CENT)) / 100
    below = [rung for rung in rungs if rung < enough][-1:]
    return [*below, enough, *(rung for rung in rungs if rung > enough)]


def _alike(one: Compared, other: Compared) -> bool:
    if one.quote is None or other.quote is None:
        return False
    mine, theirs = one.quote.plan, other.quote.plan
    return (mine.offer.id, mine.seconds.p50, done(mine)) == (theirs.offer.id, theirs.seconds.p50, done(theirs))


def _round(cap: Decimal) -> Decimal:
    """To two digits, and to a cent at the least."""
    return max(round(cap, min(1 - cap.adjusted(), 2)), Decimal("0.01"))


def _line(points: Sequence[tuple[float, float]], count: int, top: float) -> str:
    frame = Box.around([(0, 0.0), (max(count - 1, 1), top)], floor=0.0)
    return frame.line(points)
