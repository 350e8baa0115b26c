"""The table of contradictions: every rule has an example that breaks it, and sound configurations break none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.axolotl.rules import RULES, broken_rules
from orchestrator.adapters.axolotl.schema import check_keys_and_types, known_keys
from orchestrator.adapters.axolotl.setting import Setting, Verdict

EXAMPLES: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("rule_examples.json").read_text(encoding="utf-8")
)
FSDP = {"auto_wrap_policy": "TRANSFORMER_BASED_WRAP"}


def setting(example: dict[str, Any]) -> Setting:
    return Setting(example["config"], example.get("device", "cuda"), example.get("gpus", 1))


def test_every_rule_has_one_id_and_one_example() -> None:
    assert [rule.id for rule in RULES] == list(EXAMPLES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_broken_by_its_example(rule: Any) -> None:
    assert rule.id in [broken.id for broken in broken_rules(setting(EXAMPLES[rule.id]))]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_speaks_of_real_fields_and_its_example_touches_one(rule: Any) -> None:
    assert set(rule.fields) <= set(known_keys())
    assert set(rule.fields) & set(EXAMPLES[rule.id]["config"])
    assert check_keys_and_types(EXAMPLES[rule.id]["config"], "example") == ()


def test_what_axolotl_says_is_recorded_for_what_it_refuses_and_only_that() -> None:
    assert {id for id, example in EXAMPLES.items() if "says" in example} == {
        rule.id for rule in RULES if rule.axolotl is Verdict.REFUSES
    }


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"adapter": "lora", "lora_r": 8, "lora_alpha": 16, "peft_use_dora": True, "loraplus_lr_ratio": 16},
        {"adapter": "qlora", "lora_r": 8, "lora_alpha": 16, "load_in_4bit": True},
        {"optimizer": "galore_adamw_8bit", "optim_target_modules": ["mlp"], "gradient_accumulation_steps": 8},
        {"rl": "orpo", "orpo_alpha": 0.1, "adapter": "lora", "lora_r": 8, "lora_alpha": 16},
        {
            "adapter": "lora",
            "lora_r": 8,
            "lora_alpha": 16,
            "peft_use_dora": True,
            "fsdp_version": 2,
            "fsdp_config": FSDP,
        },
        {"relora": True, "jagged_restart_steps": 50, "adapter": "lora", "lora_r": 8, "lora_alpha": 16},
        {"optimizer": None, "lr_scheduler": None, "neftune_noise_alpha": None},
        {"neftune_noise_alpha": 5},
    ],
)
def test_a_sound_configuration_breaks_no_rule(config: dict[str, object]) -> None:
    assert broken_rules(Setting(config, "cuda", 2)) == ()
