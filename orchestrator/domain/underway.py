"""A plan while its lease lives: what a measured speed, and a longer window, make of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator.domain.budget import Window, elapsed_seconds
from orchestrator.domain.cut import SURE
from orchestrator.domain.plan import Plan, StagePlan
from orchestrator.domain.shares import EVALUATE_SPREAD
from orchestrator.domain.speed import MEASURED_P90, StepTime
from orchestrator.domain.stages import Stage, StageKind


def as_measured(plan: Plan, index: int, stage: Stage, seconds_per_step: float, now: datetime) -> Plan:
    """The plan with the measured speed of its training `index`, which is under way as `stage`, in the place of what was
    foretold; the later trainings are taken to be as much slower or quicker."""
    before = plan.stages[index]
    part = _measured(before, stage, seconds_per_step, now)
    later = tuple(_rescaled(each, before, seconds_per_step) for each in plan.stages[index + 1 :])
    slow = sum(min(each.expected * EVALUATE_SPREAD, each.seconds) for each in later)
    expected = part.expected + sum(each.expected for each in later)
    stages = (*plan.stages[:index], part, *later)
    return _retold(plan, plan.window, stages, expected, part.expected * MEASURED_P90 + slow, now)


def as_lengthened(plan: Plan, window: Window, stages: Sequence[StagePlan], now: datetime) -> Plan:
    """The plan with a longer `window`, shared out anew among `stages`."""
    expected = sum(each.expected for each in stages)
    return _retold(plan, window, tuple(stages), expected, sum(max(each.slow, each.expected) for each in stages), now)


def _retold(
    plan: Plan, window: Window, stages: tuple[StagePlan, ...], expected: float, slow: float, now: datetime
) -> Plan:
    """The plan whose open stages take `expected` seconds from now on, and `slow` ones at p90."""
    used, reserve = elapsed_seconds(window.opens_at, now), window.reserve.micros
    middle = min(used + math.ceil(expected), window.seconds)
    late = max(min(used + math.ceil(slow), window.seconds), middle)
    costs = [min(plan.offer.cost(each).micros, reserve) for each in (middle, late)]
    return replace(
        plan,
        window=window,
        stages=stages,
        seconds=replace(plan.seconds, p50=middle, p90=late, worst=window.seconds),
        cost=replace(plan.cost, p50=costs[0], p90=costs[1], worst=reserve),
        limit=window.limit if any(each.planned_steps < each.intended_steps for each in stages) else None,
    )


def _measured(part: StagePlan, stage: Stage, seconds: float, now: datetime) -> StagePlan:
    left, step = max(stage.max_steps - stage.step, 0), StepTime.measured(seconds)
    expected = math.ceil(left * seconds)
    room = expected if stage.soft_deadline is None else max((stage.soft_deadline - now).total_seconds(), 0.0)
    return replace(
        part,
        expected=expected,
        slow=max(math.ceil(min(left * step.quantile(0.9), room)), expected),
        planned_steps=stage.max_steps,
        intended_steps=max(stage.intended_steps, stage.max_steps),
        sure_steps=stage.step + min(int(room / step.quantile(SURE)), left),
        seconds_per_step=seconds,
        speed_source=step.source,
        step_terms=step.terms,
        tokens=_tokens(part, stage.max_steps),
    )


def _rescaled(part: StagePlan, like: StagePlan, measured: float) -> StagePlan:
    """A later training at the speed that an earlier one of the run has shown."""
    if part.kind is not StageKind.TRAIN or not part.seconds or like.seconds_per_step <= 0:
        return part
    before = StepTime(part.seconds_per_step, 0.0, part.speed_source, part.step_terms)
    step = before.scaled(measured / like.seconds_per_step, like.title)
    start = max(part.expected - math.ceil(part.planned_steps * part.seconds_per_step), 0)
    room = max(part.seconds - start, 0)
    steps = min(part.intended_steps, int(room / step.seconds))
    expected = start + math.ceil(steps * step.seconds)
    return replace(
        part,
        planned_steps=steps,
        seconds_per_step=step.seconds,
        expected=expected,
        slow=max(math.ceil(min(start * 1.5 + steps * step.quantile(0.9), part.seconds)), expected),
        sure_steps=min(int(room / step.quantile(SURE)), steps),
        speed_source=step.source,
        step_terms=step.terms,
        tokens=_tokens(part, steps),
    )


def _tokens(part: StagePlan, steps: int) -> int:
    return round(part.tokens * steps / part.planned_steps) if part.planned_steps else part.tokens
