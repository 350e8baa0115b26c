"""What becomes of each key of a user's whole Axolotl configuration that is no setting of the training itself.

A configuration is written for a machine of one's own: it names folders, trackers and precisions. What the service
decides anyway, and what asks for nothing that the person would miss, is set aside and said. What asks for something
that the run would not do is refused with the reason: whoever pays for it must not find out afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.adapters.axolotl.permissions import (
    PERMITTED,
    Fragment,
    Permissions,
    matches,
    reason_closed,
    whole,
)

TAKEN_OVER = frozenset({"base_model", "datasets", "seed"})
"""Keys that are fields of the run itself."""
OF_A_RECIPE: Mapping[str, Fragment] = {
    "rl": {"enum": ["orpo"]},
    "max_steps": whole(1, 10_000_000),
    "warmup_ratio": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
}
"""Open in a recipe, shut in an override: a strategy's objective and length are its own, a recipe's are the user's."""


def _anything(_: object) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Aside:
    """Keys that are set aside when their value is `harmless`; `why` completes "set aside; ..."."""

    shapes: str
    why: str
    harmless: Callable[[object], bool] = _anything


def is_off(value: object) -> bool:
    """Switched off."""
    return value is False


def is_on(value: object) -> bool:
    """Switched on."""
    return value is True


def _is_alone(value: object) -> bool:
    return value == 1 and not isinstance(value, bool)


def _among(*values: object) -> Callable[[object], bool]:
    return lambda value: value in values


