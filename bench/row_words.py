"""What the words of a file of measurements mean in the words of the cost model."""

from __future__ import annotations

import re

from orchestrator.domain.cost.architecture import Architecture, Part
from orchestrator.domain.cost.gpus import GPUS, Gpu
from orchestrator.domain.cost.setup import Checkpointing, Method, Sharding

# Ends the name of a framework that ran over a network: its cells are others than those of one machine.
MULTINODE = "-multinode"
# What a framework calls itself begins with one of these; the first that fits is its name among the coefficients.
_FRAMEWORKS = (
    ("megatron-bridge (not", "megatron-bridge-untuned"),
    ("megatron-bridge", "megatron-bridge"),
    ("nemo automodel", "nemo-automodel"),
    ("nemo", "nemo"),
    ("llm-foundry", "llm-foundry"),
    ("torchtitan", "torchtitan"),
    ("torchtune", "torchtune"),
    ("litgpt", "litgpt"),
    ("qwen", "qwen-finetune"),
    ("ms-swift", "ms-swift"),
    ("swift", "ms-swift"),
    ("axolotl", "axolotl"),
    ("peft", "transformers"),
    ("hf", "transformers"),
    ("transformers", "transformers"),
    ("trl", "transformers"),
)
# The longest that fits wins: an A100 with 40 GB is written beside one with 80.
_GPUS = {
    "H200": "H200",
    "H100": "H100",
    "GB300": "GB300",
    "GB200": "GB200",
    "B200": "B200",
    "A100": "A100-80GB",
    "A100SXM440GB": "A100",
    "A100SXM40GB": "A100",
    "A10040GB": "A100",
    "A100PCIE40GB": "A100",
    "L40S": "L40S",
    "A10G": "A10G",
    "RTX4090": "RTX4090",
    "4090": "RTX4090",
}
_CHECKPOINTING = {
    "none": Checkpointing.NONE,
    "no": Checkpointing.NONE,
    "false": Checkpointing.NONE,
    "0": Checkpointing.NONE,
    "off": Checkpointing.NONE,
    "selective": Checkpointing.SELECTIVE,
    "full": Checkpointing.FULL,
    "true": Checkpointing.FULL,
    "yes": Checkpointing.FULL,
    "1": Checkpointing.FULL,
    "on": Checkpointing.FULL,
    "full+offload": Checkpointing.OFFLOAD,
    "offload": Checkpointing.OFFLOAD,
}
# Where nothing is said: what the framework does by itself, or in the examples that its tables come from.
_CHECKPOINTS_BY_ITSELF = frozenset({"axolotl", "ms-swift", "qwen-finetune", "nemo-automodel"})
_SHARDS_OPTIMIZER = frozenset({"megatron-bridge", "megatron-bridge-untuned", "nemo"})
_UNMODELLED = ("lisa", "llamapro", "adapter", "unsloth", "ia3", "prompt", "prefix", "longlora", "neftune-only")
_FUSED_QUERIES = ("c_attn", "Wqkv", "qkv_proj", "query_key_value", "W_pack", "attn")
_QUERIES = ("q_proj", "k_proj", "v_proj")


def framework_of(text: str) -> str:
    """The framework's name among the coefficients; its own, in small letters, where it has none there."""
    small = text.strip().lower()
    return next((name for start, name in _FRAMEWORKS if small.startswith(start)), small or "unknown")


def gpu_of(text: str) -> Gpu | None:
    """The accelerator, however its form factor and memory are written behind the name; None for one without a sheet."""
    bare = re.sub(r"[^A-Z0-9]", "", text.upper().replace("NVIDIA", "").replace("GEFORCE", ""))
    fitting = [start for start in _GPUS if bare.startswith(start)]
    return GPUS[_GPUS[max(fitting, key=len)]] if fitting else None


def unmodelled(method: str) -> str | None:
    """The technique in it that the cost model has no terms for."""
    small = method.lower()
    return next((word for word in _UNMODELLED if word in small), None)


