"""A run as the API shows it."""

from __future__ import annotations

from pydantic import Field

from api.schemas.plan import PlanView, WishView, recipe, wish
from api.schemas.push import PublicationView
from api.schemas.result import BaselineView, ResultView
from api.schemas.view import Dollars, FreeJson, Timestamp, View
from orchestrator.domain.ids import RunId
from orchestrator.domain.lifecycle import Outcome, RunStatus
from orchestrator.domain.stages import ExitCause, PeakMemory, Stage, StageKind, StageSpec, StageStatus
from orchestrator.services.read import ReadingPage, RunReading


class BudgetView(View):
    """Where the run's money is. `cap` = `available` + `reserved` + `settled`; `spent` = `settled` + `accrued`."""

    cap: Dollars = Field(description="All that was granted.")
    spent: Dollars = Field(description="What it has cost up to now.")
    accrued: Dollars = Field(description="What the open lease would be billed if it ended now; part of `reserved`.")
    settled: Dollars = Field(description="What closed leases have cost.")
    reserved: Dollars = Field(description="Set aside for the open lease: its worst case.")
    available: Dollars = Field(description="Neither reserved nor spent.")

    @classmethod
    def of(cls, reading: RunReading) -> BudgetView:
        balance = reading.balance
        return cls(
            cap=balance.cap.dollars(),
            spent=reading.spent.dollars(),
            accrued=reading.accrued.dollars(),
            settled=balance.spent.dollars(),
            reserved=balance.reserved.dollars(),
            available=balance.available.dollars(),
        )


class PeakMemoryView(View):
    """Bytes at their highest, as the node measured them; null for what it could not. A CPU has the process's only."""

    device_reserved: int | None = Field(description="What the trainer held of the fullest device's memory.")
    device_allocated: int | None = Field(description="What tensors took of that.")
    process_resident: int | None = Field(description="On a CPU: the main memory of the largest process.")

    @classmethod
    def of(cls, peak: PeakMemory | None) -> PeakMemoryView | None:
        if peak is None:
            return None
        return cls(
            device_reserved=peak.device_reserved,
            device_allocated=peak.device_allocated,
            process_resident=peak.process_resident,
        )


class StageView(View):
    """One step of a run and what became of it."""

    id: str
    kind: StageKind
    title: str
    techniques: list[str]
    recipe: FreeJson = Field(description="A training's complete settings in the trainer's keys, overrides applied.")
    status: StageStatus
    attempt: int
    step: int
    max_steps: int = Field(description="Steps that the budget allows.")
    intended_steps: int = Field(description="Steps that the strategy would use.")
    planned_seconds: int
    soft_deadline: Timestamp | None
    hard_deadline: Timestamp | None
    started_at: Timestamp | None
    ended_at: Timestamp | None
    exit_cause: ExitCause | None = Field(description="Why the newest attempt ended.")
    message: str = Field(description="The last lines of the error, if it failed.")
    seconds_per_step: float | None = Field(description="As measured; null before that.")
    peak_memory: PeakMemoryView | None = Field(description="Of the newest attempt; null before its first step.")
    checkpoint: str | None = Field(description="What it made: an adapter, a checkpoint or a model.")
    results: list[FreeJson] = Field(
        description="Evaluations: subject, rows, heldout_loss, exact_match; harness: subject, task, metric, value."
    )

    @classmethod
    def of(cls, stage: Stage, spec: StageSpec) -> StageView:
        return cls(
            id=stage.id,
            kind=stage.kind,
            title=spec.title,
            techniques=list(spec.techniques),
            recipe=recipe(spec.recipe),
            status=stage.status,
            attempt=stage.attempt,
            step=stage.step,
            max_steps=stage.max_steps,
            intended_steps=stage.intended_steps,
            planned_seconds=stage.planned_seconds,
            soft_deadline=stage.soft_deadline,
            hard_deadline=stage.hard_deadline,
            started_at=stage.started_at,
            ended_at=stage.ended_at,
            exit_cause=stage.exit.cause if stage.exit else None,
            message=stage.exit.message if stage.exit else "",
            seconds_per_step=stage.seconds_per_step,
            peak_memory=PeakMemoryView.of(stage.peak_memory),
            checkpoint=stage.checkpoint,
            results=[recipe(each) for each in stage.results],
        )


