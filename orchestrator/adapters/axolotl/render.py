"""The configuration that Axolotl runs: a pure function of what was planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from orchestrator.adapters.axolotl.review import OVERRIDES, STRATEGY, contradictions, review_overrides
from orchestrator.adapters.axolotl.rules import KERNELS
from orchestrator.adapters.axolotl.setting import Device, Setting
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.formats import is_pairs, supervised_form
from orchestrator.domain.json_value import JsonValue

DatasetFormat = Literal["alpaca", "messages", "completion", "alpaca_pairs", "chat_pairs"]
PLUGIN = "workers.node.plugin.LatticeForgePlugin"

DATASET_TYPES: Mapping[DatasetFormat, dict[str, JsonValue]] = {
    "alpaca": {"type": "alpaca"},
    "messages": {"type": "chat_template", "field_messages": "messages"},
    "completion": {"type": "completion", "field": "text"},
    # Without a type, Axolotl takes `prompt`, `chosen` and `rejected` for finished texts.
    "alpaca_pairs": {},
    "chat_pairs": {"type": "chat_template.argilla"},
}
"""How the trainer reads `train.jsonl`; for pairs the trainer on preferences."""
CHAT_FORMATS = frozenset({"messages", "chat_pairs"})


@dataclass(frozen=True, slots=True)
class TrainConfigRequest:
    """All that a train stage's configuration depends on.

    `technique_config` holds the strategy's own Axolotl keys, `overrides` the user's. `data_dir` and `output_dir` are
    paths on the node; the first holds `train.jsonl`. With `supervised`, pairs are trained on by their chosen answers
    alone, which lie in `train_chosen.jsonl`; without, on the pairs themselves. `sequence_len` is in tokens,
    `micro_batch_size` rows per device; `max_steps` (None: as many as the epochs take), `warmup_steps` and `save_steps`
    are optimizer steps.
    """

    base_model: str
    technique_config: Mapping[str, object]
    dataset_format: DatasetFormat
    data_dir: str
    output_dir: str
    device: Device
    gpus: int
    micro_batch_size: int
    gradient_accumulation_steps: int
    sequence_len: int
    num_epochs: float
    max_steps: int | None
    learning_rate: float
    warmup_steps: int
    save_steps: int
    seed: int
    supervised: bool = True
    continued_from: str | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)


def render_train_config(request: TrainConfigRequest) -> dict[str, JsonValue]:
    """The configuration in Axolotl 0.19's keys: defaults, then the strategy, the overrides, and what the service owns.

    Raises `InvalidInputError` with every problem of the overrides: nothing is rendered from a configuration that could
    not be accepted, whoever forgot to ask before.
    """
    review = review_overrides(request.technique_config, request.overrides, device=request.device, gpus=request.gpus)
    if review.problems:
        raise InvalidInputError(review.problems)
    # A None lifts what the strategy set; the plan's own value then stands.
    chosen = {key: value for key, value in review.settings.items() if value is not None}
    config = {**_defaults(request), **chosen, **_owned(request)}
    if request.max_steps is None:
        del config["max_steps"]
    _complete_the_adapter(config)
    setting = Setting(config, request.device, request.gpus)
    broken = tuple(contradictions(setting, review.overridden, OVERRIDES, STRATEGY))
    if broken:
        raise InvalidInputError(broken)
    # Everything in it is plain JSON: the literals here, and the two mappings that the review passed.
    return cast("dict[str, JsonValue]", config)


def _defaults(request: TrainConfigRequest) -> dict[str, object]:
    """What a strategy or an override may change."""
    return {
        "micro_batch_size": request.micro_batch_size,
        "gradient_accumulation_steps": request.gradient_accumulation_steps,
        "sequence_len": request.sequence_len,
        "num_epochs": request.num_epochs,
        "learning_rate": request.learning_rate,
        "warmup_steps": request.warmup_steps,
        "optimizer": "adamw_torch",
        "lr_scheduler": "cosine",
        "weight_decay": 0.0,
        # Strategy A's scale of 22.6 has raw gradient norms of 76 to 80; unclipped, loss ends at 1.37 instead of 1.12.
        "max_grad_norm": 1.0,
        "sample_packing": False,
        "pad_to_sequence_len": False,
        "train_on_inputs": False,
        # A base model without a chat template of its own gets ChatML rather than an error on the paid machine.
        **({"chat_template": "tokenizer_default_fallback_chatml"} if request.dataset_format in CHAT_FORMATS else {}),
        "attn_implementation": "sdpa",
        "gradient_checkpointing": request.device == "cuda",
        # On CPU the fused kernels (Triton) do not run, and Axolotl switches them on unless told.
        **({kernel: False for kernel in KERNELS} if request.device == "cpu" else {}),
    }


def _owned(request: TrainConfigRequest) -> dict[str, object]:
    """What nobody may change: the model, the data, the run's folders, its length, its checkpoints, its machine."""
    return {
        "base_model": request.base_model,
        "plugins": [PLUGIN],
        "datasets": [_dataset(request)],
        # Otherwise Axolotl caches the tokenised rows in a folder of the process's working directory.
        "dataset_prepared_path": f"{request.data_dir}/prepared",
        "output_dir": request.output_dir,
        "val_set_size": 0.0,
        "max_steps": request.max_steps,
        "seed": request.seed,
        "save_strategy": "steps",
        "save_steps": request.save_steps,
        "save_total_limit": 2,
        "save_safetensors": True,
        "logging_steps": 1,
        "trust_remote_code": False,
        **({"lora_model_dir": request.continued_from} if request.continued_from else {}),
        **_machine(request),
    }


def _dataset(request: TrainConfigRequest) -> dict[str, JsonValue]:
    """The rows of this stage, and how they are read."""
    row_format, name = request.dataset_format, "train.jsonl"
    if request.supervised and is_pairs(row_format):
        row_format, name = cast(DatasetFormat, supervised_form(row_format)), "train_chosen.jsonl"
    return {"path": f"{request.data_dir}/{name}", "ds_type": "json", **DATASET_TYPES[row_format]}


def _machine(request: TrainConfigRequest) -> dict[str, object]:
    """Precision and parallelism. On CPU `bf16: auto` would pick fp16, which cannot train there."""
    if request.device == "cpu":
        return {
            "bf16": False,
            "fp16": False,
            "tf32": False,
            "dataloader_num_workers": 0,
            # Small data on a small machine: forking workers for it costs more than they save.
            "dataset_num_proc": 1,
            "dataloader_pin_memory": False,
        }
    machine: dict[str, object] = {
        "bf16": "auto",
        "tf32": True,
        # Re-entrant checkpointing marks parameters ready twice under DDP.
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
    }
    if request.gpus > 1:
        machine["ddp_find_unused_parameters"] = False
    return machine


def _complete_the_adapter(config: dict[str, object]) -> None:
    """An adapter that nobody gave targets goes on every linear layer, as the LoRA+, rsLoRA and DoRA papers have it."""
    targets = ("lora_target_modules", "lora_target_linear", "lora_target_parameters")
    if config.get("adapter") and not any(config.get(key) for key in targets):
        config["lora_target_linear"] = True
