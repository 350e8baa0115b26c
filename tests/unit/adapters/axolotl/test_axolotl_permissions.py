"""Overrides cannot run code, leave the run's folder, send data away, or spend behind the planner's back."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from orchestrator.adapters.axolotl.permissions import (
    CLOSED,
    OTHERWISE,
    OVERRIDING,
    PERMITTED,
    PLANNED,
    not_permitted,
    reason_closed,
)
from orchestrator.adapters.axolotl.schema import known_keys

DANGEROUS = {
    "plugins": ["os.system"],
    "trust_remote_code": True,
    "trainer_cls": "os.system",
    "attn_implementation": "someone/kernel",
    "torch_compile_backend": "someone",
    "model_kwargs": {"trust_remote_code": True},
    "base_model": "/etc",
    "tokenizer_config": "/etc",
    "chat_template_jinja": "/etc/passwd",
    "chat_template": "jinja",
    "lora_model_dir": "/etc",
    "output_dir": "/",
    "dataset_prepared_path": "/",
    "datasets": [{"path": "/etc/passwd"}],
    "test_datasets": [{"path": "/etc/passwd"}],
    "pretraining_dataset": [{"path": "/etc/passwd"}],
    "deepspeed": "/etc/passwd",
    "dynamic_checkpoint": {"enabled": True, "trigger_file_path": "/etc/passwd"},
    "torchdistx_path": "/tmp",
    "resume_from_checkpoint": "/",
    "wandb_project": "x",
    "use_wandb": True,
    "use_mlflow": True,
    "mlflow_tracking_uri": "x",
    "use_comet": True,
    "comet_api_key": "x",
    "use_trackio": True,
    "use_otel_metrics": True,
    "gradio_share": True,
    "hub_model_id": "x",
    "push_dataset_to_hub": "x",
    "vllm": {"host": "x"},
    "trl": {"vllm_server_host": "x"},
    "max_steps": 10**6,
    "save_steps": 10**6,
    "seed": 1,
    "val_set_size": 0.9,
    "optim_args": {"anything": 1},
}


@pytest.mark.parametrize("key", DANGEROUS)
def test_a_dangerous_setting_is_refused_with_a_reason(key: str) -> None:
    assert key in known_keys()
    problems = list(not_permitted({key: DANGEROUS[key]}, "overrides", OVERRIDING))
    assert len(problems) == 1
    assert problems[0].field.startswith(f"overrides.{key}")
    assert OTHERWISE not in problems[0].message


def test_every_open_key_is_a_real_one() -> None:
    assert set(PERMITTED) <= set(known_keys())
    assert set(PERMITTED) >= PLANNED


def test_no_open_key_has_a_name_that_speaks_of_paths_hosts_or_code() -> None:
    shapes = ("*path*", "*dir*", "*url*", "*uri*", "*host*", "*port*", "*hub*", "*token", "*api*", "*remote*", "*cls*")
    assert not [key for key in PERMITTED for shape in shapes if fnmatchcase(key, shape)]


def test_no_open_key_falls_under_a_reason_to_be_shut() -> None:
    assert {key: reason_closed(key) for key in PERMITTED if reason_closed(key) != OTHERWISE} == {}


@pytest.mark.parametrize("shape", [shape for shapes, _ in CLOSED for shape in shapes.split()])
def test_every_shape_of_a_shut_key_fits_a_real_one(shape: str) -> None:
    assert any(fnmatchcase(key, shape) for key in known_keys())


def test_every_key_of_axolotl_is_open_or_refused() -> None:
    refused = {problem.field for problem in not_permitted(dict.fromkeys(known_keys()), "overrides", OVERRIDING)}
    assert refused == {f"overrides.{key}" for key in known_keys() if key not in PERMITTED}


@pytest.mark.parametrize(
    "overrides",
    [
        {"lora_r": 64, "lora_alpha": 16, "learning_rate": 2e-5, "lora_target_modules": ["q_proj"]},
        {"optim_args": {"rank": 64}, "optim_target_modules": "all_linear", "chat_template": "llama3"},
        {"lora_target_modules": "all-linear", "neftune_noise_alpha": 5, "attn_implementation": "sdpa"},
    ],
)
def test_ordinary_settings_are_open(overrides: dict[str, object]) -> None:
    assert list(not_permitted(overrides, "overrides", OVERRIDING)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("lora_target_modules", "("), ("lora_rank_pattern", {"(": 1}), ("lora_alpha_pattern", {"a{99999999999}": 1})],
)
def test_a_pattern_that_would_not_compile_on_the_node_is_refused_at_its_key(key: str, value: object) -> None:
    (problem,) = not_permitted({key: value}, "overrides", OVERRIDING)
    assert problem.field == f"overrides.{key}"
    assert "no regular expression" in problem.message
    assert not list(not_permitted({"lora_target_modules": ".*(q|v)_proj"}, "overrides", OVERRIDING))
