"""The prices that come with the project."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import pytest

from orchestrator.adapters.catalog.provider_facts import PROVIDERS
from orchestrator.adapters.catalog.snapshot import MADE_ON, snapshot
from orchestrator.domain.offers import Offer

AVERAGES = {  # dollars per GPU and hour over whole markets, as a price screener had them on 2026-10-24: a yardstick
    ("hyperstack", "H200"): 3.99, ("runpod", "H200"): 4.44, ("jarvislabs", "H200"): 4.59, ("lium", "H200"): 4.9544,
    ("nebius", "H200"): 5.40, ("verda", "H200"): 5.8621, ("runpod", "H100"): 3.21, ("lambda", "H100"): 4.0811,
    ("verda", "H100"): 4.4868, ("nebius", "H100"): 4.50, ("digitalocean", "H100"): 5.373, ("coreweave", "H100"): 6.155,
}  # fmt: skip


def offers(provider: str, accelerator: str = "H200", spot: bool = False) -> list[Offer]:
    return [
        offer
        for offer in snapshot()
        if (offer.provider, offer.accelerator, offer.spot) == (provider, accelerator, spot)
    ]


@pytest.mark.parametrize(
    ("provider", "sizes"),
    [
        ("nebius", {1, 8}), ("seeweb", {1, 2, 4}), ("verda", {1, 2}), ("runpod", {1, 2}), ("jarvislabs", {1, 2, 4, 8}),
        ("lium", {1}), ("aws", {8}), ("hyperstack", {1}), ("akash", {1}), ("crusoe", {1}),
    ],
)  # fmt: skip
def test_only_sizes_of_h200_that_exist_are_offered(provider: str, sizes: set[int]) -> None:
    assert {offer.accelerator_count for offer in offers(provider)} == sizes


def test_the_accelerators_to_compare_with_are_there() -> None:
    assert {offer.accelerator for offer in snapshot()} == {"H200", "H100", "A100-80GB", "B200", "L40S"}


def test_each_region_is_an_offer_of_its_own() -> None:
    assert {offer.region for offer in offers("verda")} == {"FIN-02", "FIN-03"}
    assert not [offer for offer in snapshot() if "/" in offer.region]


def test_spot_is_cheaper_than_on_demand_wherever_both_are_offered() -> None:
    demand = {(each.pool, each.accelerator_count): each.rate for each in snapshot() if not each.spot}
    pairs = [(each.rate, demand.get((each.pool, each.accelerator_count))) for each in snapshot() if each.spot]
    assert len(pairs) >= 10
    assert all(firm is None or spot < firm for spot, firm in pairs)


def test_a_price_for_which_nothing_can_be_rented_is_not_firm() -> None:
    assert {offer.provider for offer in snapshot() if not offer.firm} == {"mithril"}
    assert all(offer.spot for offer in snapshot() if not offer.firm)


def test_a_row_without_a_day_of_its_own_says_so() -> None:
    assert all(offer.undated for offer in snapshot() if offer.priced_on in {date(2025, 1, 1), date(2026, 1, 1)})
    dated = [offer for offer in snapshot() if not offer.undated]
    assert len(dated) >= 20
    assert all(date(2026, 8, 1) <= offer.priced_on <= MADE_ON for offer in dated)


def test_every_row_has_its_own_source_and_a_described_provider() -> None:
    assert all(offer.price_source != "the project's snapshot" for offer in snapshot())
    assert {offer.provider for offer in snapshot()} <= PROVIDERS.keys()


def test_no_price_is_far_from_what_its_provider_asked_on_average() -> None:
    cheapest: dict[tuple[str, str], float] = defaultdict(lambda: float("inf"))
    for offer in snapshot():
        if not offer.spot:
            key = offer.provider, offer.accelerator
            cheapest[key] = min(cheapest[key], offer.rate.micros_per_hour / 1e6 / offer.accelerator_count)
    ratios = {key: cheapest[key] / average for key, average in AVERAGES.items()}
    assert all(0.5 < ratio < 1.5 for ratio in ratios.values()), ratios
