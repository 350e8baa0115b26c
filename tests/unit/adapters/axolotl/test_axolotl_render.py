"""The rendered configuration, and the review of overrides that guards it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.adapters.axolotl.render import DatasetFormat, TrainConfigRequest, render_train_config
from orchestrator.adapters.axolotl.review import review_overrides
from orchestrator.adapters.axolotl.schema import check_keys_and_types
from orchestrator.domain.errors import InvalidInputError

STRATEGY_A: dict[str, object] = {
    "adapter": "lora",
    "lora_r": 128,
    "lora_alpha": 256,
    "lora_use_dora": True,
    "lora_use_rslora": True,
    "loraplus_lr_ratio": 16,
    "neftune_noise_alpha": 5,
}
GALORE: dict[str, object] = {
    "optimizer": "galore_adamw",
    "optim_args": {"rank": 128, "update_proj_gap": 200, "scale": 0.25},
    "optim_target_modules": ["self_attn", "mlp"],
}
REQUEST = TrainConfigRequest(
    base_model="some/model",
    technique_config=STRATEGY_A,
    dataset_format="alpaca",
    data_dir="/job/data",
    output_dir="/job/output",
    device="cpu",
    gpus=1,
    micro_batch_size=2,
    gradient_accumulation_steps=4,
    sequence_len=512,
    num_epochs=1.5,
    max_steps=100,
    learning_rate=5e-5,
    warmup_steps=5,
    save_steps=25,
    seed=7,
)


def rendered(**changes: Any) -> dict[str, Any]:
    return dict(render_train_config(replace(REQUEST, **changes)))


def refusals(overrides: dict[str, object], strategy: dict[str, object] = STRATEGY_A, **machine: Any) -> dict[str, str]:
    review = review_overrides(strategy, overrides, **machine)
    return {problem.field: problem.message for problem in review.problems}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("gpus", [1, 4])
@pytest.mark.parametrize("dataset_format", ["alpaca", "messages", "completion"])
def test_what_is_rendered_holds_only_real_keys_of_the_right_type(
    device: str, gpus: int, dataset_format: DatasetFormat
) -> None:
    config = rendered(device=device, gpus=gpus, dataset_format=dataset_format)
    assert check_keys_and_types(config, "config") == ()
    assert json.loads(json.dumps(config)) == config


def test_the_plan_and_the_strategy_are_in_what_is_rendered() -> None:
    config = rendered()
    expected = {
        "base_model": "some/model",
        "peft_use_dora": True,
        "peft_use_rslora": True,
        "lora_r": 128,
        "lora_target_linear": True,
        "max_steps": 100,
        "learning_rate": 5e-5,
        "seed": 7,
        "save_steps": 25,
        "save_total_limit": 2,
        "optimizer": "adamw_torch",
        "lr_scheduler": "cosine",
        "plugins": ["workers.node.plugin.LatticeForgePlugin"],
        "datasets": [{"path": "/job/data/train.jsonl", "ds_type": "json", "type": "alpaca"}],
        "dataset_prepared_path": "/job/data/prepared",
    }
    assert {key: config[key] for key in expected} == expected
    assert not [key for key in config if key.startswith(("wandb", "hub", "lora_use"))]


def test_a_cpu_gets_full_precision_and_no_gpu_kernels() -> None:
    config = rendered()
    assert (config["bf16"], config["fp16"], config["gradient_checkpointing"]) == (False, False, False)
    assert [config[f"lora_{part}_kernel"] for part in ("mlp", "qkv", "o", "embedding")] == [False] * 4


def test_several_gpus_get_bf16_and_checkpointing_that_ddp_can_bear() -> None:
    config = rendered(device="cuda", gpus=2)
    assert config["bf16"] == "auto"
    assert config["gradient_checkpointing"] is True
    assert config["gradient_checkpointing_kwargs"] == {"use_reentrant": False}
    assert config["ddp_find_unused_parameters"] is False


def test_overrides_win_over_the_strategy_and_the_plan() -> None:
    config = rendered(overrides={"lora_r": 16, "learning_rate": 1e-5, "optimizer": "adafactor"})
    assert (config["lora_r"], config["learning_rate"], config["optimizer"]) == (16, 1e-5, "adafactor")


def test_an_override_of_null_lifts_the_strategys_value_and_leaves_the_plans() -> None:
    config = rendered(overrides={"neftune_noise_alpha": None, "micro_batch_size": None})
    assert "neftune_noise_alpha" not in config
    assert config["micro_batch_size"] == 2


def test_the_services_own_keys_cannot_be_overridden_however_rendering_is_reached() -> None:
    with pytest.raises(InvalidInputError) as refused:
        rendered(overrides={"output_dir": "/", "max_steps": 10**6, "lora_r": 8})
    assert [problem.field for problem in refused.value.problems] == ["overrides.output_dir", "overrides.max_steps"]


def test_a_strategy_does_not_reach_the_services_own_keys_either() -> None:
    assert rendered(technique_config={**STRATEGY_A, "output_dir": "/"})["output_dir"] == "/job/output"


def test_a_plan_without_a_last_step_runs_for_its_epochs_even_if_the_strategy_names_one() -> None:
    config = rendered(technique_config={**STRATEGY_A, "max_steps": 9}, max_steps=None)
    assert "max_steps" not in config
    assert config["num_epochs"] == 1.5


def test_targets_that_the_user_names_are_not_widened_to_every_layer() -> None:
    assert "lora_target_linear" not in rendered(overrides={"lora_target_modules": ["q_proj"]})


def test_a_changed_galore_rank_keeps_the_strategys_other_arguments() -> None:
    config = rendered(technique_config=GALORE, overrides={"galore_rank": 64})
    assert config["optim_args"] == {"rank": 64, "update_proj_gap": 200, "scale": 0.25}


def test_another_optimizer_leaves_the_old_ones_arguments_behind() -> None:
    config = rendered(technique_config=GALORE, overrides={"optimizer": "adamw_torch"})
    assert not {"optim_args", "optim_target_modules"} & set(config)


def test_layerwise_galore_is_refused_when_the_plan_accumulates_gradients() -> None:
    with pytest.raises(InvalidInputError, match=r"overrides\.optimizer: layerwise GaLore"):
        rendered(technique_config=GALORE, overrides={"optimizer": "galore_adamw_layerwise", "galore_rank": 8})


def test_a_contradiction_is_told_at_the_override_that_brought_it_in() -> None:
    assert list(refusals({"adapter": None})) == ["overrides.adapter"]
    assert list(refusals({"use_dora": True}, {"optimizer": "adamw_torch"})) == ["overrides.use_dora"]


def test_a_contradiction_within_the_strategy_is_not_blamed_on_the_overrides() -> None:
    assert list(refusals({"weight_decay": 0.1}, {"peft_use_dora": True})) == ["strategy"]


def test_a_misspelled_optimizer_is_told_the_nearest_name() -> None:
    assert refusals({"optimizer": "adamw_troch"})["overrides.optimizer"].endswith("did you mean adamw_torch?")


def test_a_wrong_type_is_told_at_the_spelling_that_the_user_chose() -> None:
    assert list(refusals({"lora_use_dora": "yes"})) == ["overrides.lora_use_dora"]
    assert list(refusals({"galore_rank": 0}, GALORE)) == ["overrides.galore_rank"]


def test_kernels_are_refused_on_a_machine_without_gpu_and_open_on_one_with() -> None:
    assert list(refusals({"lora_mlp_kernel": True}, device="cpu")) == ["overrides.lora_mlp_kernel"]
    assert refusals({"lora_mlp_kernel": True}, device="cuda") == {}


def test_the_user_is_told_how_the_overrides_were_understood() -> None:
    review = review_overrides({"adapter": "lora", "lora_r": 8}, {"lora_use_dora": True})
    assert review.notes == ("lora_use_dora is read as peft_use_dora, as Axolotl calls it",)
    assert review.settings["peft_use_dora"] is True


def test_nonsense_is_refused_by_name_and_nothing_is_raised() -> None:
    assert refusals({"lora_r": 10**5000}) == {"overrides.lora_r": "must fit 64 bits"}


@pytest.mark.parametrize(
    ("dataset_format", "supervised", "expected"),
    [
        ("alpaca_pairs", True, {"path": "/job/data/train_chosen.jsonl", "ds_type": "json", "type": "alpaca"}),
        ("alpaca_pairs", False, {"path": "/job/data/train.jsonl", "ds_type": "json"}),
        ("chat_pairs", False, {"path": "/job/data/train.jsonl", "ds_type": "json", "type": "chat_template.argilla"}),
        (
            "chat_pairs",
            True,
            {
                "path": "/job/data/train_chosen.jsonl",
                "ds_type": "json",
                "type": "chat_template",
                "field_messages": "messages",
            },
        ),
    ],
)
def test_pairs_are_read_by_their_chosen_answers_unless_they_are_what_is_trained_on(
    dataset_format: DatasetFormat, supervised: bool, expected: dict[str, Any]
) -> None:
    config = rendered(dataset_format=dataset_format, supervised=supervised)
    assert config["datasets"] == [expected]
    assert ("chat_template" in config) == (dataset_format == "chat_pairs")
