"""What a token leaves in a layer for the backward pass, counted for the eager kernels of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from orchestrator.domain.cost.architecture import Architecture, Part
from orchestrator.domain.cost.memory_terms import habits_of
from orchestrator.domain.cost.setup import Method, TrainingSetup

# torch.compile fuses norms, rotations and the MLP's products, whose tensors are then not kept: 0.68 to 0.72 of the
# activations were left in torchtune's and torchtitan's tables.
_COMPILED = 0.7
_LAYER_NORMS: Mapping[str, int] = MappingProxyType({"phi": 1, "falcon": 1, "gptj": 1})
"""Model types with LayerNorm, whose one kernel keeps its input alone, and norms in each layer; two in the others."""
_TWO_LAYER_NORMS = frozenset({"gpt_neox", "gpt2", "mpt", "bloom", "opt", "stablelm", "starcoder2", "gpt_bigcode"})
_FOUR_NORMS = frozenset({"gemma2", "gemma3", "gemma3_text"})
_CAPPED = frozenset({"gemma2"})
"""Attention scores are capped, which no flash kernel of PyTorch does: they are held whole."""


def score_share(architecture: Architecture, setup: TrainingSetup) -> float:
    """1 where attention scores are held whole."""
    known = habits_of(setup).flashes
    flashes = setup.flash and (known is None or architecture.model_type in known)
    return 0.0 if flashes and architecture.model_type not in _CAPPED else 1.0


def layer_bytes(architecture: Architecture, setup: TrainingSetup) -> float:
    """Bytes that one token leaves in one layer, attention scores apart.

    A norm keeps its input in fp32 and, where its weight is trained, what it made of it; attention its queries, keys,
    values and output (4 q + 4 k); the gated MLP both branches and the activation (6 f), and their product for a trained
    matrix behind it (8 f). A trained matrix keeps its input, a frozen one nothing; an adapter keeps its input in its
    own type, what comes out of A, and for DoRA its output in both types.
    """
    trains = setup.method in {Method.FULL, Method.GALORE}
    queries = architecture.heads * architecture.head_dim
    total = norm_bytes(architecture, setup) + 4 * queries + 4 * architecture.kv_width
    total += habits_of(setup).turned * (queries + 2 * architecture.kv_width)
    if architecture.gated:
        total += (8 if trains else 6) * architecture.ffn
    else:
        total += (4 if trains else 2) * architecture.ffn
    total += _routed(architecture)
    if not trains:
        total += _adapter_inputs(architecture, setup)
    return total * (_COMPILED if setup.compiled else 1.0)


def norm_bytes(architecture: Architecture, setup: TrainingSetup) -> float:
    """Of a layer's norms: LayerNorm 2 h, RMSNorm in fp32 4 h; twice that where weights are trained, which need what
    goes into the next matrix."""
    kind = architecture.model_type
    trains = setup.method in {Method.FULL, Method.GALORE}
    if kind in _LAYER_NORMS or kind in _TWO_LAYER_NORMS:
        width = 2 * _LAYER_NORMS.get(kind, 2)
    else:
        width = 4 * (4 if kind in _FOUR_NORMS else 2)
    stream = 2 * (habits_of(setup).embedding - 2) if trains else 0
    return float((width * (2 if trains else 1) + stream) * architecture.hidden)


def _routed(architecture: Architecture) -> float:
    """A token's copies for its experts."""
    chosen = [each.active - 1 for each in architecture.linears if each.part is Part.EXPERT and each.active > 1]
    return 2.0 * architecture.hidden * sum(chosen)


def _adapter_inputs(architecture: Architecture, setup: TrainingSetup) -> float:
    element = habits_of(setup).adapter
    mask = 1 if setup.dropout else 0
    return sum(
        (each.layers / architecture.layers)
        * each.active
        * ((element + mask) * each.inputs + element * setup.rank + (6 * each.outputs if setup.dora else 0))
        for each in architecture.targeted(setup.targets)
    )
