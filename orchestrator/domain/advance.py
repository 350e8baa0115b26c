"""The decision: from the facts of one look at the world to what a run becomes and what must be done. Pure.

Level-triggered: what a status calls for is decided anew on every tick from the same facts, so a process may die
between any two lines and the next tick does the same thing again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.domain import ledger
from orchestrator.domain.budget import Limit, Window, bill, elapsed_seconds
from orchestrator.domain.decision import Act, Decision, Facts, need_lease
from orchestrator.domain.funding import decide_queued, extend, share_out_anew
from orchestrator.domain.intake import is_still_reporting, take_in
from orchestrator.domain.lease import Lease
from orchestrator.domain.lifecycle import Outcome, RunEvent, RunStatus
from orchestrator.domain.observations import JobState, MachineState
from orchestrator.domain.run import Run
from orchestrator.domain.stages import ExitCause, Stage, StageStatus

MAX_LOSSES_WITHOUT_PROGRESS = 3
PROVISION_PATIENCE_SECONDS = 900
STAGE_WORTH_SECONDS = 15
"""A later stage that has less time than its own start-up is left out."""


def decide(facts: Facts) -> Decision:
    """What `facts` call for."""
    decision = Decision(facts.run, facts.lease, facts.now)
    _DECIDERS[facts.run.status](facts, decision)
    if decision.run.status is RunStatus.ENDED and facts.run.status is not RunStatus.ENDED:
        _close_stages(decision)
        decision.run = replace(decision.run, ended_at=facts.now, wake_at=None)
    return decision


def _provisioning(facts: Facts, decision: Decision) -> None:
    lease, machine = need_lease(facts), facts.machine
    if facts.run.cancel_requested_at is not None:
        decision.finish(Outcome.CANCELLED, "cancelled while the machine was coming")
        decision.move(RunEvent.STOP_REQUESTED)
        decision.acts.append(Act.TEAR_DOWN)
    elif machine is not None and machine.state is MachineState.READY:
        decision.lease = replace(lease, ready_at=facts.now)
        # A machine that came late or early takes from, or gives to, all stages alike and not the first alone.
        share_out_anew(facts, decision, lease.window)
        decision.move(RunEvent.MACHINE_READY)
    elif _is_overdue(lease, facts.now):
        # Also when nobody can tell what became of it: giving it back concludes nothing about its bill.
        _lose(decision, "the machine did not come in time")
    elif machine is None:
        return
    elif machine.state is MachineState.GONE:
        _lose(decision, machine.message or "the machine did not come")
    elif machine.state is MachineState.ABSENT:
        decision.acts.append(Act.LAUNCH)


def _is_overdue(lease: Lease, now: datetime) -> bool:
    return now >= min(lease.opened_at + timedelta(seconds=PROVISION_PATIENCE_SECONDS), lease.window.soft)


def _lose(decision: Decision, why: str) -> None:
    """The machine is lost: give its lease back and settle it; what the rest of the money buys, the planner decides."""
    stage = decision.run.current_stage
    if stage is not None and stage.status is StageStatus.RUNNING:
        # Its part of the money to come is what was left of its time, not all of it once more.
        left = stage.planned_seconds
        if stage.soft_deadline is not None:
            left = max(int((stage.soft_deadline - decision.now).total_seconds()), 1)
        decision.set_stage(replace(stage, status=StageStatus.PENDING, planned_seconds=left))
    losses = decision.run.losses_without_progress + 1
    decision.run = replace(decision.run, losses_without_progress=losses)
    if losses >= MAX_LOSSES_WITHOUT_PROGRESS:
        decision.finish(Outcome.FAILED, f"the machine was lost {losses} times without progress, last: {why}")
    decision.move(RunEvent.MACHINE_LOST, why)
    decision.acts.append(Act.TEAR_DOWN)


def _running(facts: Facts, decision: Decision) -> None:
    take_in(facts, decision)
    run, stage = decision.run, decision.run.current_stage
    if run.cancel_requested_at is not None:
        decision.finish(Outcome.CANCELLED, "cancelled")
        decision.run = replace(decision.run, stopping_since=facts.now)
        decision.move(RunEvent.STOP_REQUESTED)
        decision.acts.append(Act.REQUEST_STOP)
    elif run.failed_stage is not None:
        _fail(decision, run.failed_stage)
    elif stage is None:
        _complete(decision)
    elif facts.machine is not None and facts.machine.is_over:
        if not is_still_reporting(facts):
            _lose(decision, facts.machine.message or "the machine is gone")
    else:
        extend(facts, decision)
        _drive(facts, decision, stage.id)


def _fail(decision: Decision, stage: Stage) -> None:
    message = stage.exit.message if stage.exit else ""
    past = stage.exit is not None and stage.exit.cause is ExitCause.HARD_DEADLINE
    if past and decision.lease is not None:
        decision.finish(_outcome_of(decision.lease.window.limit), "the deadline came before the first checkpoint")
        decision.move(RunEvent.WORK_DONE)
    else:
        decision.finish(Outcome.FAILED, f"stage {stage.id} failed: {message or 'no message'}")
        decision.move(RunEvent.STAGE_FAILED, decision.run.reason)
    decision.acts.append(Act.TEAR_DOWN)


def _outcome_of(limit: Limit) -> Outcome:
    return Outcome.BUDGET_REACHED if limit is Limit.BUDGET else Outcome.TIME_REACHED


def _complete(decision: Decision) -> None:
    lease = decision.lease
    if decision.run.was_cut and lease is not None:
        limit = lease.window.limit
        what = "the training" if decision.run.checkpoint else "the run before its first checkpoint"
        decision.finish(_outcome_of(limit), f"the {limit.value.replace('_', ' ')} ended {what}")
    else:
        decision.finish(Outcome.COMPLETED, "all stages are done")
    decision.move(RunEvent.WORK_DONE)
    decision.acts.append(Act.TEAR_DOWN)


def _drive(facts: Facts, decision: Decision, current: str) -> None:
    """See that the current stage runs, with the deadlines that its lease gives it."""
    lease = decision.lease
    stage = decision.run.current_stage
    if lease is None or stage is None or stage.id != current:
        return
    soft, hard = stage_deadlines(decision.run, stage, lease.window)
    if stage.status is StageStatus.PENDING:
        _begin(facts, decision, stage, soft, hard)
    elif (stage.soft_deadline, stage.hard_deadline) != (soft, hard):
        decision.run = decision.run.with_stage(replace(stage, soft_deadline=soft, hard_deadline=hard))
        decision.acts.append(Act.MOVE_DEADLINES)
    elif facts.job is not None and facts.job.state is JobState.UNKNOWN_JOB:
        decision.acts.append(Act.SUBMIT)
    elif lease.extended:
        # Told again on every tick: the process that reserved the money may have died before it told the node.
        decision.acts.extend((Act.EXTEND, Act.MOVE_DEADLINES))


def _begin(facts: Facts, decision: Decision, stage: Stage, soft: datetime, hard: datetime) -> None:
    left = (soft - facts.now).total_seconds()
    is_first = decision.run.index_of(stage) == 0
    if not is_first and (left < STAGE_WORTH_SECONDS or decision.run.lacks_input(stage)):
        decision.set_stage(replace(stage, status=StageStatus.SKIPPED, ended_at=facts.now))
        return
    if left <= 0:
        _lose(decision, "no time is left in this lease")
        return
    decision.set_stage(
        replace(
            stage,
            status=StageStatus.RUNNING,
            attempt=stage.attempt + 1,
            soft_deadline=soft,
            hard_deadline=hard,
            started_at=stage.started_at or facts.now,
            ended_at=None,
            metrics_offset=0,
            results=(),
        )
    )
    decision.acts.append(Act.SUBMIT)


def stage_deadlines(run: Run, stage: Stage, window: Window) -> tuple[datetime, datetime]:
    """The soft and hard deadline of `stage`: the window's own, less the shares of the stages after it.

    What an earlier stage left over is in it by itself, since deadlines are counted from the window's end.
    """
    after = run.stages[[each.id for each in run.stages].index(stage.id) + 1 :]
    later = timedelta(seconds=sum(each.planned_seconds for each in after if not each.is_finished))
    soft = window.soft - later
    return soft, soft + timedelta(seconds=window.allowances.checkpoint)


def _stopping(facts: Facts, decision: Decision) -> None:
    take_in(facts, decision)
    stage = decision.run.current_stage
    idle = stage is None or stage.status is not StageStatus.RUNNING
    lease = need_lease(facts)
    patience = timedelta(seconds=lease.window.allowances.checkpoint)
    since = facts.run.stopping_since
    if is_still_reporting(facts):
        return
    if facts.machine is not None and facts.machine.is_over:
        decision.move(RunEvent.MACHINE_LOST, "the machine is gone")
    elif idle or (since is not None and facts.now >= since + patience) or facts.now >= lease.window.hard:
        decision.move(RunEvent.STAGE_STOPPED)
    else:
        decision.acts.append(Act.REQUEST_STOP)
        return
    decision.acts.append(Act.TEAR_DOWN)


def _releasing(facts: Facts, decision: Decision) -> None:
    lease, machine = need_lease(facts), facts.machine
    if machine is None or not machine.is_over:
        decision.acts.append(Act.TEAR_DOWN)
        return
    ended = machine.ended_at or min(facts.now, lease.window.gone_by)
    if machine.state is MachineState.ABSENT:
        # Nothing came, so nothing is billed; the teardown keeps a launch that is still under way from bringing it.
        ended = lease.opened_at
        decision.acts.append(Act.TEAR_DOWN)
    cost = bill(lease.offer, lease.opened_at, ended)
    decision.post(*ledger.close_lease(facts.postings, facts.run.id, lease.id, cost, facts.now))
    decision.lease = replace(lease, closed_at=max(ended, lease.opened_at))
    used = facts.run.machine_seconds + elapsed_seconds(lease.opened_at, ended)
    decision.run = replace(decision.run, machine_seconds=used)
    _go_on_or_end(facts, decision, lease)


def _go_on_or_end(facts: Facts, decision: Decision, lease: Lease) -> None:
    if facts.run.cancel_requested_at is not None:
        decision.finish(Outcome.CANCELLED, "cancelled")
    elif decision.run.outcome is Outcome.BUDGET_REACHED and _topped_up(facts, lease) and decision.run.can_use_more:
        decision.run = decision.run.reopened()
    decision.move(RunEvent.REQUEUED if decision.run.outcome is None else RunEvent.SETTLED)


def _topped_up(facts: Facts, lease: Lease) -> bool:
    """Whether money came that the lease could not take any more. Funding left less than one billing quantum, so it is
    the balance before the settlement that tells."""
    return ledger.fold(facts.postings).available >= lease.offer.cost(1)


def _close_stages(decision: Decision) -> None:
    """An ended run leaves no stage open: one with a checkpoint gave a result, any other did not take place."""
    for stage in decision.run.stages:
        if not stage.is_finished:
            status = StageStatus.DONE if stage.checkpoint else StageStatus.SKIPPED
            decision.set_stage(replace(stage, status=status, ended_at=stage.ended_at or decision.now))


def _ended(facts: Facts, decision: Decision) -> None:
    """Nothing is called for: the lease is closed and the books are settled."""


_DECIDERS: Mapping[RunStatus, Callable[[Facts, Decision], None]] = {
    RunStatus.QUEUED: decide_queued,
    RunStatus.PROVISIONING: _provisioning,
    RunStatus.RUNNING: _running,
    RunStatus.STOPPING: _stopping,
    RunStatus.RELEASING: _releasing,
    RunStatus.ENDED: _ended,
}
