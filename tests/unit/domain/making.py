"""Small valid domain objects for tests; each argument overrides one field."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from orchestrator.domain.budget import Allowances
from orchestrator.domain.cost.fitted import FITTED
from orchestrator.domain.ids import RunId
from orchestrator.domain.money import Rate
from orchestrator.domain.offer_book import OfferBook
from orchestrator.domain.offers import Offer
from orchestrator.domain.planner import Market
from orchestrator.domain.providers import ProviderFacts, Spread
from orchestrator.domain.run import DatasetRef, Run, RunSpec
from orchestrator.domain.stages import StageKind, StageSpec
from orchestrator.domain.strategies import Wishes, expand, find_strategy

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
RUN = RunId("run_abcdefghijkl")
ALLOWANCES = Allowances(detect=2, checkpoint=8, teardown=3)
STARTUP = 15


def offer(**changes: object) -> Offer:
    whole = Offer(
        provider="local",
        region="here",
        instance_type="this-machine",
        accelerator="CPU",
        accelerator_count=1,
        spot=False,
        rate=Rate(4_000_000),
        billing_quantum_seconds=1,
        minimum_seconds=1,
        priced_on=date(2026, 11, 23),
        price_source="a setting",
        capacity=1,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def market(*offers: Offer) -> Market:
    chosen = offers or (offer(),)
    providers = {each.provider for each in chosen}
    facts_of = {provider: facts(provider) for provider in providers}
    return Market(OfferBook(chosen), facts_of, dict.fromkeys(providers, ALLOWANCES), FITTED)


def facts(provider: str = "local", provision: int = 1, startup: int = STARTUP) -> ProviderFacts:
    """A provider whose machines are there after `provision` seconds and start a training in `startup`."""
    return ProviderFacts(
        name=provider,
        billing_quantum_seconds=1,
        minimum_seconds=1,
        provision=Spread(provision, 1.5 * provision, "a test"),
        image_pull=Spread(0, 0, "a test"),
        download_bytes_per_second=Spread(1e9, 5e8, "a test"),
        teardown=Spread(1, 2, "a test"),
        storage_micros_per_gib_hour=0,
        spot_notice_seconds=None,
        autostop=True,
        source="a test",
        startup=Spread(startup, 1.5 * startup, "a test"),
    )


SHAPE = {"micro_batch_size": 8, "gradient_accumulation_steps": 1, "sequence_len": 128, "num_epochs": 3}


def stages(strategy: str = "lora", **parameters: int | float | str) -> tuple[StageSpec, ...]:
    """The stages of a strategy, each training in the tests' small shape; ReLoRA's cycles share its epochs."""
    expanded = expand(find_strategy(strategy), Wishes(parameters))
    return tuple(
        replace(each, recipe={**each.recipe, **SHAPE, "num_epochs": SHAPE["num_epochs"] / each.cycles})
        if each.kind is StageKind.TRAIN
        else each
        for each in expanded
    )


def spec(**changes: object) -> RunSpec:
    whole = RunSpec(
        strategy="lora",
        model="/models/tiny",
        model_parameters=1_000_000,
        model_is_local=True,
        dataset=DatasetRef("/data/train.jsonl", "alpaca", 800, 64, "/data/heldout.jsonl"),
        stages=stages(),
        seed=42,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def run(**changes: object) -> Run:
    return replace(Run(RUN, spec(), NOW, wake_at=NOW), **changes)  # type: ignore[arg-type]
