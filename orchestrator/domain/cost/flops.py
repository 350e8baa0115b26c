"""Floating-point operations and bytes of one token's training, by method. A multiplication and an addition are two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.domain.cost.architecture import Architecture, Linear
from orchestrator.domain.cost.setup import Checkpointing, Method, TrainingSetup
from orchestrator.domain.cost.stacks import passed

_BACKWARD_ATTENTION = 2.5  # a flash kernel computes the scores anew on its way back: five products to two


@dataclass(frozen=True, slots=True)
class TokenFlops:
    """FLOPs of one token through forward and backward.

    `gemm` are the products with the model's own weights, `recompute` those of them that checkpointing does again,
    `second` DoRA's second product with the frozen weights (only where dropout lies between), `adapter` those with A and
    B, `attention` and `attention_recompute` queries with keys and scores with values.
    """

    gemm: float
    recompute: float
    second: float
    adapter: float
    attention: float
    attention_recompute: float

    @property
    def total(self) -> float:
        return self.gemm + self.recompute + self.second + self.adapter + self.attention + self.attention_recompute

    @property
    def model(self) -> float:
        """What the mathematics needs, recomputation left out: the numerator of MFU."""
        return self.total - self.recompute - self.attention_recompute


def forward_passes(setup: TrainingSetup) -> int:
    """How often a layer is computed forwards: once, and again on the way back when it is checkpointed."""
    return 2 if setup.checkpointing in {Checkpointing.FULL, Checkpointing.OFFLOAD} else 1


def mean_keys(sequence_len: int, window: int | None = None, causal: bool = True) -> float:
    """Keys that a query sees on average: half the sequence when causal, at most `window`; all when computed whole."""
    if not causal:
        return float(sequence_len)
    if window is None or window >= sequence_len:
        return sequence_len / 2
    return window - window * window / (2 * sequence_len)


def attention_forward(architecture: Architecture, setup: TrainingSetup) -> float:
    """FLOPs of one token's scores in all layers, once forwards: 4 x width x keys seen.

    A flash kernel leaves out the half that the causal mask hides; plain attention computes it.
    """
    width = architecture.heads * architecture.head_dim
    windowed = architecture.windowed_layers if architecture.window else 0
    plain = mean_keys(setup.sequence_len, causal=setup.flash)
    narrow = mean_keys(setup.sequence_len, architecture.window, setup.flash)
    return 4.0 * width * (plain * (architecture.layers - windowed) + narrow * windowed)


def trains_weights(setup: TrainingSetup) -> bool:
    """Whether the model's own matrices get gradients."""
    return setup.method in {Method.FULL, Method.GALORE}


def adapted(architecture: Architecture, setup: TrainingSetup) -> tuple[Linear, ...]:
    """The matrices with adapters: none where the model's own are trained."""
    return () if trains_weights(setup) else architecture.targeted(setup.targets)


def widths(architecture: Architecture, setup: TrainingSetup) -> int:
    """Inputs and outputs of all adapted matrices that one token passes."""
    return sum(
        (each.inputs + each.outputs) * each.layers * passed(architecture, setup.framework, each)
        for each in adapted(architecture, setup)
    )


def computed(architecture: Architecture, setup: TrainingSetup, linears: Iterable[Linear]) -> int:
    """Weights of those matrices that one token is multiplied with."""
    return sum(each.matrix * each.layers * passed(architecture, setup.framework, each) for each in linears)


def token_flops(architecture: Architecture, setup: TrainingSetup) -> TokenFlops:
    """Forward 2 N, gradients of inputs 2 N, of weights 2 N where they are trained (N counts the output head).

    Of a mixture's experts only a token's own are counted, where the framework computes no others. Selective
    checkpointing recomputes no matrix product.
    """
    again = forward_passes(setup) - 1
    blocks, head = (
        float(computed(architecture, setup, architecture.linears)),
        float(architecture.vocab * architecture.hidden),
    )
    weights = 6.0 if trains_weights(setup) else 4.0
    head_weights = 6.0 if trains_weights(setup) or setup.trains_embeddings else 4.0
    forward = attention_forward(architecture, setup)
    modules = adapted(architecture, setup)
    low_rank = setup.rank * widths(architecture, setup)
    frozen = computed(architecture, setup, modules)
    twice = setup.dora and setup.dropout > 0
    return TokenFlops(
        gemm=weights * blocks + head_weights * head,
        recompute=2.0 * blocks * again,
        second=2.0 * frozen * (2 + again) if twice else 0.0,
        adapter=(6.0 + 2.0 * again) * low_rank,
        attention=(1 + _BACKWARD_ATTENTION) * forward,
        attention_recompute=forward * again,
    )
