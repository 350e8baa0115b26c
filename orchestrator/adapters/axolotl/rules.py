"""What no single field shows: settings that contradict each other, as one table.

Two kinds. Some Axolotl refuses itself, but only on the node, after its environment has been installed and is being paid
for. The others it accepts and then ignores, misreads or crashes on: found by running them. `tests/integration/
test_axolotl_validation.py` asks Axolotl about each rule, so that an upgrade which changes its mind is noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from orchestrator.adapters.axolotl.schema import known_names
from orchestrator.adapters.axolotl.setting import Rule, Setting, Verdict
from orchestrator.adapters.axolotl.translation import uses_galore

KERNELS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel")
MISSING_PACKAGE = frozenset(
    {"adamw_anyprecision", "adamw_torch_xla", "adamw_torch_npu_fused", "lomo", "adalomo", "grokadamw"}
) | {
    *("apollo_adamw", "apollo_adamw_layerwise", "optimi_adamw", "came_pytorch", "q_galore_adamw8bit", "flash_adamw"),
    *("flash_adam", "flash_sgd", "flash_sgdw", "flash_lion"),
}
"""Optimizers whose package or hardware the trainer's environment lacks."""


def broken_rules(setting: Setting) -> tuple[Rule, ...]:
    """Every rule that the configuration breaks, in the table's order."""
    return tuple(rule for rule in RULES if rule.broken_by(setting))


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and value > 0


def _unless_known(kind: str, value: object) -> bool:
    return value is not None and str(value) not in known_names(kind)


def nearest_name(kind: str, value: object) -> str | None:
    """The known optimizer or scheduler that `value` most resembles."""
    return next(iter(get_close_matches(str(value)[:64], sorted(known_names(kind)), n=1)), None)


def _refused(id: str, fields: tuple[str, ...], broken_by: Callable[[Setting], bool], reason: str) -> Rule:
    return Rule(id, fields, broken_by, reason, Verdict.REFUSES)


def _accepted(id: str, fields: tuple[str, ...], broken_by: Callable[[Setting], bool], reason: str) -> Rule:
    return Rule(id, fields, broken_by, reason, Verdict.ACCEPTS)


