"""Offers as a book: those that differ in nothing but their place and their price stand together, the cheapest first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from orchestrator.domain.offers import Offer

MOST_DEVICES = 4


class Kind(NamedTuple):
    """What the time and the bill of a run depend on, beside the price of an hour."""

    provider: str
    accelerator: str
    devices: int
    spot: bool
    quantum: int
    minimum: int


class OfferBook:
    """All offers, grouped once when they are loaded: of a group only the cheapest can be the best plan."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self.offers = tuple(offers)
        groups: dict[Kind, list[Offer]] = {}
        for offer in self.offers:
            kind = Kind(
                offer.provider,
                offer.accelerator,
                offer.accelerator_count,
                offer.spot,
                offer.billing_quantum_seconds,
                offer.minimum_seconds,
            )
            groups.setdefault(kind, []).append(offer)
        for group in groups.values():
            group.sort(key=lambda offer: (offer.rate.micros_per_hour, offer.id))
        self.groups = {kind: tuple(group) for kind, group in groups.items()}

    def like(self, offer: Offer) -> tuple[Offer, ...]:
        """Those that would do the same in the same time elsewhere or for another price, the cheapest first."""
        return next((group for group in self.groups.values() if offer in group), ())
