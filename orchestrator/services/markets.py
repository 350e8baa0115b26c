"""Markets: what can be rented, from several places seen as one, as planning wants it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import TypeVar

from orchestrator.domain.budget import Allowances
from orchestrator.domain.cost.model import CostModel
from orchestrator.domain.cost.setup import Sharding
from orchestrator.domain.offer_book import OfferBook
from orchestrator.domain.offers import Offer
from orchestrator.domain.planner import Market
from orchestrator.domain.providers import ProviderFacts
from orchestrator.ports.prices import Prices

T = TypeVar("T")


class JoinedPrices:
    """The offers of all `parts`, one part after the other. Of two with the same id, and of two entries for the same
    provider, that of the earlier part counts."""

    def __init__(self, parts: Sequence[Prices]) -> None:
        self._parts = tuple(parts)
        self._joined: tuple[tuple[tuple[Offer, ...], ...], tuple[Offer, ...]] = ((), ())

    def offers(self) -> tuple[Offer, ...]:
        # While the parts answer the same, so does this: whoever keeps something by the offers can keep it.
        parts = tuple(part.offers() for part in self._parts)
        before, joined = self._joined
        if before != parts:
            joined = tuple(_earliest({offer.id: offer for offer in offers} for offers in parts).values())
            self._joined = parts, joined
        return joined

    def allowances(self) -> Mapping[str, Allowances]:
        return _earliest(part.allowances() for part in self._parts)

    def facts(self) -> Mapping[str, ProviderFacts]:
        return _earliest(part.facts() for part in self._parts)


class OfferedBy:
    """Of `prices`, what is offered by one of `providers`."""

    def __init__(self, prices: Prices, providers: Collection[str]) -> None:
        self._prices = prices
        self._providers = frozenset(providers)
        self._found: tuple[tuple[Offer, ...], tuple[Offer, ...]] = ((), ())

    def offers(self) -> tuple[Offer, ...]:
        offers = self._prices.offers()
        before, found = self._found
        if offers is not before:
            found = tuple(offer for offer in offers if offer.provider in self._providers)
            self._found = offers, found
        return found

    def allowances(self) -> Mapping[str, Allowances]:
        return self._prices.allowances()

    def facts(self) -> Mapping[str, ProviderFacts]:
        return self._prices.facts()


def _earliest(mappings: Iterable[Mapping[str, T]]) -> dict[str, T]:
    """All entries in the order met; a key's first one counts."""
    found: dict[str, T] = {}
    for key, value in chain.from_iterable(mapping.items() for mapping in mappings):
        found.setdefault(key, value)
    return found


class Markets:
    """A market as it is now. Offers that did not change are not sorted again. `shardings` is what a training's memory
    may be split by there."""

    def __init__(
        self,
        prices: Prices,
        model: Callable[[], CostModel],
        shardings: tuple[Sharding, ...] = (Sharding.NONE,),
    ) -> None:
        self._prices = prices
        self._model = model
        self._shardings = shardings
        self._market: Market | None = None

    def market(self) -> Market:
        """The very same one while nothing about it has changed: what was reckoned on it is kept with it."""
        offers, facts, allowances = self._prices.offers(), self._prices.facts(), self._prices.allowances()
        known, model = self._market, self._model()
        if known is not None and known.offers == offers:
            same = known.model is model and known.providers == facts and known.allowances == allowances
            book = known.book
        else:
            same, book = False, OfferBook(offers)
        if known is None or not same:
            self._market = known = Market(book, facts, allowances, model, self._shardings)
        return known
