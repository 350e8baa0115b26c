"""The price port: what can be rented, and for how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from orchestrator.domain.budget import Allowances
from orchestrator.domain.offers import Offer
from orchestrator.domain.shares import Overheads


class Prices(Protocol):
    """Promises: every offer is a size that exists, with a positive price and the date it was read;
    `overheads` and `allowances` have an entry for the provider of every offer."""

    def offers(self) -> tuple[Offer, ...]: ...

    def overheads(self) -> Mapping[str, Overheads]: ...

    def allowances(self) -> Mapping[str, Allowances]: ...
