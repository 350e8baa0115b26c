"""Taking in what the current job reported: its lines, its measured speed, its exit."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

from orchestrator.domain.budget import elapsed_seconds
from orchestrator.domain.decision import Decision, Facts
from orchestrator.domain.funding import tell_plan
from orchestrator.domain.observations import JobState
from orchestrator.domain.plan import StagePlan
from orchestrator.domain.progress import absorb, conclude
from orchestrator.domain.shares import EVALUATE_SPREAD
from orchestrator.domain.speed import MEASURED_P90
from orchestrator.domain.stages import ExitCause, Stage, StageKind, StageStatus

LAST_WORDS_PATIENCE = timedelta(minutes=5)
"""How long a job that cannot be read is waited for after its machine has gone."""


def take_in(facts: Facts, decision: Decision) -> None:
    """The run after what its current job reported, and after the job's exit if it has exited."""
    stage = facts.run.current_stage
    if stage is None or facts.job is None or stage.status is not StageStatus.RUNNING:
        return
    decision.run, entries = absorb(facts.run, stage, facts.job)
    decision.entries.extend(entries)
    absorbed = decision.run.current_stage
    if absorbed is not None and absorbed.seconds_per_step != stage.seconds_per_step:
        _replan(facts, decision, absorbed)
    if facts.job.state is not JobState.EXITED or facts.job.exit is None:
        return
    # A job that vanished together with its machine did nothing wrong: that is the machine's loss, not an attempt.
    lost = facts.job.exit.cause is ExitCause.VANISHED and facts.machine is not None and facts.machine.is_over
    if not lost and absorbed is not None:
        decision.set_stage(conclude(absorbed, facts.job.exit, facts.now))


def _replan(facts: Facts, decision: Decision, stage: Stage) -> None:
    """Measured speed takes the prior's place in the plan; the node has sized its steps by the same measurement."""
    plan, measured = decision.run.plan, stage.seconds_per_step
    if plan is None or measured is None:
        return
    index = decision.run.index_of(stage)
    left = math.ceil(max(stage.max_steps - stage.step, 0) * measured)
    part = replace(
        plan.stages[index],
        expected=left,
        planned_steps=stage.max_steps,
        intended_steps=max(stage.intended_steps, stage.max_steps),
        seconds_per_step=measured,
    )
    later = tuple(_rescaled(each, plan.stages[index], measured) for each in plan.stages[index + 1 :])
    stages = (*plan.stages[:index], part, *later)
    used = elapsed_seconds(plan.window.opens_at, facts.now)
    most, reserve = plan.window.seconds, plan.window.reserve.micros
    middle = min(used + left + sum(each.expected for each in later), most)
    slow = sum(min(each.expected * EVALUATE_SPREAD, each.seconds) for each in later)
    late = min(used + math.ceil(left * MEASURED_P90 + slow), most)
    plan = replace(
        plan,
        stages=stages,
        seconds=replace(plan.seconds, p50=middle, p90=late),
        cost=replace(plan.cost, p50=min(plan.offer.cost(middle).micros, reserve),
                     p90=min(plan.offer.cost(late).micros, reserve)),
        limit=plan.window.limit if any(each.planned_steps < each.intended_steps for each in stages) else None,
    )  # fmt: skip
    decision.run = replace(decision.run, plan=plan)
    tell_plan(decision, plan, "measured")


def _rescaled(part: StagePlan, like: StagePlan, measured: float) -> StagePlan:
    """A later training at the speed that an earlier one of the run has shown."""
    if part.kind is not StageKind.TRAIN or not part.seconds or like.seconds_per_step <= 0:
        return part
    speed = part.seconds_per_step * measured / like.seconds_per_step
    start = max(part.expected - math.ceil(part.planned_steps * part.seconds_per_step), 0)
    steps = min(part.intended_steps, max(int((part.seconds - start) / speed), 0))
    return replace(part, planned_steps=steps, seconds_per_step=speed, expected=start + math.ceil(steps * speed))


def is_still_reporting(facts: Facts) -> bool:
    """Whether a machine that is gone left words that are not read yet: more lines, or a job that cannot be read now.

    Its job may have ended well; to call it lost too early would buy the same training twice.
    """
    stage = facts.run.current_stage
    if facts.machine is None or not facts.machine.is_over or stage is None or stage.status is not StageStatus.RUNNING:
        return False
    if facts.job is None:
        ended = facts.machine.ended_at
        return ended is not None and facts.now < ended + LAST_WORDS_PATIENCE
    return facts.job.state is JobState.RUNNING and facts.job.next_offset > stage.metrics_offset
