"""What the trainer tells the node about the length of a training and its warm-up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.adapters.axolotl.trainer import AxolotlTrainer
from orchestrator.domain.cost.tokens import TokenFacts
from orchestrator.domain.cost.told import told_facts
from orchestrator.domain.funding import plan_request
from orchestrator.domain.ids import StageId
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.money import Money
from orchestrator.domain.planner import make_plan
from orchestrator.domain.stages import Stage, StageKind
from tests.unit.domain.making import NOW, market, run, spec


def config_of(rows: int | None, tokens: TokenFacts | None = None, **settings: JsonValue) -> dict[str, JsonValue]:
    """The configuration of a first train stage of 3 epochs, 8 rows a step, with `settings` in the recipe."""
    train, evaluate = spec().stages
    train = replace(train, recipe={**train.recipe, **settings})
    wish = spec(stages=(train, evaluate), dataset=replace(spec().dataset, rows=rows, tokens=tokens))
    here = market()
    request = plan_request(wish, (), Money(50_000_000), None)
    plan = make_plan(request, here, NOW)
    order = AxolotlTrainer("cpu").order(run(spec=wish, plan=plan), Stage(StageId("01-train"), StageKind.TRAIN, 600))
    assert order.config is not None
    return dict(order.config)


def test_a_share_of_warm_up_becomes_steps() -> None:
    config = config_of(800, warmup_ratio=0.1)
    assert (config["max_steps"], config["warmup_steps"]) == (300, 30)
    assert "warmup_ratio" not in config


@pytest.mark.parametrize(("settings", "steps"), [({}, 15), ({"warmup_ratio": 0}, 0), ({"warmup_steps": 7}, 7)])
def test_a_warm_up_without_a_share_is_the_recipes_or_a_twentieth(settings: dict[str, JsonValue], steps: int) -> None:
    assert config_of(800, **settings)["warmup_steps"] == steps


def test_a_recipes_max_steps_holds_also_when_nobody_has_counted_the_rows() -> None:
    assert config_of(None, max_steps=40)["max_steps"] == 40
    assert config_of(800, max_steps=40)["max_steps"] == 40
    assert "max_steps" not in config_of(None)


def test_steps_are_fixed_only_where_every_row_was_counted_at_the_length_that_it_is_trained_at() -> None:
    length = spec().stages[0].recipe["sequence_len"]
    assert isinstance(length, int)
    sampled = told_facts(40_000, length, 50)
    assert "max_steps" not in config_of(800, replace(sampled, exact=False))
    assert "max_steps" not in config_of(800, replace(sampled, exact=True, sequence_len=2 * length))
    assert config_of(800, replace(sampled, exact=True))["max_steps"] == 300