class ProgressView(View):
    """How far the run is. `seconds_left` is estimated until all its work is done; null when nothing runs."""

    stage: str
    step: int
    max_steps: int
    seconds_left: int | None

    @classmethod
    def of(cls, reading: RunReading) -> ProgressView | None:
        run = reading.run
        trained = [each for each in run.stages if each.kind is StageKind.TRAIN and each.attempt]
        stage = run.current_stage or (trained[-1] if trained else None)
        if stage is None:
            return None
        left = _seconds_left(reading, stage)
        return cls(stage=stage.id, step=stage.step, max_steps=stage.max_steps, seconds_left=left)


def _seconds_left(reading: RunReading, stage: Stage) -> int | None:
    run, lease = reading.run, reading.lease
    if stage.status is not StageStatus.RUNNING or lease is None or not lease.is_open:
        return None
    pace = stage.seconds_per_step or (run.plan.stages[run.index_of(stage)].seconds_per_step if run.plan else None)
    own: float = stage.planned_seconds
    if stage.kind is StageKind.TRAIN and pace is not None and stage.max_steps:
        own = max(stage.max_steps - stage.step, 0) * pace
    later = sum(each.planned_seconds for each in run.stages if not each.is_finished and each.id != stage.id)
    # Whatever the estimate says, the lease ends at its end.
    return max(int(min(own + later, (lease.window.gone_by - reading.at).total_seconds())), 0)


class Links(View):
    """Where the rest is."""

    self: str
    page: str
    events: str
    metrics: str
    logs: str
    artifacts: str
    card: str
    push: str
    ledger: str
    cancel: str
    budget: str

    @classmethod
    def of(cls, run_id: RunId) -> Links:
        path = f"/runs/{run_id}"
        parts = ("events", "metrics", "logs", "artifacts", "card", "push", "ledger", "cancel", "budget")
        return cls(self=path, page=f"/r/{run_id}", **{part: f"{path}/{part}" for part in parts})


class RunView(WishView):
    """A run: what was asked for, and where it stands at `read_at`."""

    id: str
    name: str
    status: RunStatus
    outcome: Outcome | None = Field(description="Why it ended; null while it has not.")
    reason: str
    created_at: Timestamp
    ended_at: Timestamp | None
    cancel_requested_at: Timestamp | None
    read_at: Timestamp
    budget: BudgetView
    plan: PlanView | None = Field(description="null until the run is funded.")
    stages: list[StageView]
    progress: ProgressView | None
    checkpoint: str | None = Field(description="What the money bought so far: the newest checkpoint or adapter.")
    result: ResultView | None = Field(description="The same with its kind and place; null before there is one.")
    baseline: BaselineView | None = Field(
        description="What to compare with. Looked up for a single run only: null in lists, for LoRA runs and where "
        "there is none."
    )
    published: PublicationView | None = Field(description="The newest push of its result; null before the first.")
    links: Links

    @classmethod
    def of(cls, reading: RunReading) -> RunView:
        run = reading.run
        return cls(
            **wish(run.spec),
            id=run.id,
            name=run.spec.name,
            status=run.status,
            outcome=run.outcome,
            reason=run.reason,
            created_at=run.created_at,
            ended_at=run.ended_at,
            cancel_requested_at=run.cancel_requested_at,
            read_at=reading.at,
            budget=BudgetView.of(reading),
            plan=PlanView.of(run.plan) if run.plan else None,
            stages=[StageView.of(stage, run.spec_of(stage)) for stage in run.all_stages],
            progress=ProgressView.of(reading),
            checkpoint=run.checkpoint,
            result=ResultView.of(reading.result),
            baseline=BaselineView.of(reading.baseline),
            published=PublicationView.of(run.publication),
            links=Links.of(run.id),
        )


class RunList(View):
    """A page of runs, newest first."""

    runs: list[RunView]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")

    @classmethod
    def of(cls, page: ReadingPage) -> RunList:
        return cls(runs=[RunView.of(reading) for reading in page.readings], next=page.next_after)
