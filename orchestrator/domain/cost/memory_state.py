"""Weights, gradients and optimizer states on one device."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.cost.architecture import Architecture, Linear
from orchestrator.domain.cost.memory_terms import (
    QUANTISED,
    Factor,
    Group,
    adapter_parameters,
    frees_gradients,
    habits_of,
    largest,
    moment_bytes,
    steps_at_once,
)
from orchestrator.domain.cost.setup import Method, Sharding, TrainingSetup


@dataclass(frozen=True, slots=True)
class Resident:
    """`always` is there for the whole step, `gradients` from the backward pass on, `step` while the optimizer steps,
    `load` while weights are read."""

    always: tuple[Group, ...]
    gradients: tuple[Group, ...]
    step: tuple[Group, ...]
    load: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Trained:
    """Parameters that are trained together: how many, the bytes of each weight and of its gradient (`element`) and of
    its optimizer states, and whether the weights come on top of the frozen ones (`extra`)."""

    name: str
    count: int
    element: int
    states: float
    extra: bool


def resident(architecture: Architecture, setup: TrainingSetup) -> Resident:
    """What one device holds apart from activations."""
    parts = trained(architecture, setup)
    always = [*_weights(architecture, setup), *_extra_weights(setup, parts), *_states(setup, parts)]
    return Resident(
        tuple(always),
        tuple(_gradients(architecture, setup, parts)),
        tuple(_step(architecture, setup, parts)),
        tuple(_loading(architecture, setup)),
    )


def state_factor(setup: TrainingSetup) -> Factor:
    """Frameworks that shard have buffers of their own: what they add is fitted apart."""
    return Factor.STATES if setup.sharding is Sharding.NONE else Factor.SHARDED


def copies_of(setup: TrainingSetup) -> int:
    """Devices that data goes over."""
    return max(1, setup.devices // setup.model_parallel)


def _split(setup: TrainingSetup, *kinds: Sharding) -> tuple[int, str]:
    """What a device's share of the model is divided by, where the sharding is one of those."""
    share = setup.tensor_parallel * setup.pipeline_parallel
    share *= copies_of(setup) if setup.sharding in kinds else 1
    return share, f" / {share}" if share > 1 else ""


def _weight_bytes(architecture: Architecture, setup: TrainingSetup) -> tuple[float, str]:
    """All weights, unsharded."""
    habits = habits_of(setup)
    blocks, rest = architecture.blocks, architecture.parameters - architecture.blocks
    if setup.method is Method.QLORA:
        kind = "nf4-dq" if habits.double_quant and setup.quantization == "nf4" else setup.quantization
        width = QUANTISED[kind]
        other = 4 if habits.upcasts and setup.quantization.startswith("nf4") else 2
        return width * blocks + other * rest, f"{width:g} x {blocks:,} quantised + {other} x {rest:,}"
    if setup.method in {Method.FULL, Method.GALORE}:
        low, high = habits.weight, habits.embedding
    else:
        low = high = 2
    low, high = (4, 4) if setup.precision == "fp32" else (low, high)
    if low == high:
        return float(low * architecture.parameters), f"{low} x {architecture.parameters:,}"
    return float(low * blocks + high * rest), f"{low} x {blocks:,} in matrices + {high} x {rest:,}"


def _weights(architecture: Architecture, setup: TrainingSetup) -> list[Group]:
    size, formula = _weight_bytes(architecture, setup)
    share, by = _split(setup, Sharding.FULL)
    groups = [Group("weights", size / share, formula + by)]
    if setup.sharding is Sharding.FULL and copies_of(setup) > 1:
        gathered = min(2 * 2 * architecture.blocks / architecture.layers, size * (1 - 1 / copies_of(setup)))
        groups.append(
            Group("gathered layers", gathered, f"2 layers of {architecture.blocks / architecture.layers:,.0f}")
        )
    if setup.method is Method.QLORA:
        widest = largest(architecture)
        groups.append(Group("dequantised matrix", 2.0 * widest.matrix, f"2 x {widest.inputs} x {widest.outputs}"))
    return groups


def _loading(architecture: Architecture, setup: TrainingSetup) -> list[Group]:
    if not habits_of(setup).loads_whole or setup.sharding is not Sharding.FULL or setup.devices == 1:
        return []
    size, formula = _weight_bytes(architecture, setup)
    share, by = _split(setup, Sharding.FULL)
    return [
        Group("whole model", size, formula),
        Group("its shard", size / share, f"({formula}){by}", state_factor(setup)),
    ]


