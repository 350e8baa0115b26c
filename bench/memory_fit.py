"""Fits the memory model's factors to measured peaks: a framework's mean, its cells around it, its models' own code.

One fit for each framework, by damped least squares on the logarithm of predicted over measured bytes. Every factor has
a normal prior on its logarithm: a framework's around what counting says (a factor of one), a cell's around its
framework's mean, a model type's around one. So a cell of two rows stays near its framework, and one of forty does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from bench.memory_rows import MemoryRow
from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.coefficients import CellKey, cell_key
from orchestrator.domain.cost.gpus import GIB
from orchestrator.domain.cost.memory_coefficients import ANY, MemoryCell, MemoryCoefficients, ModelCode
from orchestrator.domain.cost.memory_phases import phases
from orchestrator.domain.cost.memory_terms import Factor
from orchestrator.domain.cost.setup import TrainingSetup

Array = np.ndarray[Any, np.dtype[np.float64]]

SEEN = "seen"
"""Stands for every framework that too little was measured of to have a width of its own."""
FITTED = ("const", "activations", "logits", "states", "sharded", "copies", "eager", "growth")
_FACTORS = (Factor.ONE, Factor.ACTIVATIONS, Factor.LOGITS, Factor.STATES, Factor.SHARDED, Factor.COPIES, Factor.EAGER)
# Logarithms (growth: the exponent itself) that counting leads to expect, and how far from them a framework, a cell of
# it, and a model type's code may be.
_MEAN = np.array([math.log(0.8), 0.0, 0.0, 0.0, 0.0, math.log(0.1), 0.0, 0.0])
_FRAMEWORK = np.array([0.7, 0.3, 0.3, 0.2, 0.2, 1.5, 0.5, 0.12])
_CELL = np.array([0.3, 0.12, 0.15, 0.12, 0.12, 0.3, 0.2, 0.04])
UNFITTED = frozenset({"axolotl"})
"""Sources that are predicted and not fitted: two examples of one mixture, whose README does not say what was read."""
_CODED = [1, 2, 6]
_CODE = np.array([0.25, 0.35, 0.5])
_GROWING = [1, 2, 5, 6]
_REFERENCE_TOKENS = 2048.0
_NOISE = 0.05
_BEND = 2.0
_TINY = 1e-9
_PHASES = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """One framework's rows. `sizes` is rows x phases x factors in GiB, unused phases zero; `cell` and `code` index
    `keys` and `types`."""

    sizes: Array
    tokens: Array
    measured: Array
    limit: Array
    cell: np.ndarray[Any, Any]
    code: np.ndarray[Any, Any]
    keys: list[CellKey]
    types: list[str]

    def factors(self, values: Array) -> tuple[Array, Array]:
        """Each row's factors (the first its constant) and the power that its tokens are raised to."""
        width, cells = len(FITTED), len(self.keys)
        rest = values[width:]
        logs = values[:width] + rest[: cells * width].reshape(cells, width)[self.cell]
        logs[:, _CODED] += rest[cells * width :].reshape(len(self.types), len(_CODED))[self.code]
        factors = np.exp(logs[:, :-1])
        factors[:, _GROWING] *= ((self.tokens / _REFERENCE_TOKENS) ** logs[:, -1])[:, None]
        return factors, logs[:, -1]

    def parts(self, values: Array) -> Array:
        """GiB of every row by factor, in the phase of its peak; they sum to its prediction."""
        factors, _ = self.factors(values)
        known = factors.copy()
        known[:, 0] = 1.0
        weighed = self.sizes * known[:, None, :]
        peak = weighed.sum(axis=2).argmax(axis=1)
        parts = weighed[np.arange(len(peak)), peak]
        # The first column holds what has no factor; its derivative is that of the constant alone.
        return np.concatenate([parts, factors[:, :1]], axis=1)

    def predicted(self, values: Array) -> Array:
        """GiB of every row."""
        return np.minimum(self.parts(values).sum(axis=1), self.limit)

    def slopes(self, values: Array) -> Array:
        """Derivatives of the logarithm of every row's prediction by every value."""
        parts = self.parts(values)
        total = parts.sum(axis=1)
        share = parts / np.where(total < self.limit, total, np.inf)[:, None]
        own = np.concatenate([share[:, -1:], share[:, 1:-1]], axis=1)
        grown = share[:, _GROWING].sum(axis=1) * np.log(self.tokens / _REFERENCE_TOKENS)
        own = np.concatenate([own, grown[:, None]], axis=1)
        width, cells, rows = len(FITTED), len(self.keys), np.arange(len(total))
        slopes = np.zeros((len(total), len(values)))
        slopes[:, :width] = own
        for column in range(width):
            slopes[rows, width * (1 + self.cell) + column] = own[:, column]
        for place, column in enumerate(_CODED):
            slopes[rows, width * (1 + cells) + self.code * len(_CODED) + place] = own[:, column]
        return slopes


