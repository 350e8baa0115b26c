"""Markets and requests to try the planner on: invented offers, real models and strategies."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from hypothesis import strategies as st

from orchestrator.adapters.catalog.provider_facts import allowances_of, facts_of
from orchestrator.domain.cost.fitted import FITTED
from orchestrator.domain.cost.known import known
from orchestrator.domain.cost.setup import Sharding
from orchestrator.domain.cost.told import told_facts
from orchestrator.domain.funding import plan_request
from orchestrator.domain.money import Money, Rate
from orchestrator.domain.offer_book import OfferBook
from orchestrator.domain.offers import Offer
from orchestrator.domain.planner import Market, PlanRequest
from orchestrator.domain.run import DatasetRef
from orchestrator.domain.stages import StageKind
from orchestrator.domain.strategies import STRATEGIES, Wishes, expand, find_strategy
from tests.unit.domain.making import offer, spec

SPLIT = (Sharding.NONE, Sharding.FULL)
MODELS = ("TinyLlama/TinyLlama-1.1B", "Qwen/Qwen2.5-0.5B", "meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-70B")
NAMES = sorted(each.key for each in STRATEGIES if each.key != "custom")
LENGTH = 2048


def rented(**changes: object) -> Offer:
    """One H200 of a cloud, by the second."""
    whole = offer(
        provider="nebius", region="eu", instance_type="h200-1x", accelerator="H200", minimum_seconds=1, capacity=None
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


offers = st.builds(
    lambda provider, region, accelerator, count, spot, dollars, quantum, minimum: rented(
        provider=provider,
        region=region,
        instance_type=f"{accelerator}-{count}x-{quantum}-{minimum}",
        accelerator=accelerator,
        accelerator_count=count,
        spot=spot,
        rate=Rate(dollars * count * 10_000),
        billing_quantum_seconds=quantum,
        minimum_seconds=minimum,
    ),
    st.sampled_from(["nebius", "vast", "gcp", "seeweb", "stranger"]),
    st.sampled_from(["eu", "us"]),
    st.sampled_from(["H200", "H100", "A100-80GB", "L40S", "A10G"]),
    st.integers(1, 4),
    st.booleans(),
    st.integers(20, 800),
    st.sampled_from([1, 60, 3600]),
    st.sampled_from([1, 60, 3600]),
)
some_offers = st.lists(offers, min_size=1, max_size=6, unique_by=lambda each: each.id).map(tuple)
caps = st.integers(10_000, 200_000_000) | st.integers(10_000, 5_000_000_000)
strategies = st.sampled_from(NAMES)
models = st.sampled_from(MODELS)
tokens = st.sampled_from([30_000, 1_000_000, 20_000_000, 500_000_000])
limits = st.none() | st.integers(60, 400_000)


def clouds(*chosen: Offer) -> Market:
    """A market of these offers, with what the catalogue knows of their providers."""
    facts = {each.provider: facts_of(each.provider) for each in chosen}
    allowances = {name: allowances_of(each) for name, each in facts.items()}
    return Market(OfferBook(chosen), facts, allowances, FITTED, SPLIT)


@lru_cache(maxsize=256)
def wish(strategy: str = "lora", model: str = MODELS[2], count: int = 20_000_000, **changes: object) -> PlanRequest:
    """What a strategy of the catalogue asks for on so many tokens, with the settings that it has."""
    architecture = known(model)
    assert architecture is not None
    stages = expand(find_strategy(strategy), Wishes({}))
    facts = told_facts(count, LENGTH)
    rows = DatasetRef("told", "alpaca", facts.rows, 64, "told", tokens=facts)
    whole = spec(
        stages=tuple(
            replace(each, recipe={**each.recipe, "num_epochs": each.recipe["num_epochs"] / each.cycles})  # type: ignore[operator]
            if each.kind is StageKind.TRAIN
            else each
            for each in stages
        ),
        architecture=architecture,
        model_parameters=architecture.parameters,
        model_is_local=False,
        dataset=rows,
    )
    return replace(plan_request(whole, (), Money(50_000_000), None), **changes)  # type: ignore[arg-type]
