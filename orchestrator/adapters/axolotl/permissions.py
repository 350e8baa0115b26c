"""Which settings of Axolotl a run may name: an allow-list, for Axolotl's configuration is a powerful thing.

It can load code (`plugins`, `trust_remote_code`, a hub path as `attn_implementation`), read and write any path
(`tokenizer_config`, `chat_template_jinja`, `deepspeed`) and send the work elsewhere (`hub_model_id`, `wandb_project`).
Nothing of that is open. What is open is listed here, and narrowed where Axolotl's own type would let a path or code
through. A key that is not listed is refused, so what a later Axolotl adds stays shut until someone has read it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from orchestrator.adapters.axolotl.schema import check_against, known_keys
from orchestrator.domain.errors import FieldProblem

Fragment = Mapping[str, object]
"""A JSON schema for one value, on top of Axolotl's own type for it."""

MAX_PATTERN = 500
"""Characters; longer ones are refused by their own limits."""
SWITCH: Fragment = {"type": "boolean"}
MODULE_NAMES: Fragment = {"type": "array", "items": {"type": "string", "maxLength": 200}, "minItems": 1, "maxItems": 64}
FRACTION: Fragment = {"type": "number", "minimum": 0, "maximum": 1}
RATE: Fragment = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}


def whole(least: int, most: int) -> Fragment:
    """A whole number within limits, both included."""
    return {"type": "integer", "minimum": least, "maximum": most}


def positive(most: float) -> Fragment:
    """A number above zero."""
    return {"type": "number", "exclusiveMinimum": 0, "maximum": most}


PERMITTED: Mapping[str, Fragment] = {
    # The adapter.
    "adapter": {"enum": ["lora", "qlora"]},
    "load_in_4bit": SWITCH,
    "load_in_8bit": SWITCH,
    "lora_r": whole(1, 1024),
    "lora_alpha": whole(1, 4096),
    "lora_dropout": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    "lora_target_modules": {"anyOf": [{"type": "string", "maxLength": 500}, MODULE_NAMES]},
    "lora_target_linear": SWITCH,
    "lora_modules_to_save": MODULE_NAMES,
    "lora_fan_in_fan_out": SWITCH,
    "lora_rank_pattern": {"type": "object", "maxProperties": 64},
    "lora_alpha_pattern": {"type": "object", "maxProperties": 64},
    "lora_mlp_kernel": SWITCH,
    "lora_qkv_kernel": SWITCH,
    "lora_o_kernel": SWITCH,
    "lora_embedding_kernel": SWITCH,
    "loraplus_lr_ratio": positive(1024),
    "loraplus_lr_embedding": RATE,
    "peft_use_dora": SWITCH,
    "peft_use_rslora": SWITCH,
    "peft_layers_to_transform": {"type": "array", "items": whole(0, 1023), "minItems": 1, "maxItems": 1024},
    "peft_layers_pattern": MODULE_NAMES,
    # The optimizer and its schedule.
    "optimizer": {"type": "string", "maxLength": 64},
    "optim_args": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "rank": whole(1, 4096),
            "update_proj_gap": whole(1, 100_000),
            "scale": positive(100),
            "proj_type": {"enum": ["std", "reverse_std", "right", "left", "full"]},
        },
    },
    "optim_target_modules": {"anyOf": [{"const": "all_linear"}, MODULE_NAMES]},
    "learning_rate": RATE,
    "lr_scheduler": {"type": "string", "maxLength": 64},
    "lr_quadratic_warmup": SWITCH,
    "lr_groups": {"type": "array", "maxItems": 16},
    "cosine_min_lr_ratio": FRACTION,
    "cosine_constant_lr_ratio": FRACTION,
    "embedding_lr": RATE,
    "embedding_lr_scale": positive(1024),
    "weight_decay": FRACTION,
    "adam_beta1": FRACTION,
    "adam_beta2": FRACTION,
    "adam_epsilon": RATE,
    "max_grad_norm": positive(1000),
    # Regularisation and objectives.
    "neftune_noise_alpha": positive(1000),
    "orpo_alpha": positive(100),
    # The shape of the work. A planner must read these before it plans: see PLANNED.
    "warmup_steps": whole(0, 1_000_000),
    "num_epochs": positive(1000),
    "micro_batch_size": whole(1, 1024),
    "gradient_accumulation_steps": whole(1, 4096),
    "sequence_len": whole(16, 131_072),
    # Reading the rows.
    "sample_packing": SWITCH,
    "pad_to_sequence_len": SWITCH,
    "group_by_length": SWITCH,
    "train_on_inputs": SWITCH,
    "excess_length_strategy": {"enum": ["drop", "truncate", "raise"]},
    "min_sample_len": whole(1, 131_072),
    # `jinja` would take a template, or the path of one, from another key.
    "chat_template": {"not": {"pattern": "jinja$"}, "maxLength": 64},
    "special_tokens": {"type": "object"},
    # Memory and speed.
    "gradient_checkpointing": SWITCH,
    # The others are looked for on the hub when they are not installed, and what is found there is run.
    "attn_implementation": {"enum": ["eager", "sdpa", "flex_attention"]},
}

