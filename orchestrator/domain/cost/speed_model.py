"""Seconds of one optimizer step, from the training's size and its cell's coefficients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from orchestrator.domain.cost.architecture import Architecture, Part
from orchestrator.domain.cost.coefficients import Coefficients, SpeedCell
from orchestrator.domain.cost.flops import adapted, forward_passes, token_flops, trains_weights, widths
from orchestrator.domain.cost.gpus import Gpu
from orchestrator.domain.cost.prediction import Prediction, Term
from orchestrator.domain.cost.setup import Method, Sharding, TrainingSetup
from orchestrator.domain.cost.stacks import on_transformers, passed

# Dense peak relative to bf16's.
_PEAK: Mapping[str, float] = MappingProxyType({"fp8": 2.0, "mxfp8": 2.0, "nvfp4": 4.0, "fp32": 0.5})
_NORM = 4.0  # the exponent with which two things that happen at once add up: nearly the longer one
_HBM = 0.8  # of the data sheet's bandwidth that a long copy reaches
_BUS = 0.4  # of the link's both directions together that a collective moves
_ADAPTER_EFFICIENCY = 0.12  # of the peak: products with a rank of 8-64 are narrow
_ADAPTER_LAUNCH = 0.06  # of a layer's launches, for each adapted matrix
_WITHOUT_DROPOUT = 0.75  # of an adapter's passes: no mask is drawn, no copy of the inputs is scaled
_COMPILED = 0.5  # of the elementwise bytes, once kernels are fused
_UNFLASH = (14.0, 25.0)  # bytes per score, forwards and backwards, of attention that writes its scores
_EXPERT_LAUNCH = 0.2  # of a layer's launches, for each expert's matrix where experts are computed one by one
_MIXTURE_SIGMA = 0.5  # what a mixture's prediction is less sure by there: hardly a row was measured
_GRADIENT_PASSES = 3.0  # a micro-step's gradients are read, added to those before and written
_NODE = 8
_INTERLEAVED = 4  # stretches of layers that a pipeline's device holds: its idle ends shrink by that
_OPTIMIZER_PASSES: Mapping[str, float] = MappingProxyType(
    {"adamw_torch_fused": 7.0, "adamw_bnb_8bit": 5.0, "galore_adamw_8bit": 5.0, "sgd": 4.0, "lion": 6.0}
)
_FOUR_BITS = 0.5625  # bytes of a weight and of its share of a scale
_UNFUSED_PASSES = 20.0  # AdamW's seventeen and the three of clipping


@dataclass(frozen=True, slots=True)
class Work:
    """What one device does in one micro-step, in seconds at full rate, before any cell's coefficient.

    `floor` counts layers (forwards and backwards make one), `dequantised` weights times passes. `optimizer` and `sync`
    are per optimizer step, `accumulated` and `gathered` per micro-step. `projection` is GaLore's, `svd` its FLOPs in a
    step on average.
    """

    gemm: float
    recompute: float
    attention: float
    elementwise: float
    adapter_products: float
    adapter_bytes: float
    floor: float
    dequantised: float
    dora: float
    accumulated: float
    gathered: float
    sync: float
    optimizer: float
    projection: float
    svd: float
    tokens: float
    hidden: int


def predict_step(architecture: Architecture, setup: TrainingSetup, gpu: Gpu, coefficients: Coefficients) -> Prediction:
    """Seconds of one optimizer step on `setup.devices` devices. Its terms are seconds and sum to `middle`."""
    cell = coefficients.speed(setup, gpu)
    terms = step_terms(work_of(architecture, setup, gpu), setup, cell)
    sigma = math.hypot(cell.sigma, _MIXTURE_SIGMA) if _looped(architecture, setup) else cell.sigma
    return Prediction(math.fsum(term.value for term in terms), sigma, terms, cell.source)


def tokens_per_second(setup: TrainingSetup, step_seconds: float) -> float:
    """Tokens per second of one device, padding counted."""
    return setup.step_tokens / setup.devices / step_seconds


def work_of(architecture: Architecture, setup: TrainingSetup, gpu: Gpu) -> Work:
    """Counts the work of a training; needs no coefficient, so that a search over them counts once."""
    flops = token_flops(architecture, setup)
    passes = forward_passes(setup) + 2
    tokens = setup.micro_tokens / setup.model_parallel
    peak = gpu.peak * _PEAK.get(setup.precision, 1.0)
    modules = adapted(architecture, setup)
    wide = widths(architecture, setup) * (1.0 if setup.dropout else _WITHOUT_DROPOUT)
    matrices = sum(each.layers * passed(architecture, setup.framework, each) for each in modules)
    gathered, sync = _communication(architecture, setup, gpu)
    held = architecture.parameters / setup.model_parallel
    owned = held if setup.sharding is Sharding.NONE else held / setup.copies
    trains = trains_weights(setup)
    optimizer = 2.0 * _OPTIMIZER_PASSES.get(setup.optimizer, _UNFUSED_PASSES) * owned / gpu.hbm if trains else 0.0
    projection, svd = _galore(architecture, setup)
    return Work(
        gemm=(flops.gemm + flops.second) * tokens / peak,
        recompute=flops.recompute * tokens / peak,
        attention=(flops.attention + flops.attention_recompute) * tokens / gpu.peak,
        elementwise=_elementwise(architecture, setup) * tokens / (_HBM * gpu.hbm),
        adapter_products=flops.adapter * tokens / (_ADAPTER_EFFICIENCY * gpu.peak),
        adapter_bytes=2.0 * wide * passes * tokens / (_HBM * gpu.hbm),
        floor=_launches(architecture, setup, matrices) * passes / 3 / setup.pipeline_parallel,
        dequantised=_quantised(architecture, setup) * passes_over_weights(setup) / setup.model_parallel,
        dora=_dora(architecture, setup) / setup.model_parallel / (_HBM * gpu.hbm),
        accumulated=_GRADIENT_PASSES * 2.0 * held / (_HBM * gpu.hbm) if trains else 0.0,
        gathered=gathered,
        sync=sync,
        optimizer=optimizer,
        projection=projection / gpu.peak,
        svd=svd,
        tokens=setup.micro_tokens / setup.tensor_parallel,
        hidden=architecture.hidden,
    )


def _quantised(architecture: Architecture, setup: TrainingSetup) -> int:
    return architecture.blocks if setup.method is Method.QLORA else 0


def _launches(architecture: Architecture, setup: TrainingSetup, adapted_matrices: int) -> float:
    """In layers: each adapted matrix and each expert that is computed by itself adds its own kernels."""
    experts = _looped(architecture, setup)
    return architecture.layers + _ADAPTER_LAUNCH * adapted_matrices + _EXPERT_LAUNCH * experts


def _looped(architecture: Architecture, setup: TrainingSetup) -> int:
    """Experts' matrices in all layers that the framework computes one after another; none without a mixture."""
    if not on_transformers(setup.framework):
        return 0
    return sum(each.layers * each.copies for each in architecture.linears if each.part is Part.EXPERT)


