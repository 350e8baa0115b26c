"""Quotes: what a wish would buy, and many of them side by side."""

from __future__ import annotations

from pydantic import Field

from api.schemas.offer import OfferView
from api.schemas.plan import PlanView, StageWishView, WishView, wish
from api.schemas.view import Dollars, View
from orchestrator.domain.budget import Limit
from orchestrator.domain.choices import Choice
from orchestrator.domain.money import Money
from orchestrator.domain.planner import Search
from orchestrator.domain.refusals import Refusal
from orchestrator.services.quote import Compared, Quote, Where
from orchestrator.services.read_offers import ListedOffer

SECONDS_PER_HOUR = 3600


class ChoiceView(View):
    """A plan in short. Hours and dollars are p50."""

    offer_id: str
    provider: str
    region: str
    accelerator: str
    gpus: int
    spot: bool
    dollars_per_hour: Dollars
    hours: float
    dollars: Dollars
    tokens: int
    done: float = Field(description="The part of the strategy's tokens that it trains on; 1 is all of them.")

    @classmethod
    def of(cls, choice: Choice) -> ChoiceView:
        offer = choice.offer
        return cls(
            offer_id=offer.id,
            provider=offer.provider,
            region=offer.region,
            accelerator=offer.accelerator,
            gpus=offer.accelerator_count,
            spot=offer.spot,
            dollars_per_hour=Money(offer.rate.micros_per_hour).dollars(),
            hours=round(choice.seconds / SECONDS_PER_HOUR, 4),
            dollars=Money(choice.cost).dollars(),
            tokens=choice.tokens,
            done=choice.done,
        )


class CountView(ChoiceView):
    """The best plan of a count of accelerators, against that of the next smaller one."""

    extra_dollars: Dollars | None = Field(description="What the extra accelerators cost; null for the first.")
    saved_hours: float | None = Field(description="What they save; null for the first.")
    extra_tokens: int | None = Field(description="What they train on beyond it; null for the first.")


class RefusalView(View):
    """Why `offers` of a kind are no plan, and what would make the nearest of them one."""

    kind: str
    accelerator: str
    gpus: int
    offers: int
    offer_id: str
    reason: str
    nearest: str = Field(description="Empty where nothing within reach would help.")

    @classmethod
    def of(cls, refusal: Refusal) -> RefusalView:
        return cls(
            kind=refusal.kind,
            accelerator=refusal.accelerator,
            gpus=refusal.devices,
            offers=refusal.offers,
            offer_id=refusal.offer_id,
            reason=refusal.reason,
            nearest=refusal.nearest,
        )


class QuoteView(WishView):
    """What a wish would buy. Nothing was started or reserved."""

    budget: Dollars
    model_parameters: int | None
    stages: list[StageWishView]
    where: Where = Field(description="What was looked at.")
    launchable: bool = Field(description="Whether a run of this plan could be started by this service now.")
    obstacles: list[str] = Field(description="Why it could not; empty when it could.")
    plan: PlanView
    front: list[ChoiceView] = Field(description="Plans that none beats in both dollars and hours, the quickest first.")
    by_gpus: list[CountView] = Field(description="The best plan of each count of accelerators.")
    refusals: list[RefusalView] = Field(description="Why the rest are no plans.")
    offers_considered: int
    price_age_days: int | None = Field(description="Days since the plan's price was read; null when undated.")
    price_is_old: bool = Field(
        description="Too long ago, by LATTICEFORGE_PRICE_MAX_AGE_DAYS, or undated: it is read again before a launch, "
        "and beyond LATTICEFORGE_PRICE_TOLERANCE_PERCENT the run does not start but asks."
    )

    @classmethod
    def of(cls, quote: Quote, listed: ListedOffer) -> QuoteView:
        """`listed` is the plan's offer as it stands today."""
        found = quote.found
        return cls(
            **wish(quote.spec),
            budget=quote.cap.dollars(),
            model_parameters=quote.spec.model_parameters,
            stages=[StageWishView.of(stage) for stage in quote.spec.stages],
            where=quote.where,
            launchable=not quote.obstacles,
            obstacles=list(quote.obstacles),
            plan=PlanView.of(quote.plan),
            front=[ChoiceView.of(choice) for choice in found.front],
            by_gpus=_counts(found),
            refusals=[RefusalView.of(refusal) for refusal in found.refusals],
            offers_considered=found.considered,
            price_age_days=listed.age_days,
            price_is_old=listed.is_old,
        )


def _counts(found: Search) -> list[CountView]:
    views: list[CountView] = []
    before: Choice | None = None
    for choice in found.by_devices:
        views.append(
            CountView(
                **ChoiceView.of(choice).model_dump(),
                extra_dollars=None if before is None else Money(choice.cost - before.cost).dollars(),
                saved_hours=None if before is None else round((before.seconds - choice.seconds) / SECONDS_PER_HOUR, 4),
                extra_tokens=None if before is None else choice.tokens - before.tokens,
            )
        )
        before = choice
    return views


class ComparedView(View):
    """One wish of several. `refusal` is empty where there is a plan; `cheapest` says what the least cap would be."""

    strategy: str
    budget: Dollars
    gpus_asked: int | None
    offer: OfferView | None
    gpus: int | None
    hours: float | None = Field(description="p50, as are the dollars.")
    hours_p90: float | None
    dollars: Dollars | None
    dollars_p90: Dollars | None
    dollars_worst: Dollars | None
    planned_tokens: int | None
    intended_tokens: int | None
    planned_steps: int | None
    intended_steps: int | None
    limit: Limit | None = Field(description="What is expected to cut the training short, if anything is.")
    refusal: str
    cheapest: Dollars | None

    @classmethod
    def of(cls, compared: Compared) -> ComparedView:
        plan = None if compared.quote is None else compared.quote.plan
        return cls(
            strategy=compared.strategy,
            budget=compared.cap.dollars(),
            gpus_asked=compared.gpus,
            offer=None if plan is None else OfferView.of(plan.offer),
            gpus=None if plan is None else plan.offer.accelerator_count,
            hours=None if plan is None else round(plan.seconds.p50 / SECONDS_PER_HOUR, 4),
            hours_p90=None if plan is None else round(plan.seconds.p90 / SECONDS_PER_HOUR, 4),
            dollars=None if plan is None else Money(plan.cost.p50).dollars(),
            dollars_p90=None if plan is None else Money(plan.cost.p90).dollars(),
            dollars_worst=None if plan is None else Money(plan.cost.worst).dollars(),
            planned_tokens=None if plan is None else plan.planned_tokens,
            intended_tokens=None if plan is None else plan.intended_tokens,
            planned_steps=None if plan is None else plan.planned_steps,
            intended_steps=None if plan is None else plan.intended_steps,
            limit=None if plan is None else plan.limit,
            refusal=compared.refusal,
            cheapest=None if compared.cheapest is None else Money(compared.cheapest).dollars(),
        )


class QuoteTable(View):
    """Every strategy with every budget and count of accelerators that was asked for."""

    where: Where
    quotes: list[ComparedView]
