"""The price port: what can be rented, and for how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from orchestrator.domain.budget import Allowances
from orchestrator.domain.offers import Offer
from orchestrator.domain.providers import ProviderFacts


class Prices(Protocol):
    """Promises: every offer is a size that exists, with a positive price and the date it was read; no two offers have
    the same id; `allowances` and `facts` have an entry for the provider of every offer. While nothing has
    changed, `offers` answers the same at once: it is asked for every quote."""

    def offers(self) -> tuple[Offer, ...]: ...

    def allowances(self) -> Mapping[str, Allowances]: ...

    def facts(self) -> Mapping[str, ProviderFacts]: ...


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh found: how many offers there are now, by the source that each is taken from, and remarks."""

    offers: int
    by_source: Mapping[str, int]
    remarks: tuple[str, ...]


class PriceBook(Prices, Protocol):
    """Prices that are read from somewhere and can be read again. `offers` never fails: a source that breaks keeps
    what it last gave, and `remarks` says so."""

    def refresh(self, origin: str | None = None) -> Refreshed:
        """Read every source anew, and the one at `origin` (a file or an address) in addition; default: as set.

        Raises `InvalidInputError` when one of them is broken; then all that was known before is kept.
        """
        ...

    def remarks(self) -> tuple[str, ...]:
        """What should be known about the sources: what is missing, broken or was left out."""
        ...
