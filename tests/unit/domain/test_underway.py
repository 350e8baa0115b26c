"""A plan while its lease lives: all of its figures follow what was measured, and what was added to the cap."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.budget import open_window
from orchestrator.domain.funding import plan_request, plan_stages
from orchestrator.domain.money import Money
from orchestrator.domain.plan import Plan
from orchestrator.domain.planner import make_plan, share_anew
from orchestrator.domain.stages import Stage, StageKind, StageStatus
from orchestrator.domain.underway import as_lengthened, as_measured
from tests.unit.domain.making import ALLOWANCES, NOW, market, offer, run, spec, stages

LATER = NOW + timedelta(seconds=60)


def planned(strategy: str = "relora", cap: int = 1_000_000) -> Plan:
    wish = spec(stages=stages(strategy))
    return make_plan(plan_request(wish, (), Money(cap), None), market(), NOW)


def sized(plan: Plan, steps: int) -> Stage:
    """The first training of a plan, under way, with so many steps that its node lets it make."""
    first = plan_stages(run(spec=spec(stages=stages("relora"))), plan)[0]
    soft = LATER + timedelta(seconds=first.planned_seconds)
    return replace(first, status=StageStatus.RUNNING, max_steps=steps, step=6, soft_deadline=soft)


def test_every_figure_of_a_training_follows_its_measured_speed() -> None:
    plan = planned()
    before = plan.stages[0]
    pace = 2 * before.seconds_per_step
    part = as_measured(plan, 0, sized(plan, before.planned_steps // 2), pace, LATER).stages[0]
    assert part.seconds_per_step == pace
    assert "measured" in part.speed_source
    assert not part.step_terms
    assert part.tokens == pytest.approx(before.tokens / 2, rel=0.05)
    assert part.expected <= part.slow
    assert part.sure_steps <= part.planned_steps == before.planned_steps // 2


def test_later_trainings_are_as_much_slower_in_every_figure() -> None:
    plan = planned(cap=5_000_000)
    twice = as_measured(plan, 0, sized(plan, 100), 2 * plan.stages[0].seconds_per_step, LATER)
    later = [
        (old, new) for old, new in zip(plan.stages[1:], twice.stages[1:], strict=True) if old.kind is StageKind.TRAIN
    ]
    assert later
    for old, new in later:
        assert new.seconds_per_step == pytest.approx(2 * old.seconds_per_step)
        assert sum(term.value for term in new.step_terms) == pytest.approx(new.seconds_per_step)
        assert plan.stages[0].title in new.speed_source
        assert new.expected <= new.slow
        assert new.sure_steps <= new.planned_steps
        assert new.tokens * old.planned_steps == pytest.approx(old.tokens * new.planned_steps, rel=0.01)


def test_what_is_never_exceeded_grows_with_the_window_that_a_top_up_buys() -> None:
    wish = spec(stages=stages("relora"))
    plan = planned()
    window = open_window(Money(2_000_000), offer(), None, ALLOWANCES, NOW)
    assert window is not None
    under_way = run(spec=wish, plan=plan, stages=plan_stages(run(spec=wish), plan))
    request = plan_request(wish, under_way.stages, window.reserve, None, LATER, plan)
    parts = share_anew(request, market(), plan.offer, int((window.soft - LATER).total_seconds()))
    longer = as_lengthened(plan, window, parts, LATER)
    assert (longer.cost.worst, longer.seconds.worst) == (window.reserve.micros, window.seconds)
    assert longer.cost.p50 <= longer.cost.p90 <= longer.cost.worst
    assert longer.planned_steps >= plan.planned_steps
    assert (longer.limit is None) == (longer.planned_steps == longer.intended_steps)
