"""Before a launch: does the quoted price still hold?"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.errors import InvalidInputError, StorageError
from orchestrator.domain.offers import Offer
from orchestrator.domain.staleness import PriceChange, is_old, judge_change
from orchestrator.ports.clock import Clock
from orchestrator.ports.prices import PriceBook, Prices


@dataclass(frozen=True, slots=True)
class PriceCheck:
    """`now` is the offer as it is listed now, None when it is gone; `change` is then None too. `is_old` says that
    even after a refresh the price could not be shown to be of these days; `why` says why a refresh failed."""

    now: Offer | None
    change: PriceChange | None
    is_old: bool
    why: str | None


class CheckPrice:
    """`prices` is where offers are taken from, `book` the part of them that can be read again."""

    def __init__(self, prices: Prices, book: PriceBook, clock: Clock, most_days: int, tolerance_percent: int) -> None:
        self._prices = prices
        self._book = book
        self._clock = clock
        self._most_days = most_days
        self._tolerance_percent = tolerance_percent

    def execute(self, quoted: Offer) -> PriceCheck:
        """Look `quoted` up by its id, after a refresh if the price is old. Raises nothing of the sources' own: a
        refresh that fails leaves the prices as they are, and is told."""
        now, why = self._find(quoted), None
        if now is None or self._is_old(now):
            why = self._refresh()
            now = self._find(quoted)
        if now is None:
            return PriceCheck(None, None, True, why)
        return PriceCheck(now, judge_change(quoted.rate, now.rate, self._tolerance_percent), self._is_old(now), why)

    def _find(self, quoted: Offer) -> Offer | None:
        return next((offer for offer in self._prices.offers() if offer.id == quoted.id), None)

    def _is_old(self, offer: Offer) -> bool:
        return is_old(offer, self._clock.now().date(), self._most_days)

    def _refresh(self) -> str | None:
        try:
            self._book.refresh()
        except (InvalidInputError, StorageError) as error:
            return str(error)
        return None
