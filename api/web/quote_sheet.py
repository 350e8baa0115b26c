"""A quote as a page shows it: what the plan's parts cost, the alternatives side by side, the trainings by their terms.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.domain.choices import Choice
from orchestrator.domain.money import Money
from orchestrator.domain.plan import Plan, StagePlan
from orchestrator.domain.planner import Search


@dataclass(frozen=True, slots=True)
class Amount:
    """Seconds, and what they cost in micro-dollars."""

    seconds: int
    micros: int


@dataclass(frozen=True, slots=True)
class Priced:
    """A stretch of the lease at the machine's price; `p90` is None where none is told."""

    title: str
    detail: str
    p50: Amount
    p90: Amount | None
    worst: Amount


@dataclass(frozen=True, slots=True)
class Step:
    """A layout with its terms, and the trainings that are alike in both."""

    titles: tuple[str, ...]
    stage: StagePlan


@dataclass(frozen=True, slots=True)
class Counted:
    """The best plan of a count of accelerators, against the next smaller count; None for the first."""

    choice: Choice
    extra: Money | None = None
    saved_seconds: int | None = None
    extra_tokens: int = 0


def priced(plan: Plan) -> tuple[Priced, ...]:
    """The stages, and what is around them: p50 and worst add up to the lease's seconds. Money is the rate times the
    seconds; only the bill of the whole is rounded up to what the provider bills in."""
    stages = [
        Priced(
            each.title,
            _detail(each),
            _amount(plan, each.expected),
            _amount(plan, max(each.slow, each.expected)),
            _amount(plan, each.seconds),
        )
        for each in plan.stages
    ]
    middle = plan.seconds.p50 - sum(each.expected for each in plan.stages)
    worst = plan.seconds.worst - sum(each.seconds for each in plan.stages)
    # Not everything is slow at once: a p90 of the rest that makes the sum right does not exist.
    around = Priced("around them", "machine, transfers, the end", _amount(plan, middle), None, _amount(plan, worst))
    return (*stages, around)


def trainings(plan: Plan) -> tuple[Step, ...]:
    """Every training that has terms to show; those that are alike are shown once."""
    alike: dict[object, list[StagePlan]] = {}
    for stage in plan.stages:
        if stage.step_terms or stage.memory_terms:
            alike.setdefault((stage.layout, stage.step_terms, stage.memory_terms), []).append(stage)
    return tuple(Step(tuple(each.title for each in stages), stages[0]) for stages in alike.values())


def counted(found: Search) -> tuple[Counted, ...]:
    choices: Sequence[Choice] = found.by_devices
    before: tuple[Choice | None, ...] = (None, *choices[:-1])
    return tuple(
        Counted(each)
        if last is None
        else Counted(each, Money(each.cost - last.cost), last.seconds - each.seconds, each.tokens - last.tokens)
        for last, each in zip(before, choices, strict=True)
    )


def _detail(stage: StagePlan) -> str:
    if not stage.intended_steps:
        return stage.kind.value
    return f"{stage.planned_steps} of {stage.intended_steps} steps, {stage.sure_steps} surely"


def _amount(plan: Plan, seconds: int) -> Amount:
    # Rounded differently, the parts may leave a second less than nothing for the rest.
    whole = max(seconds, 0)
    return Amount(whole, plan.offer.rate.cost_ceil(whole).micros)
