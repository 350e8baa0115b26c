"""A market of thousands of invented offers that look like real ones: for timing, never for a quote."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import date

from orchestrator.adapters.catalog.provider_facts import PROVIDERS, allowances_of, facts_of
from orchestrator.domain.cost.fitted import FITTED
from orchestrator.domain.cost.gpus import GPUS
from orchestrator.domain.cost.model import CostModel
from orchestrator.domain.cost.setup import Sharding
from orchestrator.domain.money import Rate
from orchestrator.domain.offer_book import OfferBook
from orchestrator.domain.offers import Offer
from orchestrator.domain.planner import Market

DOLLARS_PER_HOUR: Mapping[str, float] = {
    "H200": 3.6, "H100": 2.6, "B200": 5.2, "GB200": 6.5, "GB300": 7.5, "A100-80GB": 1.7, "A100": 1.3, "L40S": 1.1,
    "A10G": 0.9, "RTX4090": 0.5,
}  # fmt: skip
"""About what one costs on demand in 2026, only to make the invented prices look like prices."""
COUNTS = (1, 2, 4, 8)
SPOT_SHARE = 0.4
UNKNOWN_PROVIDERS = tuple(f"provider-{number}" for number in range(1, 5))
PRICED_ON = date(2026, 11, 1)


def invented_offers(count: int, seed: int = 7) -> tuple[Offer, ...]:
    """At least `count` offers of 25 providers: regions x accelerators x counts, on demand and many of them spot too."""
    drawn = random.Random(seed)
    providers = (*sorted(PROVIDERS), *UNKNOWN_PROVIDERS)
    found: list[Offer] = []
    region = 0
    while len(found) < count:
        region += 1
        for provider in providers:
            found += _region(provider, f"region-{region}", drawn)
    return tuple(found)


def invented_market(count: int, seed: int = 7, model: CostModel = FITTED) -> Market:
    """The same offers as a market, each provider with the facts and the allowances that the catalogue has of it."""
    offers = invented_offers(count, seed)
    facts = {name: facts_of(name) for name in {each.provider for each in offers}}
    allowances = {name: allowances_of(each) for name, each in facts.items()}
    return Market(OfferBook(offers), facts, allowances, model, (Sharding.NONE, Sharding.FULL))


def _region(provider: str, region: str, drawn: random.Random) -> Iterator[Offer]:
    for accelerator in GPUS:
        if drawn.random() < 0.3:
            continue
        hour = DOLLARS_PER_HOUR[accelerator] * drawn.lognormvariate(0, 0.25)
        for devices in COUNTS:
            yield _offer(provider, region, accelerator, devices, hour, spot=False)
            if drawn.random() < SPOT_SHARE:
                yield _offer(provider, region, accelerator, devices, hour * drawn.uniform(0.35, 0.7), spot=True)


def _offer(provider: str, region: str, accelerator: str, devices: int, dollars: float, *, spot: bool) -> Offer:
    facts = facts_of(provider)
    return Offer(
        provider=provider,
        region=region,
        instance_type=f"{accelerator.lower()}-{devices}x",
        accelerator=accelerator,
        accelerator_count=devices,
        spot=spot,
        rate=Rate(max(round(dollars * devices * 1_000_000), 1)),
        billing_quantum_seconds=facts.billing_quantum_seconds,
        minimum_seconds=facts.minimum_seconds,
        priced_on=PRICED_ON,
        price_source="invented",
    )
