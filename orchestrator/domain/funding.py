"""Turning money into machine time: funding a queued run, and lengthening a live lease after a top-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.domain import ledger
from orchestrator.domain.budget import Window, open_window
from orchestrator.domain.decision import Act, Decision, Facts, need_lease
from orchestrator.domain.errors import UnaffordableError
from orchestrator.domain.ids import lease_id, stage_id
from orchestrator.domain.journal import EntryKind
from orchestrator.domain.lease import Lease
from orchestrator.domain.ledger import Posting
from orchestrator.domain.lifecycle import Outcome, RunEvent
from orchestrator.domain.planner import Plan, PlanRequest, make_plan
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage, StageKind, StageStatus


def decide_queued(facts: Facts, decision: Decision) -> None:
    if facts.run.cancel_requested_at is not None:
        decision.finish(Outcome.CANCELLED, "cancelled before it began" if not facts.run.leases else "cancelled")
        decision.move(RunEvent.STOP_REQUESTED)
        return
    market = facts.market
    try:
        request = plan_request(facts.run, facts.postings)
        plan = make_plan(request, market.offers, market.overheads, market.allowances, facts.now)
    except UnaffordableError as error:
        _refuse(facts, decision, error)
        return
    _fund(facts, decision, plan)


def _refuse(facts: Facts, decision: Decision, error: UnaffordableError) -> None:
    # What is left of the cap buys nothing more. With a checkpoint in hand that is the budget's end, not a failure.
    if facts.run.leases and facts.run.spec.max_seconds is not None and error.cheapest_micros is None:
        decision.finish(Outcome.TIME_REACHED, f"what is left of max_hours is too short for more training: {error}")
    elif facts.run.leases:
        decision.finish(Outcome.BUDGET_REACHED, f"what is left of the budget buys no more training: {error}")
    else:
        decision.finish(Outcome.FAILED, f"{error}: {'; '.join(error.refusals)}")
    decision.move(RunEvent.REFUSED, decision.run.reason)


def _fund(facts: Facts, decision: Decision, plan: Plan) -> None:
    run = facts.run
    identity = lease_id(run.id, run.leases + 1)
    decision.lease = Lease(identity, run.id, plan.offer, plan.window, plan.window.opens_at)
    decision.post(ledger.reserve(facts.postings, run.id, identity, plan.window.reserve, facts.now, "funding"))
    decision.run = replace(run, plan=plan, stages=plan_stages(run, plan), leases=run.leases + 1, lease_id=identity)
    tell_plan(decision, plan, "funded")
    decision.move(RunEvent.FUNDED)
    decision.acts.append(Act.LAUNCH)


def tell_plan(decision: Decision, plan: Plan, why: str) -> None:
    """Write the plan into the journal."""
    decision.tell(
        EntryKind.PLAN,
        f"plan:{why}:{decision.run.version}",
        {
            "why": why,
            "offer": plan.offer.id,
            "planned_steps": plan.planned_steps,
            "intended_steps": plan.intended_steps,
            "seconds_per_step": round(plan.seconds_per_step, 4),
            "gone_by": plan.window.gone_by.isoformat(),
        },
    )


def plan_request(run: Run, postings: Sequence[Posting]) -> PlanRequest:
    """What the planner must know about `run` now: what is left of its money, its time and its work."""
    spec = run.spec
    train = next((stage for stage in run.stages if stage.kind is StageKind.TRAIN), None)
    return PlanRequest(
        recipe=spec.recipe,
        shape=TrainingShape.from_recipe(spec.recipe),
        train_rows=spec.dataset.train_rows,
        parameters=spec.model_parameters,
        available=ledger.fold(postings).available,
        max_seconds=run.machine_seconds_left,
        gpus=spec.gpus,
        measured_seconds_per_step=run.seconds_per_step,
        heldout_rows=spec.dataset.heldout_rows,
        steps_done=train.step if train is not None and train.checkpoint else 0,
    )


def extend(facts: Facts, decision: Decision) -> None:
    """Money that came while the lease lives (a top-up) lengthens its window: reserved first, then told to the node."""
    lease = need_lease(facts)
    window = longer_window(facts)
    if window is None:
        return
    extra = window.reserve - lease.window.reserve
    decision.post(
        ledger.reserve(facts.postings, facts.run.id, lease.id, extra, facts.now, f"extension-{facts.run.version}")
    )
    decision.lease = replace(lease, window=window, extended=True)
    decision.tell(
        EntryKind.NOTE,
        f"extended:{facts.run.version}",
        {"message": f"the lease may now live until {window.gone_by.isoformat()}"},
    )


def longer_window(facts: Facts) -> Window | None:
    """The window that the run's available money would make of the lease's, if that is longer."""
    lease = need_lease(facts)
    money = ledger.reserved_for(facts.postings, lease.id) + ledger.fold(facts.postings).available
    window = open_window(money, lease.offer, facts.run.machine_seconds_left, lease.window.allowances, lease.opened_at)
    longer = window is not None and window.seconds > lease.window.seconds and facts.now < lease.window.soft
    return window if longer else None


def plan_stages(run: Run, plan: Plan) -> tuple[Stage, ...]:
    """The run's stages with their shares of `plan`: made anew, or those that are not finished brought up to date."""
    shares = {StageKind.TRAIN: plan.train_seconds, StageKind.EVALUATE: plan.evaluate_seconds}
    stages = run.stages or tuple(
        Stage(stage_id(ordinal, kind), kind, 0) for ordinal, kind in enumerate(shares, start=1)
    )
    return tuple(stage if stage.is_finished else _share(stage, shares[stage.kind]) for stage in stages)


def _share(stage: Stage, seconds: int) -> Stage:
    status = StageStatus.PENDING if seconds else StageStatus.SKIPPED
    return replace(stage, planned_seconds=seconds, status=status)