def trained(architecture: Architecture, setup: TrainingSetup) -> list[Trained]:
    """Everything that is trained."""
    if setup.method in {Method.FULL, Method.GALORE}:
        return _all_trained(architecture, setup)
    element = habits_of(setup).adapter
    count = adapter_parameters(architecture, setup)
    parts = [Trained("adapter", count, element, moment_bytes(setup.optimizer, element), True)]
    if setup.trains_embeddings:
        both = architecture.embedding + architecture.head
        parts.append(Trained("trained embeddings", both, 2, moment_bytes(setup.optimizer, 2), True))
    return parts


def _all_trained(architecture: Architecture, setup: TrainingSetup) -> list[Trained]:
    habits = habits_of(setup)
    low, high = (4, 4) if setup.precision == "fp32" else (habits.weight, habits.embedding)
    rest = architecture.parameters - architecture.blocks
    # A master keeps fp32 weights and both moments for the optimizer; gradients stay as they are.
    states = [12.0 if habits.master else moment_bytes(setup.optimizer, each) for each in (low, high)]
    if setup.method is Method.GALORE:
        states[0] = galore_bytes(architecture, setup) / architecture.blocks
    return [
        Trained("matrices", architecture.blocks, low, states[0], False),
        Trained("embeddings and norms", rest, high, states[1], False),
    ]


def galore_bytes(architecture: Architecture, setup: TrainingSetup) -> float:
    """States of all matrices under GaLore: two moments of rank x the longer side, and a projection of rank x the
    shorter one in the gradient's type."""
    element = habits_of(setup).weight
    moments = moment_bytes(setup.optimizer, element)
    return sum(_projected(each, setup.rank, moments, element) for each in architecture.linears)


def _projected(each: Linear, rank: int, moments: float, element: int) -> float:
    kept = min(rank, each.inputs, each.outputs)
    shorter, longer = sorted((each.inputs, each.outputs))
    return (moments * kept * longer + element * kept * shorter) * each.layers * each.copies


def _extra_weights(setup: TrainingSetup, parts: list[Trained]) -> list[Group]:
    share, by = _split(setup, Sharding.FULL)
    return [
        Group(f"{part.name} weights", part.element * part.count / share, f"{part.element} x {part.count:,}{by}")
        for part in parts
        if part.extra
    ]


def _states(setup: TrainingSetup, parts: list[Trained]) -> list[Group]:
    share, by = _split(setup, Sharding.FULL, Sharding.OPTIMIZER)
    return [
        Group(
            f"optimizer states of {part.name}",
            part.states * part.count / share,
            f"{part.states:.3g} x {part.count:,}{by}",
            state_factor(setup),
        )
        for part in parts
    ]


def _gradients(architecture: Architecture, setup: TrainingSetup, parts: list[Trained]) -> list[Group]:
    share, by = _split(setup, Sharding.FULL, Sharding.OPTIMIZER)
    layers = architecture.layers if frees_gradients(setup.optimizer) else 1
    once = f" / {layers} layers" if layers > 1 else ""
    groups = [
        Group(
            f"gradients of {part.name}",
            part.element * part.count / share / layers,
            f"{part.element} x {part.count:,}{by}{once}",
            state_factor(setup),
        )
        for part in parts
    ]
    if setup.sharding is Sharding.NONE and copies_of(setup) > 1:
        size = sum(group.size for group in groups)
        groups.append(Group("gradient buckets", size, "gradients once more, to be averaged", state_factor(setup)))
    return groups


def _step(architecture: Architecture, setup: TrainingSetup, parts: list[Trained]) -> list[Group]:
    share, by = _split(setup, Sharding.FULL, Sharding.OPTIMIZER)
    if setup.method is Method.GALORE:
        widest = largest(architecture)
        shape = f"{widest.inputs} x {widest.outputs}"
        return [
            Group("singular values of one matrix", 14.0 * widest.matrix, f"(2 + 3 x 4) x {shape}", state_factor(setup))
        ]
    habits = habits_of(setup)
    if not steps_at_once(setup) or (habits.master and setup.method is Method.FULL):
        return []
    return [
        Group(
            f"step temporaries of {part.name}",
            habits.temporaries * part.element * part.count / share,
            f"{habits.temporaries * part.element} x {part.count:,}{by}",
            state_factor(setup),
        )
        for part in parts
    ]
