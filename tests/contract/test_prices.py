"""What orchestrator/ports/prices.py promises, proved on every adapter."""

from __future__ import annotations

from datetime import date

from orchestrator.adapters.codec import decode, encode
from orchestrator.domain.cost.gpus import GPUS
from orchestrator.domain.offers import Offer
from orchestrator.ports.prices import Prices
from tests.contract.price_adapters import prices

__all__ = ["prices"]


def test_there_is_something_on_offer(prices: Prices) -> None:
    assert prices.offers()


def test_every_offer_is_a_size_with_a_price_a_date_and_a_source(prices: Prices) -> None:
    for offer in prices.offers():
        assert offer.rate.micros_per_hour > 0
        assert offer.accelerator_count >= 1
        assert offer.billing_quantum_seconds >= 1
        assert date(2020, 1, 1) <= offer.priced_on
        assert all((offer.provider, offer.region, offer.instance_type, offer.accelerator, offer.price_source))


def test_no_two_offers_share_an_id(prices: Prices) -> None:
    ids = [offer.id for offer in prices.offers()]
    assert len(ids) == len(set(ids))


def test_every_accelerator_goes_by_its_known_name_or_by_the_drivers(prices: Prices) -> None:
    assert {offer.accelerator for offer in prices.offers()} <= {*GPUS, "GPU", "CPU"}


def test_the_provider_of_every_offer_is_described(prices: Prices) -> None:
    providers = {offer.provider for offer in prices.offers()}
    assert providers <= prices.allowances().keys()
    assert providers <= prices.facts().keys()


def test_what_is_told_of_a_provider_has_its_name_and_the_bad_side_is_the_worse(prices: Prices) -> None:
    for name, facts in prices.facts().items():
        assert facts.name == name
        assert facts.source
        for time in (facts.provision, facts.image_pull, facts.teardown):
            assert time.p50 <= time.p95
            assert time.source
        assert facts.download_bytes_per_second.p95 <= facts.download_bytes_per_second.p50


def test_the_end_of_a_machine_is_allowed_what_it_takes_nineteen_times_in_twenty(prices: Prices) -> None:
    for name, facts in prices.facts().items():
        assert prices.allowances()[name].teardown >= facts.teardown.p95


def test_asked_again_nothing_has_changed(prices: Prices) -> None:
    assert prices.offers() == prices.offers()


def test_an_offer_is_the_same_after_it_was_kept_in_a_runs_document(prices: Prices) -> None:
    for offer in prices.offers():
        assert decode(Offer, encode(Offer, offer)) == offer