RULES: tuple[Rule, ...] = (
    # ReLoRA.
    _refused(
        "relora-without-adapter",
        ("relora", "adapter"),
        lambda s: s.has("relora") and not s.has("adapter"),
        "ReLoRA merges and restarts an adapter: set one",
    ),
    _refused(
        "relora-without-restarts",
        ("relora", "jagged_restart_steps"),
        lambda s: s.has("relora") and not s.has("jagged_restart_steps"),
        "ReLoRA needs jagged_restart_steps",
    ),
    _refused(
        "relora-with-fsdp",
        ("relora", "fsdp_config"),
        lambda s: s.has("relora") and s.fsdp() > 0,
        "ReLoRA's restarts do not work on sharded parameters (FSDP)",
    ),
    _refused(
        "relora-with-deepspeed",
        ("relora", "deepspeed"),
        lambda s: s.has("relora", "deepspeed"),
        "ReLoRA's restarts do not work with DeepSpeed",
    ),
    _refused(
        "relora-with-one-cycle",
        ("lr_scheduler", "relora"),
        lambda s: s.has("relora") and s.config.get("lr_scheduler") == "one_cycle",
        "the one_cycle schedule cannot be restarted, as ReLoRA does",
    ),
    _accepted(
        "relora-with-dora",
        ("peft_use_dora", "relora"),
        lambda s: s.has("relora", "peft_use_dora"),
        "DoRA's magnitudes do not survive ReLoRA's restarts: gradient norms jump to 50",
    ),
    # Adapters.
    _refused(
        "quantised-without-adapter",
        ("load_in_4bit", "load_in_8bit", "adapter"),
        lambda s: not s.has("adapter") and (s.has("load_in_4bit") or s.has("load_in_8bit")),
        "quantised weights cannot be trained themselves: set an adapter",
    ),
    _refused(
        "qlora-without-4bit",
        ("adapter", "load_in_4bit"),
        lambda s: s.config.get("adapter") == "qlora" and not s.has("load_in_4bit"),
        "QLoRA trains on 4-bit weights: set load_in_4bit to true, or adapter to lora",
    ),
    _refused(
        "qlora-in-8bit",
        ("load_in_8bit", "adapter"),
        lambda s: s.config.get("adapter") == "qlora" and s.has("load_in_8bit"),
        "QLoRA trains on 4-bit weights: set load_in_8bit to false, or adapter to lora",
    ),
    _accepted(
        "adapter-without-rank",
        ("lora_r", "lora_alpha", "adapter"),
        lambda s: s.has("adapter") and not s.has("lora_r", "lora_alpha"),
        "an adapter needs a rank and a scale, or the trainer crashes: set lora_r and lora_alpha",
    ),
    _accepted(
        "dora-without-adapter",
        ("peft_use_dora", "adapter"),
        lambda s: s.has("peft_use_dora") and not s.has("adapter"),
        "DoRA is a kind of adapter; without one, Axolotl ignores it and trains every weight",
    ),
    _accepted(
        "rslora-without-adapter",
        ("peft_use_rslora", "adapter"),
        lambda s: s.has("peft_use_rslora") and not s.has("adapter"),
        "rsLoRA scales an adapter; without one, Axolotl ignores it and trains every weight",
    ),
    _accepted(
        "rank-without-adapter",
        ("lora_r", "lora_alpha", "adapter"),
        lambda s: (s.has("lora_r") or s.has("lora_alpha")) and not s.has("adapter"),
        "is a setting of an adapter; without one, Axolotl ignores it and trains every weight",
    ),
    _accepted(
        "loraplus-without-adapter",
        ("loraplus_lr_ratio", "adapter"),
        lambda s: s.has("loraplus_lr_ratio") and not s.has("adapter"),
        "LoRA+ tells an adapter's two matrices apart; without an adapter there are none",
    ),
    _refused(
        "loraplus-with-lr-groups",
        ("lr_groups", "loraplus_lr_ratio"),
        lambda s: s.has("loraplus_lr_ratio", "lr_groups"),
        "LoRA+ makes the parameter groups itself: keep loraplus_lr_ratio or lr_groups",
    ),
    _accepted(
        "dora-with-zero-3",
        ("peft_use_dora", "deepspeed"),
        lambda s: s.has("peft_use_dora") and s.zero_stage_3(),
        "DoRA needs whole weights for its norms, which ZeRO stage 3 scatters",
    ),
    _accepted(
        "dora-with-fsdp-1",
        ("peft_use_dora", "fsdp_config"),
        lambda s: s.has("peft_use_dora") and s.fsdp() == 1,
        "DoRA needs whole weights for its norms, which FSDP version 1 flattens: use version 2",
    ),
    # LoRA's fused kernels.
    _refused(
        "kernels-with-fsdp-1",
        (*KERNELS, "fsdp_config"),
        lambda s: any(s.has(kernel) for kernel in KERNELS) and s.fsdp() == 1 and s.gpus > 1,
        "the LoRA kernels do not work with FSDP version 1",
    ),
    _refused(
        "kernels-with-8bit",
        (*KERNELS, "load_in_8bit"),
        lambda s: (
            any(s.has(kernel) for kernel in KERNELS[:3]) and s.config.get("adapter") == "lora" and s.has("load_in_8bit")
        ),
        "the LoRA kernels do not work on 8-bit weights",
    ),
    _accepted(
        "kernels-on-cpu",
        KERNELS,
        lambda s: s.device == "cpu" and any(s.has(kernel) for kernel in KERNELS),
        "the LoRA kernels are written for GPUs and this machine has none",
    ),
    _accepted(
        "kernels-with-orpo",
        KERNELS,
        lambda s: s.config.get("rl") == "orpo" and any(s.has(kernel) for kernel in KERNELS),
        "the LoRA kernels are not made for ORPO's trainer",
    ),
    # GaLore.
    _accepted(
        "galore-with-adapter",
        ("optimizer", "adapter"),
        lambda s: uses_galore(s.config) and s.has("adapter"),
        "GaLore projects the gradients of full weights; with an adapter there is nothing to project",
    ),
    _accepted(
        "galore-without-targets",
        ("optimizer", "optim_target_modules"),
        lambda s: uses_galore(s.config) and not s.has("optim_target_modules"),
        "GaLore needs optim_target_modules, for example [self_attn, mlp]",
    ),
    _accepted(
        "galore-8bit-on-cpu",
        ("optimizer",),
        lambda s: s.device == "cpu" and uses_galore(s.config) and "8bit" in s.optimizer(),
        "8-bit GaLore waits for a CUDA device at every step and this machine has none: use galore_adamw",
    ),
    _accepted(
        "galore-with-fsdp",
        ("optimizer", "fsdp_config"),
        lambda s: uses_galore(s.config) and s.fsdp() > 0,
        "GaLore projects whole gradients, which FSDP scatters",
    ),
    _accepted(
        "galore-layerwise-on-many-gpus",
        ("optimizer",),
        lambda s: s.layerwise_galore() and s.gpus > 1,
        "layerwise GaLore runs on one GPU only",
    ),
    _accepted(
        "galore-layerwise-with-accumulation",
        ("gradient_accumulation_steps", "optimizer"),
        lambda s: s.layerwise_galore() and s.config.get("gradient_accumulation_steps", 1) != 1,
        "layerwise GaLore steps within the backward pass and cannot accumulate gradients",
    ),
    _refused(
        "qgalore-with-adapter",
        ("optimizer", "adapter"),
        lambda s: s.optimizer() == "q_galore_adamw8bit" and s.has("adapter"),
        "Q-GaLore trains full weights: remove the adapter",
    ),
    _refused(
        "qgalore-with-deepspeed",
        ("optimizer", "deepspeed"),
        lambda s: s.optimizer() == "q_galore_adamw8bit" and s.has("deepspeed"),
        "Q-GaLore does not work with DeepSpeed",
    ),
    # Names that Axolotl takes as any string.
    _accepted(
        "unknown-optimizer",
        ("optimizer",),
        lambda s: _unless_known("optimizers", s.config.get("optimizer")),
        "is not an optimizer that the trainer knows",
    ),
    _accepted(
        "optimizer-not-installed",
        ("optimizer",),
        lambda s: s.optimizer() in MISSING_PACKAGE,
        "needs a package or a device that the trainer's environment does not have",
    ),
    _accepted(
        "unknown-scheduler",
        ("lr_scheduler",),
        lambda s: _unless_known("lr_schedulers", s.config.get("lr_scheduler")),
        "is not a schedule that the trainer knows",
    ),
    # Preference optimisation and noise.
    _refused(
        "packing-with-rl",
        ("sample_packing", "rl"),
        lambda s: s.has("rl", "sample_packing"),
        "preference pairs cannot be packed",
    ),
    _refused(
        "quantised-fsdp-2-with-orpo",
        ("load_in_4bit", "load_in_8bit", "fsdp_config"),
        lambda s: s.config.get("rl") == "orpo" and s.fsdp() == 2 and (s.has("load_in_4bit") or s.has("load_in_8bit")),
        "ORPO on FSDP version 2 cannot use quantised weights",
    ),
    _accepted(
        "orpo-alpha-without-orpo",
        ("orpo_alpha", "rl"),
        lambda s: s.has("orpo_alpha") and s.config.get("rl") != "orpo",
        "weighs ORPO's odds ratio, and this strategy is not ORPO",
    ),
    _refused(
        "neftune-not-positive",
        ("neftune_noise_alpha",),
        lambda s: s.config.get("neftune_noise_alpha") is not None and not _positive(s.config["neftune_noise_alpha"]),
        "NEFTune's noise must be greater than 0; leave it out for none",
    ),
    _accepted(
        "neftune-with-rl",
        ("neftune_noise_alpha", "rl"),
        lambda s: s.has("neftune_noise_alpha", "rl"),
        "Axolotl silently ignores NEFTune under preference optimisation",
    ),
    # Two ways to spread one model.
    _accepted(
        "deepspeed-with-fsdp",
        ("deepspeed", "fsdp_config"),
        lambda s: s.has("deepspeed", "fsdp_config"),
        "DeepSpeed and FSDP both shard the model: keep one",
    ),
)
