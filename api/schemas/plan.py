"""Plans: what is to be done with the money, and what that rests on."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.schemas.cut import LayoutView, MemoryView, TermView
from api.schemas.offer import OfferView
from api.schemas.tokens import TokensView
from api.schemas.view import Dollars, FreeJson, Timestamp, View, finite
from orchestrator.domain.budget import Limit
from orchestrator.domain.money import Money
from orchestrator.domain.plan import Assumption, Item, Plan, StagePlan
from orchestrator.domain.run import DatasetRef, MachineWishes, Prefer, RunSpec
from orchestrator.domain.stages import StageKind, StageSpec


class AssumptionView(View):
    """One number that the plan rests on, and where it comes from."""

    name: str
    value: str
    source: str

    @classmethod
    def of(cls, assumption: Assumption) -> AssumptionView:
        return cls(name=assumption.name, value=assumption.value, source=assumption.source)


class SecondsEstimate(View):
    """Seconds from opening the lease to its end: the middle, nine times out of ten, and what is paid for."""

    p50: int
    p90: int
    worst: int


class DollarsEstimate(View):
    """What the same interval costs; `worst` is reserved before anything starts."""

    p50: Dollars
    p90: Dollars
    worst: Dollars


class StagePlanView(View):
    """One stage's part of the plan."""

    kind: StageKind
    title: str
    seconds: int = Field(description="Its share of the window; earlier stages may leave it more. 0 = left out or done.")
    expected_seconds: int = Field(description="What it will take, its start included (p50).")
    slow_seconds: int = Field(description="The same at p90.")
    planned_steps: int = Field(description="Optimizer steps that are expected to fit.")
    intended_steps: int = Field(description="Steps that the strategy can use.")
    sure_steps: int = Field(description="Steps that fit even at the p95 of a step's time.")
    planned_tokens: int = Field(description="Tokens of the steps still to be made, padding not counted.")
    seconds_per_step: float
    speed_source: str = Field(description="What the seconds per step rest on.")
    step_terms: list[TermView] = Field(description="Seconds; they add up to the seconds per step.")
    layout: LayoutView | None = Field(description="null for stages that are no training.")
    memory: MemoryView | None = Field(description="null where nothing is known of the device's memory.")

    @classmethod
    def of(cls, part: StagePlan) -> StagePlanView:
        return cls(
            kind=part.kind,
            title=part.title,
            seconds=part.seconds,
            expected_seconds=part.expected,
            slow_seconds=max(part.slow, part.expected),
            planned_steps=part.planned_steps,
            intended_steps=part.intended_steps,
            sure_steps=part.sure_steps,
            planned_tokens=part.tokens,
            seconds_per_step=part.seconds_per_step,
            speed_source=part.speed_source,
            step_terms=[TermView.of(term) for term in part.step_terms],
            layout=None if part.layout is None else LayoutView.of(part.layout),
            memory=MemoryView.of(part),
        )


class ItemView(View):
    """One stretch of the lease, in seconds."""

    name: str
    p50: float
    p90: float
    formula: str

    @classmethod
    def of(cls, item: Item) -> ItemView:
        return cls(name=item.name, p50=item.p50, p90=item.p90, formula=item.formula)


class PlanView(View):
    """What will be done with the money."""

    offer: OfferView
    dollars_per_hour: Dollars
    planned_steps: int = Field(description="Optimizer steps that are expected to fit, over all trainings.")
    intended_steps: int = Field(description="Steps that the strategy can use.")
    planned_tokens: int = Field(description="Tokens that are expected to be trained on, padding not counted.")
    intended_tokens: int = Field(description="Tokens that the strategy can still use.")
    seconds: SecondsEstimate
    cost: DollarsEstimate
    stages: list[StagePlanView]
    items: list[ItemView] = Field(description="The lease as funded, stretch by stretch; the p50 add up to the plan's.")
    limit: Limit | None = Field(description="What is expected to cut the training short, if anything is.")
    soft_deadline: Timestamp = Field(description="The trainer saves a checkpoint and stops.")
    hard_deadline: Timestamp = Field(description="Whatever still runs is ended.")
    gone_by: Timestamp = Field(description="The machine is gone and billed no more.")
    assumptions: list[AssumptionView]

    @classmethod
    def of(cls, plan: Plan) -> PlanView:
        cost = plan.cost
        return cls(
            offer=OfferView.of(plan.offer),
            dollars_per_hour=Money(plan.offer.rate.micros_per_hour).dollars(),
            planned_steps=plan.planned_steps,
            intended_steps=plan.intended_steps,
            planned_tokens=plan.planned_tokens,
            intended_tokens=plan.intended_tokens,
            seconds=SecondsEstimate(p50=plan.seconds.p50, p90=plan.seconds.p90, worst=plan.seconds.worst),
            cost=DollarsEstimate(
                p50=Money(cost.p50).dollars(), p90=Money(cost.p90).dollars(), worst=Money(cost.worst).dollars()
            ),
            stages=[StagePlanView.of(part) for part in plan.stages],
            items=[ItemView.of(item) for item in plan.items],
            limit=plan.limit,
            soft_deadline=plan.window.soft,
            hard_deadline=plan.window.hard,
            gone_by=plan.window.gone_by,
            assumptions=[AssumptionView.of(each) for each in plan.assumptions],
        )


