"""Coefficients of the speed model, kept by cell: framework, accelerator, method and precision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from orchestrator.domain.cost.gpus import Gpu
from orchestrator.domain.cost.setup import Method, TrainingSetup
from orchestrator.domain.cost.stacks import STACKS


@dataclass(frozen=True, slots=True, order=True)
class CellKey:
    """What a coefficient holds for. `method` is a family: full, lora, dora, qlora, qdora, galore."""

    framework: str
    gpu: str
    method: str
    precision: str


@dataclass(frozen=True, slots=True)
class Correction:
    """What measured runs say of a cell: the logarithm of measured over predicted (its mean, and how sure that mean is)
    from so many `observations`. For seconds and for bytes alike."""

    log_factor: float
    sigma: float
    observations: int


@dataclass(frozen=True, slots=True)
class SpeedCell:
    """What the speed of a training rests on besides its size. `sigma` is the standard deviation of log(seconds).

    `gemm` is the share of the peak that large matrix products reach; `half_width` and `half_tokens` the hidden width
    and the micro-step's tokens at which they reach half of that. `recompute` is the cost of a recomputed product and
    `attention` the speed of attention, both relative to `gemm`. `elementwise` multiplies the bytes that norms,
    activations and losses are counted to move; `adapter` is the passes over an adapted matrix's inputs and outputs.
    `launch` is the floor in seconds of one layer forwards and backwards, `dequantise` the seconds of one weight once,
    `dora` multiplies its norm's bytes, `svd` is in FLOP/s. `exposed` is the share of communication that is waited for,
    `node_loss` and `far_loss` the share of time lost at each doubling of devices within a node and beyond it. `factor`
    is what measured runs multiplied the seconds with.
    """

    gemm: float
    half_width: float
    half_tokens: float
    recompute: float
    attention: float
    elementwise: float
    adapter: float
    launch: float
    dequantise: float
    exposed: float
    node_loss: float
    far_loss: float
    sigma: float
    rows: int
    source: str
    dora: float = 1.0
    svd: float = 0.52e12
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Borrowing:
    """How much less sure (standard deviation of log seconds) a cell is away from where it was measured, and what is
    known of the step: the share of the peak by accelerator and by precision, relative to one another."""

    gpu: float
    method: float
    framework: float
    gpu_efficiency: Mapping[str, float]
    precision_efficiency: Mapping[str, float]


_ENOUGH = 4  # rows that a cell was fitted to before another borrows from it rather than from the stack
_RUN_NOISE = 0.04  # two runs of one and the same training differ by so much


def family_of(setup: TrainingSetup) -> str:
    """The method as cells are told apart by it: DoRA's kernels are others than LoRA's."""
    if not setup.dora:
        return setup.method.value
    return {Method.LORA: "dora", Method.QLORA: "qdora"}.get(setup.method, setup.method.value)


def cell_key(setup: TrainingSetup, gpu: Gpu) -> CellKey:
    """The cell that a training falls into."""
    return CellKey(setup.framework, gpu.name, family_of(setup), setup.precision)


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Cells that were measured, the `prior` of one that nothing like it was, and what measured runs add to each."""

    cells: Mapping[CellKey, SpeedCell]
    prior: SpeedCell
    borrowing: Borrowing
    stacks: Mapping[str, SpeedCell] = field(default_factory=dict)
    corrections: Mapping[CellKey, Correction] = field(default_factory=dict)

    def corrected(self, corrections: Mapping[CellKey, Correction]) -> Coefficients:
        """These, with what measured runs say; a cell named before is said anew."""
        return replace(self, corrections=MappingProxyType({**self.corrections, **corrections}))

    def speed(self, setup: TrainingSetup, gpu: Gpu) -> SpeedCell:
        """The cell of this training: its own, or its nearest neighbour's, which is less sure and says so."""
        key = cell_key(setup, gpu)
        own = self.cells.get(key)
        cell = own if own is not None else self._borrowed(key)
        correction = self.corrections.get(key)
        return cell if correction is None else _corrected(cell, correction)

    def _borrowed(self, key: CellKey) -> SpeedCell:
        neighbours = [
            other for other, cell in self.cells.items() if other.framework == key.framework and cell.rows >= _ENOUGH
        ]
        if not neighbours:
            return self._of_strangers(key)
        nearest = min(neighbours, key=lambda other: (_distance(other, key), -self.cells[other].rows, other))
        return self._moved(self.cells[nearest], nearest, key)

    def _moved(self, cell: SpeedCell, origin: CellKey, key: CellKey) -> SpeedCell:
        """A cell of the same framework as it would be on another accelerator, by another method or precision."""
        steps = (
            self.borrowing.gpu if origin.gpu != key.gpu else 0.0,
            self.borrowing.method if _bare(origin.method) != _bare(key.method) else 0.0,
            self.borrowing.method if origin.precision != key.precision else 0.0,
            self.borrowing.method / 2 if origin.method != key.method else 0.0,
        )
        scale = self._efficiency(key.gpu, key.precision) / self._efficiency(origin.gpu, origin.precision)
        source = f"borrowed from {origin.framework} {origin.method} {origin.precision} on {origin.gpu}: {cell.source}"
        return replace(cell, gemm=cell.gemm * scale, sigma=math.hypot(cell.sigma, *steps), source=source)

    def _of_strangers(self, key: CellKey) -> SpeedCell:
        stack = self.stacks.get(STACKS.get(key.framework, ""), self.prior)
        scale = self._efficiency(key.gpu, key.precision)
        return replace(stack, gemm=stack.gemm * scale, sigma=max(stack.sigma, self.borrowing.framework))

    def _efficiency(self, gpu: str, precision: str) -> float:
        """The share of an A100's share of its own peak in bf16; a later accelerator is harder to keep busy."""
        by_gpu = self.borrowing.gpu_efficiency
        return by_gpu.get(gpu, min(by_gpu.values())) * self.borrowing.precision_efficiency.get(precision, 1.0)


def _bare(method: str) -> str:
    return {"dora": "lora", "qdora": "qlora", "galore": "full"}.get(method, method)


def _distance(other: CellKey, key: CellKey) -> tuple[int, int, int, int]:
    """Method first: another accelerator changes the rates, another method what is computed."""
    return (
        int(_bare(other.method) != _bare(key.method)),
        int(other.precision != key.precision),
        int(other.gpu != key.gpu),
        int(other.method != key.method),
    )


def _corrected(cell: SpeedCell, correction: Correction) -> SpeedCell:
    return replace(
        cell,
        factor=cell.factor * math.exp(correction.log_factor),
        sigma=min(cell.sigma, math.hypot(correction.sigma, _RUN_NOISE)),
        source=f"{cell.source}; corrected by {correction.observations} measured steps of stages",
    )