def _ends(*ends: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value.isidentifier() and value.endswith(ends)


def _only_reentrant(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) <= {"use_reentrant"}


AS_HERE = "off here too"
MACHINE = "decided by the machine, which the service picks"
ASIDE: tuple[Aside, ...] = (
    Aside("output_dir dataset_prepared_path", "the run's files are kept in a folder of its own"),
    Aside("val_set_size", "rows are held out by the service, the same ones for every strategy and attempt"),
    Aside(
        "save_steps save_strategy saves_per_epoch save_total_limit save_first_step save_only_model save_safetensors",
        "checkpoints are kept so that the run can be resumed and stopped in time",
    ),
    Aside("logging_steps use_tensorboard include_tkps include_tokens_per_second", "every step is reported"),
    Aside(
        "eval_steps eval_strategy evaluation_strategy evals_per_epoch eval_batch_size eval_table_size "
        "eval_max_new_tokens eval_sequence_len eval_sample_packing eval_causal_lm_metrics do_causal_lm_eval "
        "metric_for_best_model greater_is_better",
        "every run is evaluated on held-out rows in a stage of its own",
    ),
    Aside("bf16 bfloat16 fp16 float16 tf32", "the precision follows from the machine: bfloat16 on a GPU"),
    Aside(
        "flash_attention xformers_attention sdp_attention eager_attention flex_attention",
        "the same attention is computed by PyTorch's own kernels",
        _among(True, False),
    ),
    # They only name or shape what wandb_project and use_wandb, which are refused, would send.
    Aside("wandb_entity wandb_name wandb_run_id wandb_watch wandb_log_model", "nothing is sent to Weights & Biases"),
    Aside("wandb_mode", "nothing is sent to Weights & Biases", _among("disabled", "offline", "dryrun")),
    Aside("gradient_checkpointing_kwargs", MACHINE, _only_reentrant),
    Aside("ddp_timeout ddp_bucket_cap_mb ddp_find_unused_parameters ddp_broadcast_buffers ddp", MACHINE),
    Aside("device device_map world_size local_rank gpu_memory_limit max_memory", MACHINE),
    Aside(
        "*_parallel_size sequence_parallel_degree dp_shard_size dp_replicate_size heads_k_stride", MACHINE, _is_alone
    ),
    Aside("dataloader_num_workers dataloader_pin_memory dataloader_prefetch_factor", MACHINE),
    Aside("dataset_processes dataset_num_proc dataset_keep_in_memory preprocess_iterable", MACHINE),
    Aside("low_cpu_mem_usage lora_on_cpu gc_steps gc_collect_steps torch_empty_cache_steps", MACHINE),
    Aside("remove_unused_columns", "the columns that the training needs are kept"),
    Aside("experimental_skip_move_to_device", MACHINE),
    Aside("profiler_steps profiler_steps_start", "measuring changes nothing in what is trained"),
    Aside("model_type", "the class follows from the model", _ends("ForCausalLM")),
    Aside("tokenizer_type", "the tokenizer is the model's own", _ends("Tokenizer", "TokenizerFast")),
    Aside("tokenizer_use_fast", "the model's fast tokenizer is used", is_on),
    Aside("is_llama_derived_model is_mistral_derived_model is_qwen_derived_model", "read from the model itself"),
    Aside("is_falcon_derived_model", "read from the model itself"),
    Aside("strict", "every setting of a recipe is checked"),
    Aside("auto_resume_from_checkpoints", "the service resumes a run by itself"),
    Aside("shuffle_merged_datasets", "the rows are shuffled by the run's seed", is_on),
    Aside("model_revision", "the newest revision is the main one", _among("main")),
    Aside("max_steps", "the number of epochs decides", _among(-1)),
    Aside(
        "trust_remote_code relora relora_cpu_offload use_* hf_use_auth_token hf_mlflow_log_artifacts gradio_share "
        "torch_compile deepcompile fp8* float32 streaming pretraining_sample_concatenation generate_samples "
        "generation_do_sample load_best_model_at_end auto_find_batch_size do_bench_eval dpo_* precompute_ref_log_probs "
        "s2_attention sage_attention batch_flattening curriculum_sampling dataset_exact_deduplication "
        "skip_prepare_dataset flash_attn_* flash_optimum tiled_mlp tiled_mlp_use_original_mlp shrink_embeddings "
        "resize_token_embeddings_to_32x embeddings_skip_upcast fix_untrained_tokens merge_lora activation_offloading "
        "layer_offloading selective_checkpointing chunked_cross_entropy fp32_norms quantize_moe_experts "
        "qlora_sharded_model_loading dataloader_drop_last sample_packing_sequentially scaling_softmax "
        "peft_ensure_weight_tying is_preprocess",
        AS_HERE,
        is_off,
    ),
)
REASONS: tuple[tuple[str, str], ...] = (
    ("relora* jagged_*", "is Axolotl's own ReLoRA, which loses merged weights when it is resumed: use strategy relora"),
    ("loss_watchdog_*", "ends training by itself; a run ends with its steps, its budget or when it is stopped"),
    ("test_datasets", "is a held-out file: name it when submitting the run"),
    ("base_model_config tokenizer_config", "names a second model; a run loads config and tokenizer from base_model"),
    ("model_revision", "pins a revision, and models are read as they are now"),
    (
        "load_best_model_at_end early_stopping_patience",
        "evaluates while training, which a run does not; it ends with the last step that its budget allows",
    ),
    ("float32 fp8*", "asks for a precision that is not offered: training is in bfloat16 on a GPU"),
    ("batch_size", "is derived: use micro_batch_size and gradient_accumulation_steps"),
    ("lora_model_dir resume_from_checkpoint", "begins with weights from another run, which a run cannot read"),
    ("fsdp* deepspeed deepcompile", "spreads one model over GPUs, which a run does not do"),
    ("s2_attention sage_attention", "computes another attention than the model was made with"),
)
"""Why a recipe cannot hold a key, where that is something else than why an override cannot."""
OF_PLUGINS = "liger_* cut_cross_entropy* kd_* spectrum_* swanlab_* llmcompressor"


def set_aside(key: str, value: object) -> Aside | None:
    """Why `key` may be left out of the recipe when it has this value; None when it may not."""
    return next((aside for aside in ASIDE if matches(key, aside.shapes) and aside.harmless(value)), None)


def is_empty(value: object) -> bool:
    """Whether a value asks for nothing: null, or a text, list or mapping with nothing in it."""
    return value is None or value in ("", [], {})


def refusal(key: str) -> str:
    """The message for a key that a recipe cannot hold."""
    why = next((reason for shapes, reason in REASONS if matches(key, shapes)), None) or reason_closed(key)
    return f"cannot be part of a recipe: it {why}"


IN_A_RECIPE = Permissions({**PERMITTED, **OF_A_RECIPE}, refusal)
"""What a recipe may name, after `TAKEN_OVER` and what is set aside."""
