"""Priced ways to rent a machine."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from api.schemas.view import Dollars, View
from orchestrator.domain.money import Money
from orchestrator.domain.offers import Offer


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
    priced_on: date
    price_source: str
    capacity: int | None = Field(description="How many can be held at once; null when unknown.")

    @classmethod
    def of(cls, offer: Offer) -> OfferView:
        return cls(
            id=offer.id,
            provider=offer.provider,
            region=offer.region,
            instance_type=offer.instance_type,
            accelerator=offer.accelerator,
            accelerator_count=offer.accelerator_count,
            spot=offer.spot,
            dollars_per_hour=Money(offer.rate.micros_per_hour).dollars(),
            billing_quantum_seconds=offer.billing_quantum_seconds,
            minimum_seconds=offer.minimum_seconds,
            priced_on=offer.priced_on,
            price_source=offer.price_source,
            capacity=offer.capacity,
        )


class OfferList(View):
    offers: list[OfferView]
