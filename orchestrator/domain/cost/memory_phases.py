"""Activations, and which tensors meet in which phase of a training step."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.memory_activations import layer_bytes, score_share
from orchestrator.domain.cost.memory_state import resident
from orchestrator.domain.cost.memory_terms import Factor, Group, habits_of, largest
from orchestrator.domain.cost.setup import Checkpointing, Method, TrainingSetup

# ORPO's trainer holds a cast of both answers' logits and takes the loss of one and the odds of both: 4 bytes more each.
_MORE_OF_PAIRS = 4
# Bytes of a score that an unflashed attention keeps for its backward pass, and has in hand while it works on a layer:
# bf16 before and behind the mask, the fp32 softmax and its bf16 copy, and the gradients of the last three.
_SCORE_KEPT = 5
_SCORE_IN_HAND = 18
# Part of a layer's activations that is there once more, as gradients, while the layer is gone back through.
_GRADIENTS_OF_LAYER = 0.25
# Part of the activations that selective checkpointing keeps beside each layer's input.
_SELECTIVE = 0.4


@lru_cache(maxsize=2048)
def phases(architecture: Architecture, setup: TrainingSetup) -> Mapping[str, tuple[Group, ...]]:
    """The groups that are on a device at the same time: at the end of the forward pass (`forward`), at the last layer
    of the backward pass with nearly nothing of its gradients there (`backward`), at its end (`gradients`), while the
    optimizer steps (`step`) and, for a framework that holds the whole model before it shards it, while it is read
    (`load`)."""
    state = resident(architecture, setup)
    held = state.gradients if setup.accumulation > 1 else ()
    kept, layer = _kept(architecture, setup, 0), _layer(architecture, setup)
    before = _kept(architecture, setup, 1)
    found = {
        "forward": (*state.always, *held, *kept, *_logits(architecture, setup)),
        "backward": (*state.always, *held, *before, *layer, *_head_gradient(architecture, setup)),
        "gradients": (*state.always, *state.gradients, *layer),
        "step": (*state.always, *state.gradients, *state.step),
    }
    if state.load:
        found["load"] = state.load
    return MappingProxyType(found)


def _tokens(setup: TrainingSetup) -> float:
    """Of one micro-step on one device."""
    return setup.micro_tokens / setup.context_parallel


def _kept(architecture: Architecture, setup: TrainingSetup, done: int) -> list[Group]:
    """What the forward pass left for the backward one, which has so many layers behind it."""
    split = setup.tensor_parallel * setup.pipeline_parallel
    tokens, layers = _tokens(setup), architecture.layers - done
    whole = layer_bytes(architecture, setup)
    checkpointing = setup.checkpointing
    stream = stream_bytes(architecture, setup)
    if checkpointing is Checkpointing.NONE:
        each, held, formula = whole, layers, f"{whole:,.0f} bytes"
    elif checkpointing is Checkpointing.SELECTIVE:
        each, held = min(whole, stream + _SELECTIVE * whole), layers
        formula = f"({stream:,.0f} + {_SELECTIVE} x {whole:,.0f}) bytes"
    else:
        each, formula = stream, f"{stream:,.0f} bytes"
        held = min(2, layers) if checkpointing is Checkpointing.OFFLOAD else layers
    by = f" / {split}" if split > 1 else ""
    text = f"{formula} x {tokens:,.0f} tokens x {held} layers{by}"
    groups = [Group("activations kept", each * tokens * held / split, text, Factor.ACTIVATIONS)]
    if checkpointing is Checkpointing.NONE:
        groups += _scores(architecture, setup, _SCORE_KEPT, layers / setup.pipeline_parallel)
    return groups + _quantised_inputs(architecture, setup)


def stream_bytes(architecture: Architecture, setup: TrainingSetup) -> float:
    """Bytes of one token between two layers: fp32 where the embedding is kept so."""
    wide = setup.precision == "fp32" or (
        setup.method in {Method.FULL, Method.GALORE} and habits_of(setup).embedding > 2
    )
    return (4.0 if wide else 2.0) * architecture.hidden


def _scores(architecture: Architecture, setup: TrainingSetup, width: float, layers: float) -> list[Group]:
    """Attention scores, where no flash kernel spares them; what is in hand of them depends on the model's own code."""
    if not score_share(architecture, setup):
        return []
    sequences = setup.micro_tokens / setup.sequence_len
    factor = Factor.EAGER if width == _SCORE_IN_HAND else Factor.ACTIVATIONS
    scores = sequences * architecture.heads * setup.sequence_len**2
    text = f"{width:g} x {sequences:g} x {architecture.heads} heads x {setup.sequence_len}^2 x {layers:g} layers"
    return [Group("attention scores", width * scores * layers / setup.tensor_parallel, text, factor)]


def _quantised_inputs(architecture: Architecture, setup: TrainingSetup) -> list[Group]:
    """Copies of what goes into quantised matrices; how many of them stay is fitted, none on transformers."""
    if setup.method is not Method.QLORA or setup.checkpointing is not Checkpointing.NONE:
        return []
    width = 4 * sum(each.inputs * each.layers * each.active for each in architecture.linears)
    text = f"{width:,} bytes x {_tokens(setup):,.0f} tokens"
    return [Group("inputs of quantised matrices", width * _tokens(setup), text, Factor.COPIES)]


def _layer(architecture: Architecture, setup: TrainingSetup) -> list[Group]:
    """What is in hand while one layer is gone back through."""
    tokens = _tokens(setup) / setup.tensor_parallel
    whole = layer_bytes(architecture, setup)
    share = 1 + _GRADIENTS_OF_LAYER
    text = f"{share:g} x {whole:,.0f} bytes x {tokens:,.0f} tokens"
    groups = [Group("layer in hand", share * whole * tokens, text, Factor.ACTIVATIONS)]
    if setup.dora:
        widest = largest(architecture)
        text = f"4 x ({widest.inputs}^2 + 3 x {widest.inputs} x {widest.outputs})"
        groups.append(Group("DoRA's weight norm", 4.0 * (widest.inputs**2 + 3 * widest.matrix), text))
    return groups + _scores(architecture, setup, _SCORE_IN_HAND, 1)


def _logits(architecture: Architecture, setup: TrainingSetup) -> list[Group]:
    tokens = _tokens(setup) / setup.tensor_parallel
    if setup.fused_loss:
        chunked = habits_of(setup).chunked
        width = chunked * architecture.vocab if chunked else 10.0 * architecture.hidden
        text = f"{width:,.0f} bytes x {tokens:,.0f} tokens, in chunks"
    else:
        each = habits_of(setup).logit + (_MORE_OF_PAIRS if setup.pairs else 0)
        width = float(each * architecture.vocab)
        text = f"{each} x {architecture.vocab:,} words x {tokens:,.0f} tokens"
    return [Group("logits", width * tokens, text, Factor.LOGITS)]


def _head_gradient(architecture: Architecture, setup: TrainingSetup) -> list[Group]:
    """The head's gradient is there before that of any layer."""
    if setup.method not in {Method.FULL, Method.GALORE} and not setup.trains_embeddings:
        return []
    if setup.accumulation > 1:
        return []
    size = 2 * architecture.embedding / setup.tensor_parallel
    return [Group("gradient of the head", size, f"2 x {architecture.vocab:,} x {architecture.hidden}", Factor.STATES)]
