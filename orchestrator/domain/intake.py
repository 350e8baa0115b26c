"""Taking in what the current job reported: its lines, its measured speed, its exit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from orchestrator.domain.budget import elapsed_seconds
from orchestrator.domain.decision import Decision, Facts
from orchestrator.domain.funding import tell_plan
from orchestrator.domain.observations import JobState
from orchestrator.domain.planner import EVALUATE_SPREAD
from orchestrator.domain.progress import absorb, conclude
from orchestrator.domain.speed import MEASURED_SPREAD
from orchestrator.domain.stages import ExitCause, StageStatus

LAST_WORDS_PATIENCE = timedelta(minutes=5)
"""How long a job that cannot be read is waited for after its machine has gone."""


def take_in(facts: Facts, decision: Decision) -> None:
    """The run after what its current job reported, and after the job's exit if it has exited."""
    stage = facts.run.current_stage
    if stage is None or facts.job is None or stage.status is not StageStatus.RUNNING:
        return
    measured = facts.run.seconds_per_step
    decision.run, entries = absorb(facts.run, stage, facts.job)
    decision.entries.extend(entries)
    if decision.run.seconds_per_step != measured:
        _replan(facts, decision)
    if facts.job.state is not JobState.EXITED or facts.job.exit is None:
        return
    # A job that vanished together with its machine did nothing wrong: that is the machine's loss, not an attempt.
    lost = facts.job.exit.cause is ExitCause.VANISHED and facts.machine is not None and facts.machine.is_over
    absorbed = decision.run.current_stage
    if not lost and absorbed is not None:
        decision.set_stage(conclude(absorbed, facts.job.exit, facts.now))


def _replan(facts: Facts, decision: Decision) -> None:
    """Measured speed takes the prior's place in the plan; the node has sized its steps by the same measurement."""
    plan, stage, measured = decision.run.plan, decision.run.current_stage, decision.run.seconds_per_step
    if plan is None or stage is None or measured is None:
        return
    left = max(stage.max_steps - stage.step, 0) * measured
    used = elapsed_seconds(plan.window.opens_at, facts.now)
    middle = min(used + int(left) + plan.evaluate_expected, plan.window.seconds)
    slow = min(plan.evaluate_expected * EVALUATE_SPREAD, plan.evaluate_seconds)
    late = min(used + int(left * MEASURED_SPREAD + slow), plan.window.seconds)
    reserve = plan.window.reserve.micros
    plan = replace(
        plan,
        planned_steps=stage.max_steps,
        intended_steps=max(stage.intended_steps, stage.max_steps),
        seconds_per_step=measured,
        seconds=replace(plan.seconds, p50=middle, p90=late),
        cost=replace(plan.cost, p50=min(plan.offer.cost(middle).micros, reserve),
                     p90=min(plan.offer.cost(late).micros, reserve)),
        limit=plan.window.limit if stage.max_steps < stage.intended_steps else None,
    )  # fmt: skip
    decision.run = replace(decision.run, plan=plan)
    tell_plan(decision, plan, "measured")


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
