"""The study book's own YAML, as it stands there: understood, with the real keys, and said."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from orchestrator.adapters.axolotl.adoption import adopt_recipe
from orchestrator.adapters.axolotl.recipe_text import parse_recipe
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.techniques import techniques_in

DORA = """\
adapter: lora
lora_use_dora: true
"""
NEFTUNE = """\
neftune_noise_alpha: 5
"""
GALORE = """\
optimizer: galore_adamw_8bit
galore_rank: 128
galore_update_proj_gap: 200
galore_scale: 0.25
"""
LORA_PLUS = """\
loraplus_lr_ratio: 16
"""
RSLORA = """\
lora_use_rslora: true
"""
ORPO = """\
rl: orpo
orpo_alpha: 0.1
"""
STRATEGY_A = """\
adapter: lora
lora_r: 128
lora_alpha: 256
lora_use_dora: true
lora_use_rslora: true
loraplus_lr_ratio: 16
neftune_noise_alpha: 5
"""
STRATEGY_B = """\
# No adapter - full fine-tuning
load_in_4bit: false
optimizer: galore_adamw_8bit
galore_rank: 128
galore_update_proj_gap: 200
"""
STRATEGY_D = """\
rl: orpo
orpo_alpha: 0.1
# With your preference pairs dataset
"""
REFERENCE = """\
# DoRA
lora_use_dora: true

# NEFTune
neftune_noise_alpha: 5

# rsLoRA
lora_use_rslora: true

# LoRA+
loraplus_lr_ratio: 16

# GaLore
optimizer: galore_adamw_8bit
galore_rank: 128
galore_update_proj_gap: 200
galore_scale: 0.25

# ORPO
rl: orpo
orpo_alpha: 0.1

# All together (except GaLore - incompatible with LoRA)
adapter: lora
lora_r: 128
lora_alpha: 256
lora_use_dora: true
lora_use_rslora: true
loraplus_lr_ratio: 16
neftune_noise_alpha: 5
"""
GALORE_KEYS = {
    "optimizer": "galore_adamw_8bit",
    "optim_args": {"rank": 128, "update_proj_gap": 200, "scale": 0.25},
    "optim_target_modules": ["self_attn", "mlp"],
}
A_KEYS = {
    "adapter": "lora",
    "lora_r": 128,
    "lora_alpha": 256,
    "peft_use_dora": True,
    "peft_use_rslora": True,
    "loraplus_lr_ratio": 16,
    "neftune_noise_alpha": 5,
}
B_KEYS = {**GALORE_KEYS, "load_in_4bit": False, "optim_args": {"rank": 128, "update_proj_gap": 200}}
D_KEYS = {"rl": "orpo", "orpo_alpha": 0.1}
FILLED_IN = {"micro_batch_size", "gradient_accumulation_steps", "sequence_len", "num_epochs", "learning_rate"}


def asked(settings: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in settings.items() if key not in FILLED_IN}


@pytest.mark.parametrize(
    ("snippet", "settings", "techniques", "translated"),
    [
        (NEFTUNE, {"neftune_noise_alpha": 5}, ("full", "neftune"), ()),
        (GALORE, GALORE_KEYS, ("galore",), ("galore_rank", "galore_update_proj_gap", "galore_scale")),
        (ORPO, D_KEYS, ("full", "orpo"), ()),
        (
            STRATEGY_A,
            A_KEYS,
            ("lora", "dora", "neftune", "lora_plus", "rslora"),
            ("lora_use_dora", "lora_use_rslora"),
        ),
        (STRATEGY_B, B_KEYS, ("galore",), ("galore_rank", "galore_update_proj_gap")),
        (STRATEGY_D, D_KEYS, ("full", "orpo"), ()),
    ],
    ids=["NEFTune", "GaLore", "ORPO", "strategy A", "strategy B", "strategy D"],
)
def test_a_snippet_of_the_book_becomes_the_real_keys_and_says_so(
    snippet: str, settings: dict[str, object], techniques: tuple[str, ...], translated: tuple[str, ...]
) -> None:
    adopted = adopt_recipe(parse_recipe(snippet))
    assert adopted.problems == ()
    assert asked(adopted.settings) == settings
    assert techniques_in(adopted.settings) == techniques
    for key in translated:
        assert any(note.startswith(f"{key} is read as ") for note in adopted.notes)
    assert adopted.settings.keys() >= FILLED_IN


@pytest.mark.parametrize(
    ("snippet", "settings", "field", "lacking"),
    [
        (DORA, {"adapter": "lora", "peft_use_dora": True}, "recipe.adapter", "set lora_r and lora_alpha"),
        (RSLORA, {"peft_use_rslora": True}, "recipe.lora_use_rslora", "rsLoRA scales an adapter"),
        (LORA_PLUS, {"loraplus_lr_ratio": 16}, "recipe.loraplus_lr_ratio", "without an adapter there are none"),
    ],
    ids=["DoRA", "rsLoRA", "LoRA+"],
)
def test_a_snippet_that_is_about_an_adapter_is_understood_and_asks_for_the_adapter(
    snippet: str, settings: dict[str, object], field: str, lacking: str
) -> None:
    alone = adopt_recipe(parse_recipe(snippet))
    assert [problem.field for problem in alone.problems] == [field]
    assert lacking in alone.problems[0].message
    adapter = {"adapter": "lora", "lora_r": 64, "lora_alpha": 128}
    whole = adopt_recipe({**adapter, **parse_recipe(snippet)})
    assert whole.problems == ()
    assert asked(whole.settings) == {**adapter, **settings}


def test_the_quick_reference_is_seven_configurations_and_as_one_its_repetitions_are_named() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_recipe(REFERENCE)
    assert [problem.field for problem in caught.value.problems] == [f"recipe:{line}" for line in (27, 28, 29, 30)]
    sections = [parse_recipe(section) for section in REFERENCE.split("\n\n")]
    one_by_one = (DORA, NEFTUNE, RSLORA, LORA_PLUS, GALORE, ORPO, STRATEGY_A)
    assert sections[1:] == [parse_recipe(snippet) for snippet in one_by_one[1:]]
    assert sections[0] == {"lora_use_dora": True}


def test_galore_beside_an_adapter_is_refused_as_the_book_says() -> None:
    both = adopt_recipe({**parse_recipe(STRATEGY_A), **parse_recipe(GALORE)})
    assert [problem.field for problem in both.problems] == ["recipe.optimizer"]
    assert "with an adapter there is nothing to project" in both.problems[0].message
