"""What lies in a device's memory while a model is trained on it, tensor group by tensor group, in each phase of a step.

Bytes per parameter of the cell `axolotl` were counted, not assumed: `bench/trainer_inventory.py` loads a tiny Llama
with Axolotl 0.19's own loader (transformers 5, PEFT) and takes one step. It found adapters in fp32 (4 bytes, gradient
4, moments 8), also those of DoRA; frozen weights, norms and QLoRA's embeddings in bf16; trained copies of the embedding
in bf16; and, training all weights with SDPA attention, matrices in bf16 (2, 2 and 4 bytes) but embedding, head and
norms in fp32 (4, 4 and 8), so that the residual stream is fp32 too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from orchestrator.domain.cost.architecture import Architecture, Linear
from orchestrator.domain.cost.setup import Method, Sharding, TrainingSetup


class Factor(StrEnum):
    """Which fitted factor of a cell a group of tensors is multiplied with."""

    ONE = "one"
    ACTIVATIONS = "activations"
    LOGITS = "logits"
    STATES = "states"
    SHARDED = "sharded"
    COPIES = "copies"
    EAGER = "eager"


@dataclass(frozen=True, slots=True)
class Group:
    """Tensors that live and die together: their bytes on one device, and how these were counted."""

    name: str
    size: float
    formula: str
    factor: Factor = Factor.ONE


@dataclass(frozen=True, slots=True)
class Habits:
    """What a framework does by itself.

    `adapter`, `weight` and `embedding` are bytes of an element (of its gradient and of a moment too) of an adapter, of
    a trained matrix, and of a trained embedding, head or norm. `master`: fp32 weights and moments are kept beside them.
    `chunked`: bytes of a logit where the loss goes by chunks that are all kept. `loads_whole`: each device holds the
    whole model before it is sharded. `flashes`: model types whose code has flash attention where it is asked for, None
    for all. `fused`: plain AdamW is the fused one. `upcasts`: what NF4 leaves unquantised is cast to fp32 (as
    `prepare_model_for_kbit_training` does, and Axolotl undoes). `turned`: bytes of an element of queries, keys and
    values that are kept once more, taken apart and turned. `double_quant`: NF4's scales are quantised too.
    `temporaries`: copies of what is trained that a step by `foreach` makes (one since PyTorch 2.1, three in 2.0).
    `logit`: bytes of a logit of one token, 14 being bf16, its fp32 copy, the log-softmax and one more fp32 copy (a
    gradient, or the outputs that accelerate casts); litgpt's loss goes by chunks in bf16.
    """

    adapter: int = 4
    weight: int = 2
    embedding: int = 2
    master: bool = False
    chunked: float = 0.0
    loads_whole: bool = False
    flashes: tuple[str, ...] | None = None
    fused: bool = False
    upcasts: bool = False
    turned: int = 0
    temporaries: int = 1
    logit: int = 14
    double_quant: bool = False


HABITS: Mapping[str, Habits] = MappingProxyType(
    {
        "axolotl": Habits(embedding=4, double_quant=True),
        "litgpt": Habits(adapter=2, loads_whole=True, turned=2, logit=6),
        "torchtune": Habits(adapter=2, chunked=4.0, fused=True),
        "torchtitan": Habits(weight=4, embedding=4),
        "qwen-finetune": Habits(master=True, temporaries=3),
        # Its models' own code of early 2024 had flash attention for Qwen alone.
        "ms-swift": Habits(flashes=("qwen",), upcasts=True),
    }
)
_ALONE: Mapping[str, Habits] = MappingProxyType({"qwen-finetune": Habits(weight=4, embedding=4, temporaries=2)})
"""Training all weights unsharded: Qwen's script has a master in DeepSpeed alone, and fp32 weights without it (its table
has 24 bytes a parameter on one device)."""
_TRANSFORMERS = Habits(upcasts=True)
QUANTISED = MappingProxyType({"nf4": 0.5625, "nf4-dq": 0.516, "gptq-int4": 0.52, "gptq-int8": 1.02, "int8": 1.0})
"""Bytes of a frozen weight. NF4: 4 bits and an fp32 scale for 64 weights, which `-dq` quantises again; GPTQ: a 16-bit
scale and a zero for 128."""


def habits_of(setup: TrainingSetup) -> Habits:
    """Those of a framework that is not known are those of transformers with PEFT."""
    if setup.method is Method.FULL and setup.sharding is Sharding.NONE and setup.framework in _ALONE:
        return _ALONE[setup.framework]
    return HABITS.get(setup.framework, _TRANSFORMERS)


def gib(size: float) -> str:
    """Bytes as a person reads them."""
    return f"{size / (1 << 30):.3f} GiB"


def moment_bytes(optimizer: str, element: int) -> float:
    """Bytes of an optimizer's states for one trained parameter whose gradient has `element` bytes."""
    name = optimizer.lower()
    if "adafactor" in name or name == "sgd":
        return 0.0
    moments = 1 if "lion" in name else 2
    return moments * (1.0 if "8bit" in name or "8_bit" in name else float(element))


def steps_at_once(setup: TrainingSetup) -> bool:
    """Whether a step makes a temporary of every parameter (`foreach`), as PyTorch's AdamW does unless it is fused."""
    name = setup.optimizer.lower()
    single = ("fused", "8bit", "galore", "in_backward", "layerwise")
    return "adam" in name and not habits_of(setup).fused and not any(word in name for word in single)


def frees_gradients(optimizer: str) -> bool:
    """Whether each layer is stepped as soon as its gradient is there, so that one layer's is held at a time."""
    return "in_backward" in optimizer or "layerwise" in optimizer


def adapter_parameters(architecture: Architecture, setup: TrainingSetup) -> int:
    """A and B of each target, and one magnitude for each output where DoRA is on."""
    count = architecture.adapter_parameters(setup.rank, setup.targets)
    if setup.dora:
        count += sum(each.outputs * each.layers * each.copies for each in architecture.targeted(setup.targets))
    return count


def largest(architecture: Architecture) -> Linear:
    """The matrix with most weights."""
    return max(architecture.linears, key=lambda each: each.matrix)
