"""Which techniques a configuration uses, told from its keys."""

from __future__ import annotations

import pytest

from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.strategies import STRATEGIES
from orchestrator.domain.techniques import techniques_in

LORA: dict[str, JsonValue] = {"adapter": "lora", "lora_r": 64}


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.key)
def test_every_strategys_recipe_names_the_strategys_techniques(strategy: object) -> None:
    # ReLoRA is no setting of one training: it is a chain of several.
    expected = {*strategy.techniques} - {"relora"}  # type: ignore[attr-defined]
    assert {*techniques_in(strategy.recipe())} - {"full"} == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("settings", "techniques"),
    [
        ({}, ("full",)),
        (LORA, ("lora",)),
        ({**LORA, "load_in_8bit": True}, ("lora",)),
        ({**LORA, "load_in_4bit": True}, ("qlora",)),
        ({**LORA, "adapter": "qlora", "load_in_4bit": True}, ("qlora",)),
        ({**LORA, "peft_use_dora": True, "peft_use_rslora": True}, ("lora", "dora", "rslora")),
        ({**LORA, "peft_use_dora": False, "loraplus_lr_ratio": 16}, ("lora", "lora_plus")),
        ({"optimizer": "galore_adamw_8bit"}, ("full", "galore")),
        ({**LORA, "rl": "orpo", "neftune_noise_alpha": None}, ("lora", "orpo")),
        ({"neftune_noise_alpha": 5}, ("full", "neftune")),
    ],
)
def test_techniques_are_told_from_the_real_keys(settings: dict[str, JsonValue], techniques: tuple[str, ...]) -> None:
    assert techniques_in(settings) == techniques