def passes_over_weights(setup: TrainingSetup) -> int:
    """How often frozen weights are read back from their four bits: forwards, for gradients, and recomputed."""
    return forward_passes(setup) + 1


def step_terms(work: Work, setup: TrainingSetup, cell: SpeedCell) -> tuple[Term, ...]:
    """The step's summands in seconds. `waiting for launches` is what the floor and the gathering of split weights add
    to the computation: the fourth root of the sum of fourth powers, less the computation."""
    micro = _micro_steps(setup)
    compute = _compute(work, cell)
    busy = math.fsum(seconds for _, seconds, _ in compute)
    floor = work.floor * cell.launch
    together = (busy**_NORM + floor**_NORM + work.gathered**_NORM) ** (1 / _NORM)
    each = [
        *compute,
        (
            "waiting for launches",
            max(0.0, together - busy),
            f"({busy:.4g}^4 + launches {floor:.4g}^4 + gathering {work.gathered:.4g}^4)^(1/4) - {busy:.4g}",
        ),
        (
            "dequantisation",
            work.dequantised * cell.dequantise,
            f"{work.dequantised:.4g} weights read x {cell.dequantise:.3g} s",
        ),
        ("DoRA norm", work.dora * cell.dora, f"{work.dora:.4g} s at 0.8 of the bandwidth x {cell.dora:.3g}"),
        ("gradients added", work.accumulated, "3 passes of 2 N bytes at 0.8 of the bandwidth"),
        (
            "gathering weights",
            work.gathered * cell.exposed,
            f"{work.gathered:.4g} s on the bus, {cell.exposed:.3g} of it waited for",
        ),
    ]
    lost = cell.node_loss * math.log2(min(setup.devices, _NODE)) + cell.far_loss * math.log2(
        max(1.0, setup.devices / _NODE)
    )
    step = math.fsum(seconds for _, seconds, _ in each) * micro
    once = [
        ("devices waiting for one another", step * lost, f"{lost:.4g} of {step:.4g} s, by doublings of devices"),
        (
            "gradients exchanged",
            work.sync * cell.exposed,
            f"{work.sync:.4g} s on the bus, {cell.exposed:.3g} of it waited for",
        ),
        ("optimizer", work.optimizer, "passes over the trained weights at the full bandwidth"),
        ("GaLore projection", work.projection / cell.gemm, f"{work.projection:.4g} s at the peak / {cell.gemm:.3f}"),
        ("GaLore SVD", work.svd / cell.svd, f"{work.svd:.4g} FLOPs a step on average / {cell.svd:.3g} FLOP/s"),
    ]
    times = f", x {micro:g} micro-steps" if micro != 1 else ""
    learned = f", x {cell.factor:.4g} learned" if cell.factor != 1 else ""
    values = [(name, seconds * micro, formula + times) for name, seconds, formula in each] + once
    return tuple(
        Term(name, seconds * cell.factor, formula + learned) for name, seconds, formula in values if seconds > 0
    )


