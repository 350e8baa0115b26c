"""Markets: what can be rented, as planning wants it, from the price port and what was learned."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.domain.cost.model import CostModel
from orchestrator.domain.offer_book import OfferBook
from orchestrator.domain.planner import Market
from orchestrator.ports.prices import Prices


class Markets:
    """The market that runs are launched in. Offers that did not change are not sorted again."""

    def __init__(self, prices: Prices, model: Callable[[], CostModel]) -> None:
        self._prices = prices
        self._model = model
        self._book = OfferBook(())

    def market(self) -> Market:
        offers, book = self._prices.offers(), self._book
        if offers is not book.offers and offers != book.offers:
            self._book = book = OfferBook(offers)
        return Market(book, self._prices.facts(), self._prices.allowances(), self._model())
