"""What is true of a provider, and what cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.adapters.catalog.provider_facts import PROVIDERS, facts_of
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.overheads import Sizes, overheads_of
from orchestrator.domain.providers import Spread

AWS = PROVIDERS["aws"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_a_spread_is_of_finite_figures(value: float) -> None:
    with pytest.raises(InvalidInputError):
        Spread(1, value, "a test")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("billing_quantum_seconds", 0),
        ("minimum_seconds", -1),
        ("storage_micros_per_gib_hour", -1),
        ("download_bytes_per_second", Spread(0, 0, "a test")),
    ],
)
def test_a_provider_cannot_bill_backwards_or_stand_still(field: str, value: object) -> None:
    with pytest.raises(InvalidInputError):
        replace(AWS, **{field: value})


def test_what_was_not_found_in_a_source_says_that_it_is_believed() -> None:
    assert not AWS.provision.is_believed
    assert AWS.image_pull.is_believed


def test_storage_and_traffic_are_per_gib_and_rounded_up() -> None:
    # $0.08 per GB and month: 0.08 x 1.073741824 / 730 h = 117.67 micro-dollars; $0.09/GB out: 0.0966367 dollars.
    assert AWS.storage_micros_per_gib_hour == 118
    assert AWS.egress_micros_per_gib == 96_637


def test_a_provider_that_nobody_described_is_taken_for_the_worst_of_its_kind() -> None:
    unknown = facts_of("acme")
    assert unknown.name == "acme"
    assert (unknown.billing_quantum_seconds, unknown.autostop) == (3600, None)
    assert unknown.source.startswith("believed")
    assert unknown.provision.p95 == max(each.provision.p95 for each in PROVIDERS.values())


def test_the_image_is_waited_for_before_the_first_step() -> None:
    sizes = Sizes(model=0, checkpoint=0, result=0, is_here=False)
    assert overheads_of(AWS, sizes).provision == AWS.provision.p50 + AWS.image_pull.p50