def _micro_steps(setup: TrainingSetup) -> float:
    """Micro-steps that a step takes the time of. Transformers' device map lets one device work while the others wait;
    a real pipeline idles at its ends only."""
    if on_transformers(setup.framework):
        return float(setup.accumulation * setup.pipeline_parallel)
    return setup.accumulation + (setup.pipeline_parallel - 1) / _INTERLEAVED


def _compute(work: Work, cell: SpeedCell) -> list[tuple[str, float, str]]:
    rate = cell.gemm / (1 + cell.half_width / work.hidden) / (1 + cell.half_tokens / work.tokens)
    wide = cell.gemm / (1 + cell.half_width / work.hidden)
    adapters = work.adapter_products + work.adapter_bytes * cell.adapter
    return [
        ("matrix products", work.gemm / rate, f"{work.gemm:.4g} s at the peak / {rate:.3f}"),
        (
            "recomputation",
            work.recompute * cell.recompute / rate,
            f"{work.recompute:.4g} s at the peak x {cell.recompute:.3f} / {rate:.3f}",
        ),
        (
            "attention",
            work.attention / (wide * cell.attention),
            f"{work.attention:.4g} s at the peak / ({wide:.3f} x {cell.attention:.3f})",
        ),
        (
            "elementwise",
            work.elementwise * cell.elementwise,
            f"{work.elementwise:.4g} s at 0.8 of the bandwidth x {cell.elementwise:.3g}",
        ),
        (
            "adapters",
            adapters,
            f"{work.adapter_products:.4g} s of products + {work.adapter_bytes:.4g} s of bytes x {cell.adapter:.3g}",
        ),
    ]


def _elementwise(architecture: Architecture, setup: TrainingSetup) -> float:
    """Bytes of one token: about 20 passes over the hidden width and 4 over the MLP's in each layer, forwards and twice
    backwards; 7 over the vocabulary; the scores too where attention writes them."""
    passes = forward_passes(setup) + 2
    mlp = (4.0 if architecture.gated else 3.0) * architecture.ffn
    layer = 20.0 * architecture.hidden + mlp + 4.0 * architecture.kv_width
    moved = 2.0 * (architecture.layers * layer * passes + 7.0 * architecture.vocab)
    if setup.compiled:
        moved *= _COMPILED
    if not setup.flash:
        scores = architecture.heads * architecture.layers * setup.sequence_len
        moved += scores * (_UNFLASH[0] * forward_passes(setup) + _UNFLASH[1])
    return moved


def _dora(architecture: Architecture, setup: TrainingSetup) -> float:
    """Bytes of the norms of W + s B A in one micro-step: PEFT multiplies B A out anew in every forward."""
    if not setup.dora:
        return 0.0
    modules = adapted(architecture, setup)
    norms = (8.0 * each.inputs**2 + 22.0 * each.matrix for each in modules for _ in range(each.copies))
    layers = (each.layers for each in modules for _ in range(each.copies))
    return forward_passes(setup) * math.fsum(norm * count for norm, count in zip(norms, layers, strict=True))


def _communication(architecture: Architecture, setup: TrainingSetup, gpu: Gpu) -> tuple[float, float]:
    """Seconds of weights gathered in a micro-step, and of gradients reduced once a step."""
    copies = setup.copies
    if copies == 1:
        return 0.0, 0.0
    share = (copies - 1) / copies / (_BUS * gpu.link)
    stored = _FOUR_BITS if setup.method is Method.QLORA else 2.0
    weights = stored * architecture.parameters / setup.model_parallel
    if trains_weights(setup):
        trained = weights
    else:
        trained = 4.0 * architecture.adapter_parameters(setup.rank, setup.targets) / setup.model_parallel
    if setup.sharding is Sharding.FULL:
        reduced = trained if trains_weights(setup) else 0.0
        return (weights * passes_over_weights(setup) + reduced) * share, 0.0 if reduced else 2.0 * trained * share
    return 0.0, 2.0 * trained * share


def _galore(architecture: Architecture, setup: TrainingSetup) -> tuple[float, float]:
    """FLOPs of projecting and of the decompositions, in one optimizer step on average."""
    if setup.method is not Method.GALORE:
        return 0.0, 0.0
    count = [(each, each.layers * each.copies) for each in architecture.linears]
    projection = math.fsum(4.0 * each.matrix * setup.rank * times for each, times in count)
    svd = math.fsum(
        times * (4.0 * max(each.inputs, each.outputs) * (low := min(each.inputs, each.outputs)) ** 2 + 22.0 * low**3)
        for each, times in count
    )
    return projection, svd / max(1, setup.galore_gap)
