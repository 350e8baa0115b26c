"""Priced ways to rent a machine."""

from __future__ import annotations

from datetime import date
from typing import Any, Self

from pydantic import Field

from api.schemas.view import Dollars, View
from orchestrator.domain.money import Money
from orchestrator.domain.offers import Offer
from orchestrator.services.read_offers import ListedOffer, OfferPage


class OfferView(View):
    """One way to rent; the price is for the whole machine."""

    id: str
    provider: str
    region: str
    instance_type: str
    accelerator: str
    accelerator_count: int
    spot: bool
    dollars_per_hour: Dollars
    billing_quantum_seconds: int = Field(description="Billed in steps of this many seconds.")
    minimum_seconds: int = Field(description="Billed at least.")
    priced_on: date = Field(description="When the price was read; with `undated`, the earliest day it can be from.")
    price_source: str
    undated: bool = Field(description="The source does not say when the price held.")
    firm: bool = Field(description="It can be rented at this price; false for the floor of an auction.")
    capacity: int | None = Field(description="How many can be held at once; null when unknown.")

    @classmethod
    def of(cls, offer: Offer) -> OfferView:
        return cls(**_plain(offer))


class ListedOfferView(OfferView):
    """An offer as it stands today."""

    age_days: int | None = Field(description="Days since the price was read; null when undated.")
    is_old: bool = Field(description="Too long ago, by LATTICEFORGE_PRICE_MAX_AGE_DAYS, or undated.")

    @classmethod
    def listed(cls, listed: ListedOffer) -> Self:
        return cls(**_plain(listed.offer), age_days=listed.age_days, is_old=listed.is_old)


class OfferList(View):
    offers: list[ListedOfferView]
    total: int = Field(description="How many there are on all pages.")
    next: str | None = Field(description="The `after` of the next page; null at the end.")
    remarks: list[str] = Field(description="What should be known about the sources of the prices.")

    @classmethod
    def of(cls, page: OfferPage) -> OfferList:
        return cls(
            offers=[ListedOfferView.listed(each) for each in page.offers],
            total=page.total,
            next=page.next_after,
            remarks=list(page.remarks),
        )


def _plain(offer: Offer) -> dict[str, Any]:
    return {
        "id": offer.id,
        "provider": offer.provider,
        "region": offer.region,
        "instance_type": offer.instance_type,
        "accelerator": offer.accelerator,
        "accelerator_count": offer.accelerator_count,
        "spot": offer.spot,
        "dollars_per_hour": Money(offer.rate.micros_per_hour).dollars(),
        "billing_quantum_seconds": offer.billing_quantum_seconds,
        "minimum_seconds": offer.minimum_seconds,
        "priced_on": offer.priced_on,
        "price_source": offer.price_source,
        "undated": offer.undated,
        "firm": offer.firm,
        "capacity": offer.capacity,
    }