def fit_memory(rows: Sequence[MemoryRow]) -> MemoryCoefficients:
    """Coefficients from those rows, without widths of their own yet."""
    cells: dict[CellKey, MemoryCell] = {}
    codes: dict[tuple[str, str], ModelCode] = {}
    means: dict[str, Array] = {}
    for framework in sorted({row.setup.framework for row in rows}):
        own = [row for row in rows if row.setup.framework == framework]
        values, problem = _solve(own)
        width, mean = len(FITTED), values[: len(FITTED)]
        means[framework] = mean
        cells[CellKey(framework, ANY, ANY, ANY)] = cell_of(mean)
        around = values[width : width * (1 + len(problem.keys))].reshape(-1, width)
        for index, key in enumerate(problem.keys):
            cells[key] = cell_of(mean + around[index])
        own_code = values[width * (1 + len(problem.keys)) :].reshape(-1, len(_CODED))
        for name, logs in zip(problem.types, own_code, strict=True):
            codes[framework, name] = ModelCode(*(round(math.exp(each), 4) for each in logs))
    middle = np.median(np.array(list(means.values())), axis=0) if means else _MEAN
    cells[CellKey(ANY, ANY, ANY, ANY)] = cell_of(middle)
    return MemoryCoefficients(cells, codes)


def cell_of(logs: Array) -> MemoryCell:
    """A cell from the logarithms of its factors."""
    const, activations, logits, states, sharded, copies, eager = (round(math.exp(each), 4) for each in logs[:7])
    growth = round(float(logs[7]), 4)
    return MemoryCell(round(const * GIB), activations, logits, states, sharded, copies, eager, growth=growth)


@cache
def sizes_of(architecture: Architecture, setup: TrainingSetup) -> Array:
    """Phases x factors, in GiB."""
    sizes = np.zeros((_PHASES, len(_FACTORS)))
    for index, groups in enumerate(phases(architecture, setup).values()):
        for group in groups:
            sizes[index, _FACTORS.index(group.factor)] += group.size / GIB
    return sizes


def _solve(rows: Sequence[MemoryRow]) -> tuple[Array, Problem]:
    keys = sorted({cell_key(row.setup, row.gpu) for row in rows})
    types = sorted({row.architecture.model_type for row in rows})
    problem = Problem(
        sizes=np.array([sizes_of(row.architecture, row.setup) for row in rows]),
        tokens=np.array([float(row.setup.micro_tokens) for row in rows]),
        measured=np.array([row.measured / GIB for row in rows]),
        limit=np.array([row.limit / GIB for row in rows]),
        cell=np.array([keys.index(cell_key(row.setup, row.gpu)) for row in rows]),
        code=np.array([types.index(row.architecture.model_type) for row in rows]),
        keys=keys,
        types=types,
    )
    center = np.concatenate([_MEAN, np.zeros(len(keys) * len(FITTED) + len(types) * len(_CODED))])
    width = np.concatenate([_FRAMEWORK, np.tile(_CELL, len(keys)), np.tile(_CODE, len(types))])

    def residuals(values: Array) -> Array:
        off = np.log(problem.predicted(values) / problem.measured) / _NOISE
        # Beyond a few noises a row pulls with its distance's root only: one odd measurement does not bend the rest.
        bounded = np.sign(off) * np.sqrt(2 * _BEND * (np.sqrt(1 + off**2 / _BEND) - 1))
        return np.concatenate([bounded, (values - center) / width])

    def jacobian(values: Array) -> Array:
        off = np.log(problem.predicted(values) / problem.measured) / _NOISE
        root = np.sqrt(1 + off**2 / _BEND)
        bounded = np.sqrt(2 * _BEND * (root - 1))
        bend = np.where(bounded > _TINY, np.abs(off) / root / np.maximum(bounded, _TINY), 1.0)
        return np.concatenate([problem.slopes(values) * (bend / _NOISE)[:, None], np.diag(1 / width)])

    found = least_squares(residuals, center, jac=jacobian, method="trf", max_nfev=80)
    return np.asarray(found.x, dtype=np.float64), problem


def with_sigmas(fitted: MemoryCoefficients, sigmas: Mapping[str, tuple[float, float]]) -> MemoryCoefficients:
    """The same with `sigma` and `spread` of each framework's cells: its own, else those of SEEN; ANY's for a framework
    that was not seen."""
    cells = {}
    for key, cell in fitted.cells.items():
        sigma, spread = sigmas[ANY] if key.framework == ANY else sigmas.get(key.framework, sigmas[SEEN])
        cells[key] = replace(cell, sigma=sigma, spread=spread)
    return replace(fitted, cells=cells)
