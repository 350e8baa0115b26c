"""Fits the speed model's coefficients: for each framework one regularised fit with physical starting values.

Needs NumPy and SciPy. What a cell differs by from its framework is drawn towards nought, so that a cell with few rows
stays near its neighbours.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from scipy.optimize import least_squares

from bench.row_words import MULTINODE
from bench.speed_samples import Sample
from orchestrator.domain.cost.coefficients import Borrowing, CellKey, Coefficients, SpeedCell, cell_key
from orchestrator.domain.cost.speed_model import predict_step, step_terms, work_of
from orchestrator.domain.cost.stacks import STACKS

# Logarithm's middle and standard deviation of each coefficient before any row was seen.
_BEFORE: Mapping[str, tuple[float, float]] = {
    "gemm": (0.80, 0.12),
    "half_width": (150.0, 0.5),
    "half_tokens": (150.0, 0.6),
    "recompute": (0.85, 0.15),
    "attention": (0.8, 0.3),
    "elementwise": (1.0, 0.3),
    "adapter": (6.0, 0.5),
    "launch": (2.5e-3, 0.5),
    "dequantise": (8e-12, 0.6),
    "exposed": (0.3, 0.6),
    "node_loss": (0.012, 0.4),
    "far_loss": (0.015, 0.4),
    "dora": (1.0, 0.5),
    "svd": (0.52e12, 0.7),
}
# Standard deviation of a cell's own departure from its framework. Other coefficients are the framework's.
_DEPARTURES = {"gemm": 0.10, "launch": 0.4, "node_loss": 1.5}
_FIXED = 1e-3  # what the rows of one cell cannot tell: on one device or on several, but not on both
_NETWORK_LOSS = math.log(20.0)  # over a network between machines, before any row was seen
# The share of its peak that an accelerator reaches, relative to an A100's, before any row was seen.
_GPU_BEFORE = {
    "A100": 1.0, "A100-80GB": 1.0, "H100": 0.8, "H200": 0.8, "B200": 0.7, "GB200": 0.7, "GB300": 0.7,
    "L40S": 0.75, "A10G": 0.9, "RTX4090": 0.9,
}  # fmt: skip
_PRECISION_BEFORE = {"bf16": 1.0, "fp8": 0.65, "mxfp8": 0.65, "nvfp4": 0.45, "fp32": 1.0}
_NAMES = tuple(_BEFORE)
_FEW = 2.0
_COVERED = 0.92
_WIDE = 1.645  # standard deviations of a normal distribution to either side that hold 90 % of it
_PSEUDO = 10.0  # how many rows a framework must have before its own residuals count as much as everybody's


@dataclass(frozen=True, slots=True)
class Efficiencies:
    """Relative shares of the peak, by accelerator and by precision."""

    gpu: Mapping[str, float]
    precision: Mapping[str, float]

    def of(self, key: CellKey) -> float:
        return self.gpu.get(key.gpu, min(self.gpu.values())) * self.precision.get(key.precision, 1.0)


@dataclass(frozen=True, slots=True)
class Spreads:
    """Standard deviations of log seconds that held-out rows showed. `cells` by framework."""

    seen: float
    gpu: float
    method: float
    framework: float
    cells: Mapping[str, float]


UNSPREAD = Spreads(0.1, 0.15, 0.2, 0.35, {})


Fitted = Mapping[str, tuple[SpeedCell, Mapping[CellKey, SpeedCell]]]


def fit_frameworks(samples: Sequence[Sample]) -> Fitted:
    """Each framework by itself at first, its middle cell and its own cells; then again with what its stack's other
    frameworks were found to be like as a starting point."""
    alone = {name: fit_framework(group) for name, group in by_framework(samples).items()}
    return informed(samples, alone)


def informed(samples: Sequence[Sample], alone: Fitted) -> Fitted:
    """The second round of `fit_frameworks`, of those frameworks that `alone` holds."""
    groups = by_framework(samples)
    return {name: fit_framework(groups[name], siblings(name, alone)) for name in alone}


def siblings(name: str, alone: Fitted) -> tuple[SpeedCell, ...]:
    """The middle cells of the other frameworks of its stack."""
    stack = STACKS.get(name, name)
    return tuple(base for other, (base, _) in alone.items() if other != name and STACKS.get(other) == stack)


def assemble(fitted: Fitted, spreads: Spreads = UNSPREAD) -> Coefficients:
    """Coefficients of all cells that were fitted, and of what a stranger borrows."""
    efficiencies = _learned(fitted, Efficiencies(_GPU_BEFORE, _PRECISION_BEFORE))
    cells = {key: cell for _, own in fitted.values() for key, cell in own.items()}
    cells = {key: replace(cell, sigma=_sigma(key, cell, spreads)) for key, cell in cells.items()}
    middles = {name: base for name, (base, _) in fitted.items()}
    stacks = {
        stack: _mean([middles[name] for name in middles if STACKS.get(name) == stack], f"mean of the {stack} stack")
        for stack in set(STACKS.values())
        if any(STACKS.get(name) == stack for name in middles)
    }
    prior = _mean(list(middles.values()), "mean of all measured frameworks")
    return Coefficients(
        cells,
        replace(prior, sigma=spreads.framework),
        Borrowing(spreads.gpu, spreads.method, spreads.framework, efficiencies.gpu, efficiencies.precision),
        {name: replace(cell, sigma=spreads.framework) for name, cell in stacks.items()},
    )


def _sigma(key: CellKey, cell: SpeedCell, spreads: Spreads) -> float:
    """A cell of few rows is nearly as unsure as a stranger."""
    return math.hypot(spreads.cells.get(key.framework, spreads.seen), spreads.framework / (1 + cell.rows / _FEW))


def residual(sample: Sample, coefficients: Coefficients) -> tuple[float, float]:
    """Logarithm of predicted over measured seconds, and the sigma that the prediction had."""
    prediction = predict_step(sample.architecture, sample.setup, sample.gpu, coefficients)
    return math.log(prediction.middle / sample.seconds), prediction.sigma


def quantile_sigma(residuals: Sequence[float]) -> float:
    """The sigma whose central 90 % holds a little more than 90 % of the residuals: they are few."""
    sizes = sorted(abs(each) for each in residuals)
    if not sizes:
        return 0.0
    return float(np.quantile(sizes, _COVERED)) / _WIDE


def blended_sigma(own: Sequence[float], everybody: Sequence[float]) -> float:
    """A framework's sigma, drawn towards everybody's where it has few rows."""
    weight = len(own) / (len(own) + _PSEUDO)
    return math.exp(
        weight * math.log(max(0.02, quantile_sigma(own))) + (1 - weight) * math.log(quantile_sigma(everybody))
    )


def by_framework(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.setup.framework].append(sample)
    return dict(sorted(groups.items()))


def fit_framework(
    samples: Sequence[Sample], others: Sequence[SpeedCell] = ()
) -> tuple[SpeedCell, Mapping[CellKey, SpeedCell]]:
    """The middle cell and the cells of the samples of one framework, which start from the middle of `others`."""
    efficiencies = Efficiencies(_GPU_BEFORE, _PRECISION_BEFORE)
    start = {name: _start(name, others) for name in _NAMES}
    keys = [cell_key(each.setup, each.gpu) for each in samples]
    cells = sorted(set(keys))
    works = [work_of(each.architecture, each.setup, each.gpu) for each in samples]
    several = {
        key: {each.setup.devices > 1 for each, own in zip(samples, keys, strict=True) if own == key} for key in cells
    }
    middle = np.array([start[name] for name in _NAMES] + [0.0] * len(cells) * len(_DEPARTURES))
    spread = np.array(
        [_BEFORE[name][1] for name in _NAMES]
        + [
            sd if name != "node_loss" or len(several[key]) == 2 else _FIXED
            for key in cells
            for name, sd in _DEPARTURES.items()
        ]
    )
    if samples[0].setup.framework.endswith(MULTINODE):
        middle[_NAMES.index("node_loss")] += _NETWORK_LOSS
    counts = {key: keys.count(key) for key in cells}

    def cells_of(point: np.ndarray) -> dict[CellKey, SpeedCell]:
        base = dict(zip(_NAMES, point[: len(_NAMES)], strict=True))
        own = point[len(_NAMES) :].reshape(len(cells), len(_DEPARTURES))
        return {
            key: _cell(base, dict(zip(_DEPARTURES, own[at], strict=True)), efficiencies.of(key), counts[key], key)
            for at, key in enumerate(cells)
        }

    def misfits(point: np.ndarray) -> np.ndarray:
        now = cells_of(point)
        rows = [
            math.log(math.fsum(term.value for term in step_terms(work, each.setup, now[key])) / each.seconds)
            / each.noise
            for each, key, work in zip(samples, keys, works, strict=True)
        ]
        return np.concatenate([rows, (point - middle) / spread])

    found = least_squares(misfits, middle.copy(), loss="soft_l1", f_scale=2.0, max_nfev=60)
    base = _cell(dict(zip(_NAMES, found.x[: len(_NAMES)], strict=True)), {}, 1.0, len(samples), cells[0])
    return base, cells_of(found.x)


def _start(name: str, others: Sequence[SpeedCell]) -> float:
    """The logarithm that a coefficient is drawn towards: others count the more, the more rows they were fitted to."""
    weights = [each.rows / (each.rows + _PSEUDO) for each in others]
    told = sum(weight * math.log(getattr(each, name)) for weight, each in zip(weights, others, strict=True))
    return (math.log(_BEFORE[name][0]) + told) / (1 + sum(weights))


def _cell(base: Mapping[str, float], own: Mapping[str, float], efficiency: float, rows: int, key: CellKey) -> SpeedCell:
    values = {name: math.exp(base[name] + own.get(name, 0.0)) for name in _NAMES}
    values["gemm"] *= efficiency
    return SpeedCell(**values, sigma=0.1, rows=rows, source=f"fitted to {rows} rows of {key.framework}")


def _learned(fitted: Fitted, before: Efficiencies) -> Efficiencies:
    """What the cells say of accelerators and precisions, drawn towards what was thought before."""
    by_gpu: dict[str, list[float]] = defaultdict(list)
    by_precision: dict[str, list[float]] = defaultdict(list)
    for base, cells in fitted.values():
        for key, cell in cells.items():
            departure = math.log(cell.gemm / base.gemm / before.of(key))
            weight = min(1.0, cell.rows / 5)
            by_gpu[key.gpu].append(departure * weight)
            by_precision[key.precision].append(departure * weight)
    gpu = {name: value * math.exp(sum(by_gpu[name]) / (1 + len(by_gpu[name]))) for name, value in before.gpu.items()}
    return Efficiencies(gpu, before.precision)


def _mean(cells: Sequence[SpeedCell], source: str) -> SpeedCell:
    """The geometric mean of each coefficient."""
    values = {name: math.exp(fmean(math.log(getattr(cell, name)) for cell in cells)) for name in _NAMES}
    return SpeedCell(**values, sigma=0.35, rows=sum(cell.rows for cell in cells), source=source)