def method_of(text: str) -> Method | None:
    """Which weights are trained. `full+galore64` is GaLore, `qlora-gptq-int4` QLoRA."""
    small = text.lower()
    if "galore" in small:
        return Method.GALORE
    if "qlora" in small or "qdora" in small or re.search(r"q4|q8|nf4|int4|int8", small):
        return Method.QLORA
    if "lora" in small or "dora" in small or "relora" in small:
        return Method.LORA
    return Method.FULL if small.startswith(("full", "sft", "pretrain", "orpo", "dpo")) else None


def quantization_of(method: str, precision: str) -> str:
    """How frozen weights are kept: nf4 (bitsandbytes), nf4-dq, gptq-int4, gptq-int8."""
    small = f"{method} {precision}".lower()
    if "gptq" in small:
        return "gptq-int8" if "int8" in small else "gptq-int4"
    return "nf4-dq" if "-dq" in small else "nf4"


def precision_of(text: str) -> str:
    """That of the matrix products: bf16, fp32, fp8, mxfp8, nvfp4."""
    small = text.lower()
    for word in ("mxfp8", "nvfp4"):
        if small.startswith(word):
            return word
    if "fp8" in small:
        return "fp8"
    return "fp32" if small in {"fp32", "float32", "32-true"} else "bf16"


def checkpointing_of(text: str, framework: str) -> Checkpointing | None:
    """None for a word that means none of them."""
    if not text:
        return Checkpointing.FULL if framework in _CHECKPOINTS_BY_ITSELF else Checkpointing.NONE
    return _CHECKPOINTING.get(text.lower())


def sharding_of(text: str, framework: str, devices: int) -> Sharding:
    """What is split over the data-parallel devices. Megatron splits its optimizer when nothing else is said."""
    small = text.lower().rstrip("?")
    if devices > 1 and re.fullmatch(r"full_shard|zero3|fsdp[1-9]*\d*|fsdp2|full", small) and small != "fsdp0":
        return Sharding.FULL
    if devices > 1 and (small in {"shard_grad_op", "zero2", "zero1", "optimizer"} or framework in _SHARDS_OPTIMIZER):
        return Sharding.OPTIMIZER
    return Sharding.NONE


def optimizer_of(text: str, method: str) -> str:
    """The optimizer as the trainer's settings name it, `_in_backward` behind one that steps layer by layer."""
    small = text.lower()
    if "galore" in method.lower():
        return "galore_adamw_8bit" if "quantize" in method.lower() else "galore_adamw"
    name = "adamw_bnb_8bit" if "8bit" in small else "adamw_torch_fused" if "fused" in small else "adamw_torch"
    if small in {"lion", "sgd", "adafactor"}:
        name = small
    return f"{name}_in_backward" if "in-bwd" in small else name


def targets_of(text: str, architecture: Architecture) -> tuple[str, ...] | None:
    """The adapted modules in the architecture's own names; None for all linear ones, which is also what blank means.

    `DEFAULT` is what ms-swift takes by itself: queries, keys and values, in one matrix or in three.
    """
    names = [each.name for each in architecture.linears]
    small = text.strip().lower()
    if not small or small.startswith("all"):
        return None
    attention = [each.name for each in architecture.linears if each.part is Part.ATTENTION]
    fused = [name for name in attention if name in _FUSED_QUERIES]
    if small.startswith("default"):
        return tuple(fused or [name for name in attention if name in _QUERIES])
    if small in {"q+v", "q,v", "q_proj+v_proj"}:
        return tuple(fused or [name for name in attention if name in {"q_proj", "v_proj"}])
    return tuple(dict.fromkeys(name for name in names if _is_named(name, re.split(r"[+, ]+", text.strip())))) or None


def _is_named(name: str, words: list[str]) -> bool:
    return any(name == word or name.endswith(f".{word}") or name == f"{word}_proj" for word in words)
