"""What no single field shows: settings that contradict each other, as one table.

Two kinds. Some Axolotl refuses itself, but only on the node, after its environment has been installed and is being paid
for. The others it accepts and then ignores, misreads or crashes on: found by running them. `tests/integration/
test_axolotl_validation.py` asks Axolotl about each rule, so that an upgrade which changes its mind is noticed.
"""

from __future__ import annotations

from difflib import get_close_matches

from orchestrator.adapters.axolotl.adapter_rules import ADAPTER_RULES
from orchestrator.adapters.axolotl.schema import known_names
from orchestrator.adapters.axolotl.setting import Rule, Setting, accepted, refused
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


RULES: tuple[Rule, ...] = (
    *ADAPTER_RULES,
    # LoRA's fused kernels.
    refused(
        "kernels-with-fsdp-1",
        (*KERNELS, "fsdp_config"),
        lambda s: any(s.has(kernel) for kernel in KERNELS) and s.fsdp() == 1 and s.gpus > 1,
        "the LoRA kernels do not work with FSDP version 1",
    ),
    refused(
        "kernels-with-8bit",
        (*KERNELS, "load_in_8bit"),
        lambda s: (
            any(s.has(kernel) for kernel in KERNELS[:3]) and s.config.get("adapter") == "lora" and s.has("load_in_8bit")
        ),
        "the LoRA kernels do not work on 8-bit weights",
    ),
    accepted(
        "kernels-on-cpu",
        KERNELS,
        lambda s: s.device == "cpu" and any(s.has(kernel) for kernel in KERNELS),
        "the LoRA kernels are written for GPUs and this machine has none",
    ),
    accepted(
        "kernels-with-orpo",
        KERNELS,
        lambda s: s.config.get("rl") == "orpo" and any(s.has(kernel) for kernel in KERNELS),
        "the LoRA kernels are not made for ORPO's trainer",
    ),
    # GaLore.
    accepted(
        "galore-with-adapter",
        ("optimizer", "adapter"),
        lambda s: uses_galore(s.config) and s.has("adapter"),
        "GaLore projects the gradients of full weights; with an adapter there is nothing to project",
    ),
    accepted(
        "galore-without-targets",
        ("optimizer", "optim_target_modules"),
        lambda s: uses_galore(s.config) and not s.has("optim_target_modules"),
        "GaLore needs optim_target_modules, for example [self_attn, mlp]",
    ),
    accepted(
        "galore-8bit-on-cpu",
        ("optimizer",),
        lambda s: s.device == "cpu" and uses_galore(s.config) and "8bit" in s.optimizer(),
        "8-bit GaLore waits for a CUDA device at every step and this machine has none: use galore_adamw",
    ),
    accepted(
        "galore-with-fsdp",
        ("optimizer", "fsdp_config"),
        lambda s: uses_galore(s.config) and s.fsdp() > 0,
        "GaLore projects whole gradients, which FSDP scatters",
    ),
    accepted(
        "galore-layerwise-on-many-gpus",
        ("optimizer",),
        lambda s: s.layerwise_galore() and s.gpus > 1,
        "layerwise GaLore runs on one GPU only",
    ),
    accepted(
        "galore-layerwise-with-accumulation",
        ("gradient_accumulation_steps", "optimizer"),
        lambda s: s.layerwise_galore() and s.config.get("gradient_accumulation_steps", 1) != 1,
        "layerwise GaLore steps within the backward pass and cannot accumulate gradients",
    ),
    refused(
        "qgalore-with-adapter",
        ("optimizer", "adapter"),
        lambda s: s.optimizer() == "q_galore_adamw8bit" and s.has("adapter"),
        "Q-GaLore trains full weights: remove the adapter",
    ),
    refused(
        "qgalore-with-deepspeed",
        ("optimizer", "deepspeed"),
        lambda s: s.optimizer() == "q_galore_adamw8bit" and s.has("deepspeed"),
        "Q-GaLore does not work with DeepSpeed",
    ),
    # Names that Axolotl takes as any string.
    accepted(
        "unknown-optimizer",
        ("optimizer",),
        lambda s: _unless_known("optimizers", s.config.get("optimizer")),
        "is not an optimizer that the trainer knows",
    ),
    accepted(
        "optimizer-not-installed",
        ("optimizer",),
        lambda s: s.optimizer() in MISSING_PACKAGE,
        "needs a package or a device that the trainer's environment does not have",
    ),
    accepted(
        "unknown-scheduler",
        ("lr_scheduler",),
        lambda s: _unless_known("lr_schedulers", s.config.get("lr_scheduler")),
        "is not a schedule that the trainer knows",
    ),
    # Preference optimisation and noise.
    refused(
        "packing-with-rl",
        ("sample_packing", "rl"),
        lambda s: s.has("rl", "sample_packing"),
        "preference pairs cannot be packed",
    ),
    refused(
        "quantised-fsdp-2-with-orpo",
        ("load_in_4bit", "load_in_8bit", "fsdp_config"),
        lambda s: s.config.get("rl") == "orpo" and s.fsdp() == 2 and (s.has("load_in_4bit") or s.has("load_in_8bit")),
        "ORPO on FSDP version 2 cannot use quantised weights",
    ),
    accepted(
        "orpo-alpha-without-orpo",
        ("orpo_alpha", "rl"),
        lambda s: s.has("orpo_alpha") and s.config.get("rl") != "orpo",
        "weighs ORPO's odds ratio, and this strategy is not ORPO",
    ),
    refused(
        "neftune-not-positive",
        ("neftune_noise_alpha",),
        lambda s: s.config.get("neftune_noise_alpha") is not None and not _positive(s.config["neftune_noise_alpha"]),
        "NEFTune's noise must be greater than 0; leave it out for none",
    ),
    accepted(
        "neftune-with-rl",
        ("neftune_noise_alpha", "rl"),
        lambda s: s.has("neftune_noise_alpha", "rl"),
        "Axolotl silently ignores NEFTune under preference optimisation",
    ),
    accepted(
        "dropout-with-orpo",
        ("lora_dropout", "rl"),
        lambda s: s.has("lora_dropout") and s.config.get("rl") == "orpo",
        "ORPO's trainer switches all dropout off: set it to 0",
    ),
    accepted(
        "grouping-with-orpo",
        ("group_by_length", "rl"),
        lambda s: s.has("group_by_length") and s.config.get("rl") == "orpo",
        "ORPO's trainer draws its pairs at random whatever this says",
    ),
    # Attention.
    accepted(
        "flex-attention-on-cpu",
        ("attn_implementation",),
        lambda s: s.device == "cpu" and s.config.get("attn_implementation") == "flex_attention",
        "flex_attention has no backward pass on a CPU: use sdpa",
    ),
    # Two ways to spread one model.
    accepted(
        "deepspeed-with-fsdp",
        ("deepspeed", "fsdp_config"),
        lambda s: s.has("deepspeed", "fsdp_config"),
        "DeepSpeed and FSDP both shard the model: keep one",
    ),
)