PLANNED = frozenset({"num_epochs", "micro_batch_size", "gradient_accumulation_steps", "sequence_len", "warmup_steps"})
"""Permitted keys on which a plan's time, memory and price depend: a planner must read their overrides first."""

CLOSED: tuple[tuple[str, str], ...] = (
    (
        "wandb_* mlflow_* hf_mlflow_* comet_* trackio_* otel_* gradio_* hub_* use_wandb use_mlflow use_comet "
        "use_trackio use_otel_metrics push_dataset_to_hub hf_use_auth_token vllm",
        "could send the run's data or credentials elsewhere",
    ),
    (
        "plugins trust_remote_code trainer_cls use_kernels experts_implementation torch_compile* cls_model_config "
        "model_type tokenizer_type processor_* trl ebft",
        "could run code that nobody here has read",
    ),
    (
        "*_path *_dir base_model_config tokenizer_config deepspeed deepcompile chat_template_jinja "
        "chat_template_kwargs dynamic_checkpoint bench_* do_bench_eval model_config model_kwargs "
        "gradient_checkpointing_kwargs lr_scheduler_kwargs bnb_config_kwargs accelerator_config",
        "could read or write outside the run's own folder, or carries arbitrary arguments that could",
    ),
    ("base_model model_revision", "is the run's own base model: name it when submitting the run"),
    (
        "datasets test_datasets pretraining_* dataset_* val_set_size streaming*",
        "is the run's own dataset, split once and the same on every attempt",
    ),
    (
        "max_steps save_* saves_per_epoch logging_steps resume_from_checkpoint auto_resume_from_checkpoints seed "
        "strict auto_find_batch_size batch_size",
        "is set by the service, which must know what each step costs and be able to resume it",
    ),
    (
        "eval_* evals_per_epoch evaluation_strategy do_causal_lm_eval load_best_model_at_end metric_for_best_model "
        "greater_is_better early_stopping_patience generat* num_generation_samples",
        "is not needed: every run is evaluated on held-out rows in a stage of its own",
    ),
    (
        "bf16 bfloat16 fp16 float16 float32 tf32 fp8* device* *_parallel_size *_parallel_degree world_size local_rank "
        "ddp* fsdp* dp_* ray_* use_ray resources_per_worker max_memory gpu_memory_limit dataloader_* *_attention",
        "follows from the machine, which the service picks",
    ),
    ("relora* jagged_*", "belongs to the ReLoRA strategy, which makes each cycle a stage of its own"),
    (
        "rl rl_beta dpo_* kto_* cpo_* simpo_* reward_model process_reward_model",
        "follows from the strategy: choose the strategy instead",
    ),
    ("warmup_ratio", "is said in steps: use warmup_steps"),
)
"""Why a key is shut, by the shape of its name; the first that matches speaks.

This explains, it does not decide: PERMITTED does.
"""

OTHERWISE = "is not among the settings that a run may change"


@dataclass(frozen=True, slots=True)
class Permissions:
    """What one way of giving settings may name: the open keys with their limits, and the words for a shut one."""

    open_keys: Mapping[str, Fragment]
    refusal: Callable[[str], str]


def not_permitted(settings: Mapping[str, object], prefix: str, permissions: Permissions) -> Iterator[FieldProblem]:
    """A problem for each real key of `settings` that is shut, and for each value beyond what an open one may hold.

    `settings` are in Axolotl's own keys, checked by `schema.check_keys_and_types`; unknown keys are passed over here.
    `None` lifts what the strategy set, and is always allowed for an open key.
    """
    for key, value in settings.items():
        fragment = permissions.open_keys.get(key)
        if fragment is not None:
            if value is not None:
                yield from check_against(fragment, value, f"{prefix}.{key}")
                yield from _unreadable_patterns(key, value, f"{prefix}.{key}")
        elif key in known_keys():
            yield FieldProblem(f"{prefix}.{key}", permissions.refusal(key))


def _unreadable_patterns(key: str, value: object, path: str) -> Iterator[FieldProblem]:
    """PEFT compiles these when the training begins, and that is too late to be told."""
    patterns: list[str] = []
    if key == "lora_target_modules" and isinstance(value, str):
        patterns = [value]
    elif key in ("lora_rank_pattern", "lora_alpha_pattern") and isinstance(value, Mapping):
        patterns = [str(pattern) for pattern in value]
    for pattern in patterns:
        if len(pattern) <= MAX_PATTERN and (why := _wrong_pattern(pattern)) is not None:
            yield FieldProblem(path, f"holds {pattern[:40]!r}, which is no regular expression: {why}")


def _wrong_pattern(pattern: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return None


def reason_closed(key: str) -> str:
    """Why `key` is shut, as the end of the sentence "it ..."."""
    return next((reason for shapes, reason in CLOSED if matches(key, shapes)), OTHERWISE)


def matches(key: str, shapes: str) -> bool:
    """Whether `key` has one of the space-separated `shapes`, in which `*` stands for anything."""
    return any(fnmatchcase(key, shape) for shape in shapes.split())


OVERRIDING = Permissions(PERMITTED, lambda key: f"cannot be overridden: it {reason_closed(key)}")
"""What the overrides of a strategy may name."""
