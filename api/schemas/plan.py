"""Plans and quotes: what is to be done with the money, and what that rests on."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.schemas.offer import OfferView
from api.schemas.view import Dollars, FreeJson, Timestamp, View, finite
from orchestrator.domain.budget import Limit
from orchestrator.domain.money import Money
from orchestrator.domain.planner import Assumption, Plan
from orchestrator.domain.run import DatasetRef
from orchestrator.services.quote import Quote


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


class StageShares(View):
    """Seconds of the window for each kind of stage; 0 = left out."""

    train: int
    evaluate: int


class PlanView(View):
    """What will be done with the money."""

    offer: OfferView
    dollars_per_hour: Dollars
    planned_steps: int = Field(description="Optimizer steps that are expected to fit.")
    intended_steps: int = Field(description="Steps that the strategy can use.")
    seconds_per_step: float
    seconds: SecondsEstimate
    cost: DollarsEstimate
    stage_seconds: StageShares
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
            seconds_per_step=plan.seconds_per_step,
            seconds=SecondsEstimate(p50=plan.seconds.p50, p90=plan.seconds.p90, worst=plan.seconds.worst),
            cost=DollarsEstimate(
                p50=Money(cost.p50).dollars(), p90=Money(cost.p90).dollars(), worst=Money(cost.worst).dollars()
            ),
            stage_seconds=StageShares(train=plan.train_seconds, evaluate=plan.evaluate_seconds),
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
        )


class QuoteView(View):
    """What a wish would buy. Nothing was started or reserved."""

    strategy: str
    budget: Dollars
    model: str
    model_parameters: int | None
    dataset: DatasetView
    seed: int
    gpus: int | None
    max_hours: float | None
    recipe: FreeJson = Field(description="The complete settings in the trainer's keys, overrides applied.")
    notes: list[str] = Field(description="What was said about the settings, such as a translated spelling.")
    plan: PlanView

    @classmethod
    def of(cls, quote: Quote) -> QuoteView:
        spec = quote.spec
        return cls(
            strategy=spec.strategy,
            budget=quote.cap.dollars(),
            model=spec.model,
            model_parameters=spec.model_parameters,
            dataset=DatasetView.of(spec.dataset),
            seed=spec.seed,
            gpus=spec.gpus,
            max_hours=hours(spec.max_seconds),
            recipe=recipe(spec.recipe),
            notes=list(spec.notes),
            plan=PlanView.of(quote.plan),
        )


def hours(seconds: int | None) -> float | None:
    return None if seconds is None else seconds / 3600


def recipe(settings: Any) -> dict[str, Any]:
    """Settings as plain JSON."""
    plain = finite(dict(settings))
    assert isinstance(plain, dict), "a mapping stays one"
    return plain
