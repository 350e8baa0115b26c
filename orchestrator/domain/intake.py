"""Taking in what the current job reported: its lines, its measured speed, its exit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from orchestrator.domain.decision import Decision, Facts
from orchestrator.domain.funding import tell_plan
from orchestrator.domain.observations import JobState
from orchestrator.domain.progress import absorb, conclude
from orchestrator.domain.stages import ExitCause, Stage, StageStatus
from orchestrator.domain.underway import as_measured

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
    plan = as_measured(plan, decision.run.index_of(stage), stage, measured, facts.now)
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
