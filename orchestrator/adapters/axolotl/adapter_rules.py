"""The part of the table of contradictions that is about adapters: ReLoRA, DoRA, LoRA+, rsLoRA, quantised weights."""

from __future__ import annotations

from orchestrator.adapters.axolotl.setting import Rule, accepted, refused

OWN_GROUPS = frozenset({"muon", "dion", "sinkgd", "polora"})
"""Optimizers that make their parameter groups themselves, before Axolotl would make LoRA+'s."""

ADAPTER_RULES: tuple[Rule, ...] = (
    # ReLoRA.
    refused(
        "relora-without-adapter",
        ("relora", "adapter"),
        lambda s: s.has("relora") and not s.has("adapter"),
        "ReLoRA merges and restarts an adapter: set one",
    ),
    refused(
        "relora-without-restarts",
        ("relora", "jagged_restart_steps"),
        lambda s: s.has("relora") and not s.has("jagged_restart_steps"),
        "ReLoRA needs jagged_restart_steps",
    ),
    refused(
        "relora-with-fsdp",
        ("relora", "fsdp_config"),
        lambda s: s.has("relora") and s.fsdp() > 0,
        "ReLoRA's restarts do not work on sharded parameters (FSDP)",
    ),
    refused(
        "relora-with-deepspeed",
        ("relora", "deepspeed"),
        lambda s: s.has("relora", "deepspeed"),
        "ReLoRA's restarts do not work with DeepSpeed",
    ),
    refused(
        "relora-with-one-cycle",
        ("lr_scheduler", "relora"),
        lambda s: s.has("relora") and s.config.get("lr_scheduler") == "one_cycle",
        "the one_cycle schedule cannot be restarted, as ReLoRA does",
    ),
    accepted(
        "relora-with-dora",
        ("peft_use_dora", "relora"),
        lambda s: s.has("relora", "peft_use_dora"),
        "DoRA's magnitudes do not survive ReLoRA's restarts: gradient norms jump to 50",
    ),
    # Adapters.
    refused(
        "quantised-without-adapter",
        ("load_in_4bit", "load_in_8bit", "adapter"),
        lambda s: not s.has("adapter") and (s.has("load_in_4bit") or s.has("load_in_8bit")),
        "quantised weights cannot be trained themselves: set an adapter",
    ),
    refused(
        "qlora-without-4bit",
        ("adapter", "load_in_4bit"),
        lambda s: s.config.get("adapter") == "qlora" and not s.has("load_in_4bit"),
        "QLoRA trains on 4-bit weights: set load_in_4bit to true, or adapter to lora",
    ),
    refused(
        "qlora-in-8bit",
        ("load_in_8bit", "adapter"),
        lambda s: s.config.get("adapter") == "qlora" and s.has("load_in_8bit"),
        "QLoRA trains on 4-bit weights: set load_in_8bit to false, or adapter to lora",
    ),
    accepted(
        "adapter-without-rank",
        ("lora_r", "lora_alpha", "adapter"),
        lambda s: s.has("adapter") and not s.has("lora_r", "lora_alpha"),
        "an adapter needs a rank and a scale, or the trainer crashes: set lora_r and lora_alpha",
    ),
    accepted(
        "dora-without-adapter",
        ("peft_use_dora", "adapter"),
        lambda s: s.has("peft_use_dora") and not s.has("adapter"),
        "DoRA is a kind of adapter; without one, Axolotl ignores it and trains every weight",
    ),
    accepted(
        "rslora-without-adapter",
        ("peft_use_rslora", "adapter"),
        lambda s: s.has("peft_use_rslora") and not s.has("adapter"),
        "rsLoRA scales an adapter; without one, Axolotl ignores it and trains every weight",
    ),
    accepted(
        "rank-without-adapter",
        ("lora_r", "lora_alpha", "adapter"),
        lambda s: (s.has("lora_r") or s.has("lora_alpha")) and not s.has("adapter"),
        "is a setting of an adapter; without one, Axolotl ignores it and trains every weight",
    ),
    accepted(
        "loraplus-without-adapter",
        ("loraplus_lr_ratio", "adapter"),
        lambda s: s.has("loraplus_lr_ratio") and not s.has("adapter"),
        "LoRA+ tells an adapter's two matrices apart; without an adapter there are none",
    ),
    refused(
        "loraplus-with-lr-groups",
        ("lr_groups", "loraplus_lr_ratio"),
        lambda s: s.has("loraplus_lr_ratio", "lr_groups"),
        "LoRA+ makes the parameter groups itself: keep loraplus_lr_ratio or lr_groups",
    ),
    accepted(
        "loraplus-with-own-groups",
        ("optimizer", "loraplus_lr_ratio"),
        lambda s: s.has("loraplus_lr_ratio") and s.optimizer() in OWN_GROUPS,
        "makes its own parameter groups, and Axolotl then drops loraplus_lr_ratio in silence",
    ),
    accepted(
        "dora-with-8bit-on-cpu",
        ("load_in_8bit", "peft_use_dora"),
        lambda s: s.device == "cpu" and s.has("load_in_8bit", "peft_use_dora"),
        "DoRA cannot read the norms of 8-bit weights on a CPU: the first step fails",
    ),
    accepted(
        "dora-with-zero-3",
        ("peft_use_dora", "deepspeed"),
        lambda s: s.has("peft_use_dora") and s.zero_stage_3(),
        "DoRA needs whole weights for its norms, which ZeRO stage 3 scatters",
    ),
    accepted(
        "dora-with-fsdp-1",
        ("peft_use_dora", "fsdp_config"),
        lambda s: s.has("peft_use_dora") and s.fsdp() == 1,
        "DoRA needs whole weights for its norms, which FSDP version 1 flattens: use version 2",
    ),
)
