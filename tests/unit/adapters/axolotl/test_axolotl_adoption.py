"""A user's whole Axolotl configuration: every key is used, said to be left out, or refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.adapters.axolotl.adoption import adopt_recipe
from orchestrator.adapters.axolotl.bounds import out_of_bounds
from orchestrator.adapters.axolotl.permissions import OTHERWISE, PERMITTED
from orchestrator.adapters.axolotl.recipe_keys import ASIDE, OF_A_RECIPE, REASONS, TAKEN_OVER
from orchestrator.adapters.axolotl.schema import known_keys
from orchestrator.adapters.axolotl.trainer import AxolotlTrainer
from orchestrator.adapters.axolotl.translation import INTO_OPTIM_ARGS, RENAMED
from orchestrator.domain.recipe import TrainingShape

LORA: dict[str, Any] = {
    "adapter": "lora",
    "lora_r": 16,
    "lora_alpha": 32,
    "learning_rate": 2e-4,
    "micro_batch_size": 2,
    "gradient_accumulation_steps": 4,
    "sequence_len": 2048,
    "num_epochs": 3,
}
# As Axolotl's own examples have it.
WHOLE: dict[str, Any] = {
    **LORA,
    "base_model": "NousResearch/Llama-3.2-1B",
    "model_type": "LlamaForCausalLM",
    "tokenizer_type": "AutoTokenizer",
    "load_in_8bit": False,
    "strict": False,
    "datasets": [{"path": "teknium/GPT4-LLM-Cleaned", "type": "alpaca"}],
    "dataset_prepared_path": None,
    "val_set_size": 0.05,
    "output_dir": "./outputs/out",
    "sample_packing": True,
    "wandb_project": None,
    "wandb_entity": "",
    "wandb_log_model": None,
    "optimizer": "adamw_8bit",
    "bf16": "auto",
    "tf32": False,
    "gradient_checkpointing": True,
    "resume_from_checkpoint": None,
    "logging_steps": 1,
    "flash_attention": True,
    "warmup_ratio": 0.1,
    "evals_per_epoch": 4,
    "saves_per_epoch": 1,
    "weight_decay": 0.0,
    "seed": 7,
    "special_tokens": {"pad_token": "<|end_of_text|>"},
    "trust_remote_code": False,
    "deepspeed": None,
    "fsdp": [],
    "fsdp_config": {},
    "plugins": [],
    "liger_rope": False,
}


def problems(recipe: Mapping[str, object]) -> dict[str, str]:
    return {problem.field: problem.message for problem in adopt_recipe(recipe).problems}


def notes(recipe: Mapping[str, object]) -> str:
    return "\n".join(adopt_recipe(recipe).notes)


def test_one_of_axolotls_own_examples_is_adopted_whole() -> None:
    adopted = adopt_recipe(WHOLE)
    assert adopted.problems == ()
    assert adopted.model == "NousResearch/Llama-3.2-1B"
    assert adopted.dataset is not None
    assert (adopted.dataset.source, adopted.dataset.format) == ("teknium/GPT4-LLM-Cleaned", "alpaca")
    assert adopted.seed == 7
    assert adopted.settings == {
        **LORA,
        "load_in_8bit": False,
        "sample_packing": True,
        "optimizer": "adamw_8bit",
        "gradient_checkpointing": True,
        "warmup_ratio": 0.1,
        "weight_decay": 0.0,
        "special_tokens": {"pad_token": "<|end_of_text|>"},
    }


def test_what_is_set_aside_is_said_in_one_line_a_reason() -> None:
    said = notes(WHOLE)
    assert "dataset_prepared_path" in said
    assert "output_dir: set aside; the run's files are kept in a folder of its own" in said
    assert "bf16, tf32: set aside; the precision follows from the machine" in said
    assert "wandb_project, wandb_entity, wandb_log_model, resume_from_checkpoint" in said


def test_the_settings_may_be_given_to_resolve_and_to_a_planner_as_they_are() -> None:
    settings = adopt_recipe(WHOLE).settings
    resolution = AxolotlTrainer("cuda").resolve(settings, {"lora_r": 8})
    assert resolution.problems == ()
    assert resolution.recipe["lora_r"] == 8
    assert TrainingShape.from_recipe(settings).steps(800, 1) == 300


def test_what_a_planner_needs_and_nobody_said_is_filled_in_as_axolotl_would_and_said() -> None:
    adopted = adopt_recipe({"adapter": "lora", "lora_r": 8, "lora_alpha": 16})
    shape = TrainingShape.from_recipe(adopted.settings)
    assert (shape.micro_batch_size, shape.gradient_accumulation_steps) == (1, 1)
    assert (shape.sequence_len, shape.num_epochs, shape.max_steps) == (512, 1, None)
    assert adopted.settings["learning_rate"] == 5e-5
    assert "sequence_len is not set: 512, as Axolotl has it" in adopted.notes
    assert "learning_rate is not set, and Axolotl has no default: 5e-05 is taken" in adopted.notes


def test_max_steps_alone_is_the_length_of_the_run() -> None:
    without_epochs = {key: value for key, value in LORA.items() if key != "num_epochs"}
    adopted = adopt_recipe({**without_epochs, "max_steps": 250})
    assert TrainingShape.from_recipe(adopted.settings).steps(80, 1) == 250
    assert "num_epochs is not set: max_steps alone is the length" in adopted.notes


def test_max_steps_beside_epochs_is_a_limit_and_minus_one_is_none() -> None:
    assert TrainingShape.from_recipe(adopt_recipe({**LORA, "max_steps": 5}).settings).steps(800, 1) == 5
    assert "max_steps is a limit" in notes({**LORA, "max_steps": 5})
    assert adopt_recipe({**LORA, "max_steps": -1}).settings == LORA
    assert problems({**LORA, "max_steps": 0}) == {
        "recipe.max_steps": "must be a whole number, at least 1 and at most 10000000, not 0"
    }


def test_a_number_that_a_yaml_reader_took_for_text_is_a_number_again() -> None:
    adopted = adopt_recipe({**LORA, "learning_rate": "2e-5", "adam_epsilon": "1e-8"})
    assert adopted.settings["learning_rate"] == 2e-5
    assert "learning_rate: the text 2e-5 is read as a number" in adopted.notes
    assert "recipe.learning_rate" in problems({**LORA, "learning_rate": "fast"})


def test_orpo_is_allowed_in_a_recipe_and_other_preference_training_is_refused() -> None:
    pairs = [{"path": "argilla/ultrafeedback", "type": "chat_template.argilla", "split": "train"}]
    adopted = adopt_recipe({**LORA, "rl": "orpo", "orpo_alpha": 0.1, "datasets": pairs})
    assert adopted.problems == ()
    assert adopted.settings["rl"] == "orpo"
    assert adopted.dataset is not None
    assert adopted.dataset.format == "chat_pairs"
    assert problems({**LORA, "rl": "dpo"}) == {"recipe.rl": 'must be one of orpo, not "dpo"'}
    assert "choose the strategy instead" in problems({**LORA, "dpo_beta": 0.1})["recipe.dpo_beta"]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("plugins", ["axolotl.integrations.liger.LigerPlugin"], "could run code that nobody here has read"),
        ("trust_remote_code", True, "could run code"),
        ("model_type", "os.system", "could run code"),
        ("torch_compile", True, "could run code"),
        ("hub_model_id", "me/model", "could send the run's data"),
        ("wandb_project", "mine", "could send the run's data"),
        ("wandb_mode", "online", "could send the run's data"),
        ("use_mlflow", True, "could send the run's data"),
        ("relora", True, "use strategy relora"),
        ("jagged_restart_steps", 50, "use strategy relora"),
        ("deepspeed", "deepspeed_configs/zero3.json", "spreads one model over GPUs"),
        ("fsdp_config", {"reshard_after_forward": True}, "spreads one model over GPUs"),
        ("tensor_parallel_size", 2, "follows from the machine"),
        ("tokenizer_config", "other/model", "names a second model"),
        ("model_revision", "abc123", "pins a revision"),
        ("lora_model_dir", "./before", "begins with weights from another run"),
        ("resume_from_checkpoint", "./before", "begins with weights from another run"),
        ("early_stopping_patience", 3, "evaluates while training"),
        ("load_best_model_at_end", True, "evaluates while training"),
        ("loss_watchdog_threshold", 5.0, "ends training by itself"),
        ("batch_size", 64, "use micro_batch_size and gradient_accumulation_steps"),
        ("fp8", True, "asks for a precision"),
        ("float32", True, "asks for a precision"),
        ("s2_attention", True, "another attention"),
        ("gradient_checkpointing_kwargs", {"anything": 1}, "arbitrary arguments"),
        ("chat_template_jinja", "/etc/passwd", "could read or write outside"),
        ("pretraining_dataset", [{"path": "c4"}], "is the run's own dataset"),
        ("test_datasets", [{"path": "held.jsonl", "type": "alpaca"}], "name it when submitting the run"),
        ("shuffle_merged_datasets", False, OTHERWISE),
        ("tokens", ["<x>"], OTHERWISE),
    ],
)
def test_what_the_run_would_not_do_is_refused_with_the_reason(key: str, value: object, reason: str) -> None:
    found = problems({**LORA, key: value})
    assert list(found) == [f"recipe.{key}"]
    assert reason in found[f"recipe.{key}"]
    assert found[f"recipe.{key}"].startswith("cannot be part of a recipe: it ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("relora", False),
        ("use_wandb", False),
        ("wandb_name", "run 3"),
        ("wandb_mode", "disabled"),
        ("tokenizer_config", "my/model"),
        ("gradient_checkpointing_kwargs", {"use_reentrant": True}),
        ("tensor_parallel_size", 1),
        ("attn_implementation", "flash_attention_2"),
        ("xformers_attention", True),
        ("save_strategy", "epoch"),
        ("dataset_processes", 8),
        ("tokenizer_type", "LlamaTokenizer"),
        ("model_revision", "main"),
    ],
)
def test_what_would_not_be_missed_is_set_aside_and_said(key: str, value: object) -> None:
    adopted = adopt_recipe({**LORA, "base_model": "my/model", key: value})
    assert adopted.problems == ()
    assert adopted.settings == LORA
    assert any(note.startswith(f"{key}: ") for note in adopted.notes)


@pytest.mark.parametrize(
    ("key", "near"),
    [("lora_alhpa", "lora_alpha"), ("galore_rnk", "galore_rank"), ("learning_rat", "learning_rate")],
)
def test_an_unknown_key_is_refused_with_the_nearest_one_even_when_nothing_is_set_there(key: str, near: str) -> None:
    for value in (None, 8):
        assert problems({**LORA, key: value}) == {
            f"recipe.{key}": f"is not a setting of Axolotl 0.19.0; did you mean {near}?"
        }


def test_a_plugins_key_is_told_from_a_misspelled_one() -> None:
    assert problems({**LORA, "liger_rope": True}) == {
        "recipe.liger_rope": "belongs to a plugin of Axolotl, and a run loads none"
    }


def test_values_pass_the_same_limits_as_overrides_at_the_users_spelling() -> None:
    assert "at most 1024" in problems({**LORA, "lora_r": 5000})["recipe.lora_r"]
    galore = {"optimizer": "galore_adamw", "galore_rank": 0}
    assert "at least 1" in problems(galore)["recipe.galore_rank"]


def test_contradictions_name_the_users_own_keys() -> None:
    assert "set an adapter" in problems({"load_in_4bit": True})["recipe.load_in_4bit"]
    assert "without one" in problems({"lora_use_dora": True})["recipe.lora_use_dora"]
    assert "did you mean adamw_torch" in problems({**LORA, "optimizer": "adamw_torh"})["recipe.optimizer"]
    both = problems({**LORA, "warmup_steps": 10, "warmup_ratio": 0.1})
    assert both == {"recipe.warmup_ratio": "says the same as warmup_steps in another way; keep one of them"}


def test_a_rule_about_the_machine_is_asked_for_the_machine_that_is_meant() -> None:
    galore = {"optimizer": "galore_adamw_8bit", "galore_rank": 8}
    assert adopt_recipe(galore, device="cuda").problems == ()
    assert adopt_recipe(galore, device="cpu").problems[0].field == "recipe.optimizer"


@pytest.mark.parametrize("seed", [-1, 2**31, "x", True, 7.0, 1e9])
def test_a_seed_that_no_run_can_have_is_refused(seed: object) -> None:
    assert list(problems({**LORA, "seed": seed})) == ["recipe.seed"]


def test_every_key_of_the_tables_is_a_real_one_and_means_one_thing() -> None:
    real = set(known_keys())
    assert real >= OF_A_RECIPE.keys() | TAKEN_OVER
    assert not PERMITTED.keys() & (OF_A_RECIPE.keys() | TAKEN_OVER)
    for shapes in (*(aside.shapes for aside in ASIDE), *(shapes for shapes, _ in REASONS)):
        exact = {shape for shape in shapes.split() if "*" not in shape}
        assert exact <= real
        assert not exact & PERMITTED.keys()


SCALARS = st.none() | st.booleans() | st.integers(-2, 4096) | st.floats() | st.text(max_size=6) | st.just("2e-5")
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["path", "type", "x"]), inner),
    max_leaves=5,
)
KEYS = st.sampled_from((*known_keys(), *RENAMED, *INTO_OPTIM_ARGS)) | st.text(max_size=6)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_nothing_is_ignored_in_silence_and_nothing_raises(recipe: dict[str, object]) -> None:
    adopted = adopt_recipe(recipe)
    told = {problem.field for problem in adopted.problems}
    assert all(field.split(".")[0] == "recipe" for field in told)
    json.dumps([adopted.notes, [(problem.field, problem.message) for problem in adopted.problems]]).encode()
    if (gate := out_of_bounds(recipe, "recipe")) is not None:
        assert adopted.problems == (gate,)
        return
    said = "\n".join((*adopted.notes, *told))
    taken = {"base_model": adopted.model, "datasets": adopted.dataset, "seed": adopted.seed}
    for key in recipe:
        assert taken.get(key) is not None or adopted.settings.get(key) is not None or key in said
