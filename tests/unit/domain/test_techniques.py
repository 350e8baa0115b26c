"""Which techniques a configuration uses, told from its keys."""

from __future__ import annotations

import pytest

from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.stages import StageKind
from orchestrator.domain.strategies import CUSTOM, STRATEGIES, Wishes, expand, find_strategy
from orchestrator.domain.techniques import techniques_in

LORA: dict[str, JsonValue] = {"adapter": "lora", "lora_r": 64}


@pytest.mark.parametrize("word", [each.key for each in STRATEGIES if each.key != CUSTOM])
def test_every_trainings_recipe_names_its_techniques(word: str) -> None:
    for stage in expand(find_strategy(word), Wishes({})):
        if stage.kind is StageKind.TRAIN:
            # ReLoRA is no setting of one training: it is a chain of several.
            assert {*techniques_in(stage.recipe)} == {*stage.techniques} - {"relora"}


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
        ({"optimizer": "galore_adamw_8bit"}, ("galore",)),
        ({**LORA, "rl": "orpo", "neftune_noise_alpha": None}, ("lora", "orpo")),
        ({"neftune_noise_alpha": 5}, ("full", "neftune")),
    ],
)
def test_techniques_are_told_from_the_real_keys(settings: dict[str, JsonValue], techniques: tuple[str, ...]) -> None:
    assert techniques_in(settings) == techniques
