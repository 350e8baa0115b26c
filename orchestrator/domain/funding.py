"""Turning money into machine time: funding a queued run, and lengthening a live lease after a top-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator.domain import ledger
from orchestrator.domain.budget import Window, open_window
from orchestrator.domain.cost.layout import Layout, as_written
from orchestrator.domain.cost.recipes import is_checkpointed
from orchestrator.domain.cost.rows import Rows
from orchestrator.domain.cost.sizes import WEIGHT_BYTES, checkpoint_bytes, result_bytes
from orchestrator.domain.decision import Act, Decision, Facts, need_lease
from orchestrator.domain.errors import UnaffordableError
from orchestrator.domain.ids import lease_id
from orchestrator.domain.journal import EntryKind
from orchestrator.domain.lease import Lease
from orchestrator.domain.lifecycle import Outcome, RunEvent
from orchestrator.domain.money import Money
from orchestrator.domain.offers import Offer
from orchestrator.domain.overheads import Sizes
from orchestrator.domain.plan import Plan, StagePlan
from orchestrator.domain.planner import PlanRequest, make_plan, share_anew
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.run import Run, RunSpec
from orchestrator.domain.speed import UNKNOWN_PARAMETERS
from orchestrator.domain.stages import Stage, StageKind, StageSpec, StageStatus
from orchestrator.domain.underway import as_lengthened
from orchestrator.domain.work import NO_GPU, StageRequest, Subject


def decide_queued(facts: Facts, decision: Decision) -> None:
    if facts.run.cancel_requested_at is not None:
        decision.finish(Outcome.CANCELLED, "cancelled before it began" if not facts.run.leases else "cancelled")
        decision.move(RunEvent.STOP_REQUESTED)
        return
    if facts.objection:
        # Nothing was spent and nothing is reserved: whether the new price is worth it, only the user can say.
        decision.finish(Outcome.FAILED, facts.objection)
        decision.move(RunEvent.REFUSED, facts.objection)
        return
    market = facts.market
    try:
        request = plan_request(
            facts.run.spec,
            facts.run.stages,
            ledger.fold(facts.postings).available,
            facts.run.machine_seconds_left,
            plan=facts.run.plan,
        )
        plan = make_plan(request, market, facts.now)
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
            "stages": [
                {"title": stage.title, "seconds": stage.seconds, "seconds_per_step": round(stage.seconds_per_step, 4)}
                for stage in plan.stages
            ],
            "gone_by": plan.window.gone_by.isoformat(),
        },
    )


def plan_request(
    spec: RunSpec,
    stages: Sequence[Stage],
    available: Money,
    max_seconds: int | None,
    now: datetime | None = None,
    plan: Plan | None = None,
) -> PlanRequest:
    """What the planner must know: the wish, and what is left of its money, its time and its work. `stages` is empty
    before a run was funded; `now` is given while it has a machine, and `plan` is the one it was funded by."""
    so_far: Sequence[Stage | None] = stages or (None,) * len(spec.stages)
    parts: Sequence[StagePlan | None] = plan.stages if plan else (None,) * len(spec.stages)
    offer = plan.offer if plan else None
    return PlanRequest(
        stages=tuple(_stage_request(spec, *each, now, offer) for each in zip(spec.stages, so_far, parts, strict=True)),
        subject=Subject(spec.architecture, spec.model_parameters),
        sizes=_sizes(spec),
        available=available,
        max_seconds=max_seconds,
        gpus=spec.gpus,
        machine=spec.machine,
        heldout_rows=spec.dataset.heldout_rows,
    )


def _sizes(spec: RunSpec) -> Sizes:
    """Of the largest of the trainings: what must be saved in time is saved in time for all of them."""
    parameters = UNKNOWN_PARAMETERS if spec.model_parameters is None else spec.model_parameters
    recipes = [stage.recipe for stage in spec.trainings]
    checkpoints = [checkpoint_bytes(recipe, spec.architecture, parameters) for recipe in recipes]
    results = [result_bytes(recipe, spec.architecture, parameters) for recipe in recipes]
    if any(stage.kind is StageKind.MERGE for stage in spec.stages):
        results.append(WEIGHT_BYTES * parameters)
    return Sizes(WEIGHT_BYTES * parameters, max(checkpoints), max(results), is_here=spec.model_is_local)


def _stage_request(
    spec: RunSpec,
    wish: StageSpec,
    stage: Stage | None,
    part: StagePlan | None,
    now: datetime | None,
    offer: Offer | None,
) -> StageRequest:
    rows = spec.rows_of(wish)
    begun = stage is not None and (stage.checkpoint is not None or stage.status is StageStatus.RUNNING)
    return StageRequest(
        kind=wish.kind,
        title=wish.title,
        recipe=wish.recipe,
        techniques=wish.techniques,
        rows=Rows(rows.train_rows, rows.tokens),
        pinned=wish.pinned,
        # A training that has begun goes on as it was cut, as long as the machine is like the one before; and what is
        # rented is used as it was planned.
        layout=_layout(wish, part, offer) if begun or now is not None else None,
        held=now is not None,
        share=wish.share if stage is None else _remaining_share(stage, now),
        seconds_per_step=None if stage is None else stage.seconds_per_step,
        measured_on=None if stage is None else stage.measured_on,
        steps_done=stage.step if stage is not None and stage.checkpoint else 0,
        done=stage is not None and stage.is_finished,
        started=stage is not None and stage.status is StageStatus.RUNNING,
    )


def _layout(wish: StageSpec, part: StagePlan | None, offer: Offer | None) -> Layout | None:
    """The layout in which a training of a plan is done; one that was planned before there were any is done as its
    recipe has it, on each device."""
    if wish.kind is not StageKind.TRAIN or part is None or offer is None or part.layout is not None:
        return None if part is None else part.layout
    whole = as_written(
        TrainingShape.from_recipe(wish.recipe), 1, is_checkpointed(wish.recipe, by_default=offer.accelerator != NO_GPU)
    )
    return replace(whole, devices=offer.accelerator_count)


def _remaining_share(stage: Stage, now: datetime | None) -> int:
    """What is left of the stage's time weighs, not what it was once given: a training near its end is not begun anew,
    with a learning rate that had come down already, because a little money came or a machine went."""
    if stage.status is StageStatus.RUNNING and stage.soft_deadline is not None and now is not None:
        return max(int((stage.soft_deadline - now).total_seconds()), 1)
    return max(stage.planned_seconds, 1)


def extend(facts: Facts, decision: Decision) -> None:
    """Money that came while the lease lives (a top-up) lengthens its window: reserved first, then told to the node."""
    lease = need_lease(facts)
    window = longer_window(facts)
    if window is None or _comes_too_late(facts.run):
        return
    extra = window.reserve - lease.window.reserve
    decision.post(
        ledger.reserve(facts.postings, facts.run.id, lease.id, extra, facts.now, f"extension-{facts.run.version}")
    )
    decision.lease = replace(lease, window=window, extended=True)
    share_out_anew(facts, decision, window)
    decision.tell(
        EntryKind.NOTE,
        f"extended:{facts.run.version}",
        {"message": f"the lease may now live until {window.gone_by.isoformat()}"},
    )


def _comes_too_late(run: Run) -> bool:
    """No training is left that a longer lease would serve: the money waits, and the run goes on after this lease."""
    training = any(stage.kind is StageKind.TRAIN and not stage.is_finished for stage in run.stages)
    return not training and run.can_use_more


def share_out_anew(facts: Facts, decision: Decision, window: Window) -> None:
    """Every stage that is still to be done gets its part of what is left of `window`, not the current one all of it."""
    run, lease = decision.run, need_lease(facts)
    if run.plan is None:
        return
    usable = max(int((window.soft - facts.now).total_seconds()), 0)
    request = plan_request(run.spec, run.stages, window.reserve, run.machine_seconds_left, facts.now, run.plan)
    stages = share_anew(request, facts.market, lease.offer, usable)
    plan = replace(run.plan, stages=stages)
    if window != run.plan.window:
        plan = as_lengthened(run.plan, window, stages, facts.now)
    shares = tuple(
        stage if stage.is_finished else replace(stage, planned_seconds=part.seconds)
        for stage, part in zip(run.stages, stages, strict=True)
    )
    decision.run = replace(run, plan=plan, stages=shares)


def longer_window(facts: Facts) -> Window | None:
    """The window that the run's available money would make of the lease's, if that is longer."""
    lease = need_lease(facts)
    money = ledger.reserved_for(facts.postings, lease.id) + ledger.fold(facts.postings).available
    window = open_window(money, lease.offer, facts.run.machine_seconds_left, lease.window.allowances, lease.opened_at)
    longer = window is not None and window.seconds > lease.window.seconds and facts.now < lease.window.soft
    return window if longer else None


def plan_stages(run: Run, plan: Plan) -> tuple[Stage, ...]:
    """The run's stages with their shares of `plan`: made anew, or those that are not finished brought up to date. One
    without a share still waits: it is done if the others leave it time."""
    return tuple(
        stage if stage.is_finished else replace(stage, planned_seconds=part.seconds, status=StageStatus.PENDING)
        for stage, part in zip(run.all_stages, plan.stages, strict=True)
    )