class DatasetView(View):
    """The rows that are trained on."""

    source: str
    format: str
    rows: int | None = Field(description="null while they are not counted.")
    train_rows: int | None
    heldout_rows: int
    heldout_source: str | None
    heldout_format: str | None = Field(description="null when it is the dataset's own.")
    tokens: TokensView | None = Field(description="null while model or rows are not here to be counted.")

    @classmethod
    def of(cls, dataset: DatasetRef) -> DatasetView:
        return cls(
            source=dataset.source,
            format=dataset.format,
            rows=dataset.rows,
            train_rows=dataset.train_rows,
            heldout_rows=dataset.heldout_rows,
            heldout_source=dataset.heldout_source,
            heldout_format=dataset.heldout_format,
            tokens=None if dataset.tokens is None else TokensView.of(dataset.tokens),
        )


class StageWishView(View):
    """What one stage is to do."""

    kind: StageKind
    title: str
    techniques: list[str]
    recipe: FreeJson = Field(description="A training's complete settings in the trainer's keys, overrides applied.")
    cycle: int = Field(description="Which of ReLoRA's `cycles` it belongs to, from 1.")
    cycles: int

    @classmethod
    def of(cls, stage: StageSpec) -> StageWishView:
        return cls(
            kind=stage.kind,
            title=stage.title,
            techniques=list(stage.techniques),
            recipe=recipe(stage.recipe),
            cycle=stage.cycle,
            cycles=stage.cycles,
        )


class HarnessView(View):
    """Tasks of lm-evaluation-harness, run on the model before and after."""

    tasks: list[str]
    include_path: str | None
    limit: int | None


class MachineWishesView(View):
    """What the search for a machine keeps to."""

    accelerators: list[str] = Field(description="Empty: any.")
    spot: bool | None = Field(description="true: spot only; false: none of it; null: either.")
    prefer: Prefer = Field(description="What decides between plans that train the same.")

    @classmethod
    def of(cls, wishes: MachineWishes) -> MachineWishesView:
        return cls(accelerators=list(wishes.accelerators), spot=wishes.spot, prefer=wishes.prefer)


class WishView(View):
    """What was asked for, complete."""

    strategy: str
    techniques: list[str]
    parameters: FreeJson = Field(description="Those of the strategy that were chosen.")
    model: str
    dataset: DatasetView
    preferences: DatasetView | None = Field(description="Pairs that a later training reads; null without one.")
    harness: HarnessView | None
    seed: int
    gpus: int | None
    machine: MachineWishesView
    max_hours: float | None
    notes: list[str] = Field(description="What was said about the wish, such as a translated spelling.")


def wish(spec: RunSpec) -> dict[str, Any]:
    """The fields of `WishView`."""
    harness = spec.harness
    return {
        "strategy": spec.strategy,
        "techniques": list(spec.techniques),
        "parameters": recipe(spec.parameters),
        "model": spec.model,
        "dataset": DatasetView.of(spec.dataset),
        "preferences": None if spec.preferences is None else DatasetView.of(spec.preferences),
        "harness": None
        if harness is None
        else HarnessView(tasks=list(harness.tasks), include_path=harness.include_path, limit=harness.limit),
        "seed": spec.seed,
        "gpus": spec.gpus,
        "machine": MachineWishesView.of(spec.machine),
        "max_hours": hours(spec.max_seconds),
        "notes": list(spec.notes),
    }


def hours(seconds: int | None) -> float | None:
    return None if seconds is None else seconds / 3600


def recipe(settings: Any) -> dict[str, Any]:
    """Settings as plain JSON."""
    plain = finite(dict(settings))
    assert isinstance(plain, dict), "a mapping stays one"
    return plain
