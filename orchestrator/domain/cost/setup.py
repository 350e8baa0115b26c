"""How one training is set up, as far as its speed and its memory depend on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Method(StrEnum):
    """Which weights are trained, and how the frozen ones are kept."""

    FULL = "full"
    LORA = "lora"
    QLORA = "qlora"
    GALORE = "galore"


class Sharding(StrEnum):
    """What of a training is split over its devices; data goes over all of them in any case."""

    NONE = "none"
    """Every device holds all: plain data parallelism."""
    OPTIMIZER = "optimizer"
    """Optimizer states and gradients are split (ZeRO-2, SHARD_GRAD_OP)."""
    FULL = "full"
    """Weights are split too, and gathered layer by layer (FSDP, ZeRO-3)."""


class Checkpointing(StrEnum):
    """What is kept of a forward pass for the backward one."""

    NONE = "none"
    SELECTIVE = "selective"
    FULL = "full"
    """One tensor per layer is kept; the rest is computed twice."""
    OFFLOAD = "offload"
    """Full, and the kept tensors wait in the host's memory."""


@dataclass(frozen=True, slots=True)
class TrainingSetup:
    """One training on `devices` GPUs.

    `sequence_len` tokens are in each of the `micro_batch` sequences of a device's micro-step (padding counted: it costs
    the same), and `accumulation` micro-steps make an optimizer step. `targets` are the adapted modules, None for all
    linear ones. `pairs` says that a row is two sequences (ORPO). `precision` is that of the matrix products: bf16, fp8,
    fp32. `fused_loss` says that logits are never held whole. `galore_gap` is the steps between two projections.
    `quantization` is how QLoRA's frozen weights are kept. One copy of the model is spread over
    `tensor_parallel` x `pipeline_parallel` x `context_parallel` devices; the product itself trains with one each.
    """

    method: Method
    sequence_len: int
    micro_batch: int = 1
    accumulation: int = 1
    devices: int = 1
    sharding: Sharding = Sharding.NONE
    checkpointing: Checkpointing = Checkpointing.FULL
    flash: bool = True
    precision: str = "bf16"
    optimizer: str = "adamw_torch_fused"
    rank: int = 0
    targets: tuple[str, ...] | None = None
    dropout: float = 0.0
    dora: bool = False
    pairs: bool = False
    packed: bool = False
    compiled: bool = False
    fused_loss: bool = False
    trains_embeddings: bool = False
    galore_gap: int = 0
    framework: str = "axolotl"
    quantization: str = "nf4"
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    context_parallel: int = 1

    @property
    def model_parallel(self) -> int:
        """Devices that one copy of the model is spread over."""
        return self.tensor_parallel * self.pipeline_parallel * self.context_parallel

    @property
    def copies(self) -> int:
        """Copies of the model that train side by side, each on its own data."""
        return max(1, self.devices // self.model_parallel)

    @property
    def micro_tokens(self) -> int:
        """Tokens of one micro-step of one copy of the model, padding and both sides of a pair included."""
        return self.micro_batch * self.sequence_len * (2 if self.pairs else 1)

    @property
    def step_tokens(self) -> int:
        """Tokens of one optimizer step on all devices."""
        return self.micro_tokens * self.accumulation * self.copies
