"""What lies in a device's memory while a model is trained on it, tensor group by tensor group, in each phase of a step.

Bytes per parameter of the cell `axolotl` were counted, not assumed: `bench/trainer_inventory.py` loads a tiny Llama
with Axolotl 0.19's own loader (transformers 5, PEFT) and takes one step. It found adapters in fp32 (4 bytes, gradient
4, moments 8), also those of DoRA; frozen weights, norms and QLoRA's embeddings in bf16; trained copies of the embedding
in bf16; and, training all weights with SDPA attention, matrices in bf16 (2, 2 and 4 bytes) but embedding, head and
norms in fp32 (4, 4 and 8), so that the residual stream is fp32 too.

Activations are counted for the eager kernels of transformers, whose norms work in fp32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from orchestrator.domain.cost.architecture import Architecture, Linear, Part
from orchestrator.domain.cost.setup import Method, TrainingSetup


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
    """What a framework does by itself. Bytes of an element of: an adapter's weights, gradients and moments; a trained
    matrix (`weight`); a trained embedding, head or norm (`embedding`). `master` keeps fp32 weights, moments and
    gradients of its own beside them. `chunked` is the bytes of a logit where the loss goes by chunks that are all kept.
    `loads_whole` that each device holds the whole model before it is sharded. `flashes` are the model types whose code
    has flash attention where it is asked for, None for all. `fused` that its plain AdamW is the fused one."""

    adapter: int = 4
    weight: int = 2
    embedding: int = 2
    master: bool = False
    chunked: float = 0.0
    loads_whole: bool = False
    flashes: tuple[str, ...] | None = None
    fused: bool = False


HABITS: Mapping[str, Habits] = MappingProxyType(
    {
        "axolotl": Habits(embedding=4),
        "litgpt": Habits(adapter=2, loads_whole=True),
        "torchtune": Habits(adapter=2, chunked=4.0, fused=True),
        "torchtitan": Habits(weight=4, embedding=4),
        "qwen-finetune": Habits(master=True),
        # Its models' own code of early 2024 had flash attention for Qwen alone.
        "ms-swift": Habits(flashes=("qwen",)),
    }
)
_TRANSFORMERS = Habits()
QUANTISED = MappingProxyType({"nf4": 0.5625, "nf4-dq": 0.516, "gptq-int4": 0.52, "gptq-int8": 1.02, "int8": 1.0})
"""Bytes of a frozen weight. NF4: 4 bits and an fp32 scale for 64 weights, which `-dq` quantises again; GPTQ: a 16-bit
scale and a zero for 128."""

# torch.compile fuses norms, rotations and the MLP's products, whose tensors are then not kept.
_COMPILED = 0.7


def habits_of(framework: str) -> Habits:
    """Those of a framework that is not known are those of transformers with PEFT."""
    return HABITS.get(framework, _TRANSFORMERS)


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
    return "adam" in name and not habits_of(setup.framework).fused and not any(word in name for word in single)


def frees_gradients(optimizer: str) -> bool:
    """Whether each layer is stepped as soon as its gradient is there, so that one layer's is held at a time."""
    return "in_backward" in optimizer or "layerwise" in optimizer


def adapter_parameters(architecture: Architecture, setup: TrainingSetup) -> int:
    """A and B of each target, and one magnitude for each output where DoRA is on."""
    count = architecture.adapter_parameters(setup.rank, setup.targets)
    if setup.dora:
        count += sum(each.outputs * each.layers * each.copies for each in architecture.targeted(setup.targets))
    return count


def score_share(architecture: Architecture, setup: TrainingSetup) -> float:
    """1 where attention scores are held whole."""
    known = habits_of(setup.framework).flashes
    return 0.0 if setup.flash and (known is None or architecture.model_type in known) else 1.0


def layer_bytes(architecture: Architecture, setup: TrainingSetup) -> float:
    """Bytes that one token leaves in one layer for the backward pass, attention scores apart.

    Without adapters (all weights trained): two norms 16 h (fp32 input, its normalised copies), attention 4 q + 4 k, the
    gated MLP 8 f. With frozen weights no matrix keeps its input: norms 8 h, MLP 6 f; an adapted module keeps its input
    in the adapter's type, what comes out of A, and for DoRA its output in both types.
    """
    queries = architecture.heads * architecture.head_dim
    attention = 4 * queries + 4 * architecture.kv_width
    experts = (
        2
        * architecture.hidden
        * sum(each.active - 1 for each in architecture.linears if each.part is Part.EXPERT and each.active > 1)
    )
    if setup.method in {Method.FULL, Method.GALORE}:
        stream = 2.0 * (habits_of(setup.framework).embedding - 2)
        mlp = (8 if architecture.gated else 4) * architecture.ffn
        total = (16 + stream) * architecture.hidden + attention + mlp + experts
    else:
        mlp = (6 if architecture.gated else 2) * architecture.ffn
        total = 8 * architecture.hidden + attention + mlp + experts + _adapter_inputs(architecture, setup)
    return total * (_COMPILED if setup.compiled else 1.0)


def _adapter_inputs(architecture: Architecture, setup: TrainingSetup) -> float:
    element = habits_of(setup.framework).adapter
    mask = 1 if setup.dropout else 0
    return sum(
        (each.layers / architecture.layers)
        * each.active
        * ((element + mask) * each.inputs + element * setup.rank + (6 * each.outputs if setup.dora else 0))
        for each in architecture.targeted(setup.targets)
    )


def largest(architecture: Architecture) -> Linear:
    """The matrix with most weights."""
    return max(architecture.linears, key=lambda each: each.matrix)
