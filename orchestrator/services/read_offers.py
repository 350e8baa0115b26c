"""Looking at what can be rented: here, where runs are launched, and in the clouds, for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from orchestrator.domain.accelerators import accelerator_of
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.offers import Offer
from orchestrator.domain.staleness import age_days, is_old
from orchestrator.ports.clock import Clock
from orchestrator.ports.prices import PriceBook, Prices


class Where(StrEnum):
    """HERE: this machine, which every run is launched on. CLOUDS: the providers whose prices are known."""

    HERE = "here"
    CLOUDS = "clouds"


@dataclass(frozen=True, slots=True)
class OfferQuery:
    """A page of offers; None does not filter. `after` is the id of the last offer of the page before."""

    where: Where = Where.HERE
    accelerator: str | None = None
    provider: str | None = None
    count: int | None = None
    spot: bool | None = None
    after: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class ListedOffer:
    """An offer, the days since its price was read (None: undated) and whether that is too long."""

    offer: Offer
    age_days: int | None
    is_old: bool


@dataclass(frozen=True, slots=True)
class OfferPage:
    """`total` counts what the filters let through, on all pages."""

    offers: tuple[ListedOffer, ...]
    total: int
    next_after: str | None
    remarks: tuple[str, ...]


class ReadOffers:
    """`most_days` is the age from which on a price is old."""

    def __init__(self, here: Prices, clouds: PriceBook, clock: Clock, most_days: int) -> None:
        self._here = here
        self._clouds = clouds
        self._clock = clock
        self._most_days = most_days

    def page(self, query: OfferQuery) -> OfferPage:
        """Here in the order of size, in the clouds the cheapest first by accelerator and hour. Raises
        `InvalidInputError` for an `after` that is none of the offers asked for."""
        prices = self._here if query.where is Where.HERE else self._clouds
        found = _matching(prices.offers(), query)
        remarks: tuple[str, ...] = ()
        if query.where is Where.CLOUDS:
            found.sort(key=_dearness)
            remarks = self._clouds.remarks()
        start = _start(found, query.after)
        piece = found[start : start + query.limit]
        more = start + query.limit < len(found)
        today = self._clock.now().date()
        return OfferPage(
            tuple(self._on(today, offer) for offer in piece), len(found), piece[-1].id if more else None, remarks
        )

    def listed(self, offer: Offer) -> ListedOffer:
        """An offer of a plan with the age that its price has today."""
        return self._on(self._clock.now().date(), offer)

    def _on(self, today: date, offer: Offer) -> ListedOffer:
        return ListedOffer(offer, age_days(offer, today), is_old(offer, today, self._most_days))


def _matching(offers: Sequence[Offer], query: OfferQuery) -> list[Offer]:
    accelerator = query.accelerator and (accelerator_of(query.accelerator) or query.accelerator)
    provider = query.provider and query.provider.strip().lower()
    return [
        offer
        for offer in offers
        if (query.spot is None or offer.spot == query.spot)
        and (query.count is None or offer.accelerator_count == query.count)
        and (provider is None or offer.provider == provider)
        and (accelerator is None or offer.accelerator == accelerator)
    ]


def _dearness(offer: Offer) -> tuple[bool, float]:
    # What cannot be rented at its price is not the cheapest.
    return not offer.firm, offer.rate.micros_per_hour / offer.accelerator_count


def _start(offers: Sequence[Offer], after: str | None) -> int:
    if after is None:
        return 0
    for index, offer in enumerate(offers):
        if offer.id == after:
            return index + 1
    raise InvalidInputError.of("after", "is not one of the offers asked for; start from the first page")
