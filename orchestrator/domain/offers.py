"""Offers: the priced ways to rent a machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from orchestrator.domain.money import Money, Rate

LOCAL_PROVIDER = "local"


@dataclass(frozen=True, slots=True)
class Offer:
    """One priced way to rent: a cloud, a region, an instance type with its accelerators, spot or on demand.

    `rate` is for the whole machine. `billing_quantum_seconds` is the step in which it is billed and
    `minimum_seconds` the least that is billed. `capacity` is how many leases of this `pool` (one provider's instance
    type in one region, whatever the count of accelerators used) can be held at once, None when unknown.

    `undated`: the source does not say when the price held; `priced_on` is then the earliest day that it can be from.
    `firm`: it can be rented at this price; an auction's floor is not firm, it is what a bid starts at. `listed_as` is
    the accelerator in the provider's own words, which a launch has to use; empty where they are ours.
    `storage_micros_per_hour` is the part of `rate` that its disk costs, where that is billed apart.
    """

    provider: str
    region: str
    instance_type: str
    accelerator: str
    accelerator_count: int
    spot: bool
    rate: Rate
    billing_quantum_seconds: int
    minimum_seconds: int
    priced_on: date
    price_source: str
    capacity: int | None = None
    undated: bool = False
    firm: bool = True
    listed_as: str = ""
    storage_micros_per_hour: int = 0

    @property
    def id(self) -> str:
        """A stable name for logs and pages."""
        market = "spot" if self.spot else "on-demand"
        return f"{self.provider}/{self.region}/{self.instance_type}:{self.accelerator_count}:{market}"

    @property
    def pool(self) -> str:
        """What a capacity is counted for."""
        return f"{self.provider}/{self.region}/{self.instance_type}"

    def billed_seconds(self, seconds: int) -> int:
        """What is billed for `seconds` of use: at least the minimum, in whole quanta, rounded up."""
        quantum = self.billing_quantum_seconds
        return -(-max(seconds, self.minimum_seconds) // quantum) * quantum

    def cost(self, seconds: int) -> Money:
        """The bill for `seconds` of use, rounded up."""
        return self.rate.cost_ceil(self.billed_seconds(seconds))
