"""Coefficients of the memory model: a cell for each framework, accelerator, method and precision that was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from orchestrator.domain.cost.coefficients import CellKey, Correction
from orchestrator.domain.cost.memory_terms import Factor

ANY = "*"
RELATIVES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "axolotl": ("transformers",),
        "transformers": ("axolotl",),
        "trl": ("transformers", "axolotl"),
    }
)
"""Frameworks that run the same code underneath (transformers' models, PEFT's adapters), so that one's cells stand in
for another's."""

# How much wider (standard deviation of the logarithm, added in squares) a prediction gets by each step away from a cell
# that was measured itself.
_OTHER_GPU = 0.02
_OTHER_METHOD = 0.06
_RELATIVE = 0.04
# Part of a cell's variance that all its trainings share, so that measuring some of them tells of the others.
_SHARED = 0.6


@dataclass(frozen=True, slots=True)
class MemoryCell:
    """What counted bytes are multiplied with, and what is added. `const` is bytes of context, workspace and what the
    allocator cannot use. Activations, logits and scores grow with (tokens / 2048) to `growth` besides in proportion.
    `sigma` is the standard deviation of the logarithm of what is there whatever is trained on, `spread` that of the
    part that grows with tokens. `source` says what was measured, and when."""

    const: float
    activations: float = 1.0
    logits: float = 1.0
    states: float = 1.0
    sharded: float = 1.0
    copies: float = 0.0
    eager: float = 1.0
    growth: float = 0.0
    sigma: float = 0.05
    spread: float = 0.1
    source: str = ""

    def factor(self, factor: Factor) -> float:
        """That of a group of tensors."""
        return {
            Factor.ONE: 1.0,
            Factor.ACTIVATIONS: self.activations,
            Factor.LOGITS: self.logits,
            Factor.STATES: self.states,
            Factor.SHARDED: self.sharded,
            Factor.COPIES: self.copies,
            Factor.EAGER: self.eager,
        }[factor]


@dataclass(frozen=True, slots=True)
class ModelCode:
    """What a model type's own code does otherwise than the rest of its framework: factors on the cell's."""

    activations: float = 1.0
    logits: float = 1.0
    eager: float = 1.0


@dataclass(frozen=True, slots=True)
class Looked:
    """A cell for a training, the variance that borrowing it adds, and what measured runs say of it."""

    cell: MemoryCell
    borrowed: float
    words: str
    correction: Correction | None


@dataclass(frozen=True, slots=True)
class MemoryCoefficients:
    """All cells. `CellKey(framework, "*", "*", "*")` is a framework's mean, all stars that of all frameworks. `codes`
    is kept by framework and model type."""

    cells: Mapping[CellKey, MemoryCell]
    codes: Mapping[tuple[str, str], ModelCode]
    corrections: Mapping[CellKey, Correction] = field(default_factory=dict)

    def corrected(self, corrections: Mapping[CellKey, Correction]) -> MemoryCoefficients:
        """These, with what measured runs say of their cells instead of what earlier ones said."""
        return replace(self, corrections=MappingProxyType({**self.corrections, **corrections}))

    def look_up(self, key: CellKey, model_type: str) -> Looked:
        """The cell itself; else the nearest that was measured: on another accelerator, of a framework's mean, of a
        relative, of all."""
        cell, borrowed, words = self._nearest(key)
        code = self._code(key.framework, model_type)
        fitted = replace(
            cell,
            activations=cell.activations * code.activations,
            logits=cell.logits * code.logits,
            eager=cell.eager * code.eager,
        )
        return Looked(fitted, borrowed, words, self.corrections.get(key))

    def _nearest(self, key: CellKey) -> tuple[MemoryCell, float, str]:
        own = self.cells.get(key)
        if own is not None:
            return own, 0.0, own.source
        found = self._of_framework(key.framework, key)
        if found is not None:
            return found
        for relative in RELATIVES.get(key.framework, ()):
            found = self._of_framework(relative, key)
            if found is not None:
                cell, borrowed, words = found
                return cell, borrowed + _RELATIVE**2, f"{words}; borrowed, as {key.framework} was not measured"
        mean = self.cells[CellKey(ANY, ANY, ANY, ANY)]
        return mean, 0.0, f"{mean.source}; no measurement of {key.framework}"

    def _of_framework(self, framework: str, key: CellKey) -> tuple[MemoryCell, float, str] | None:
        same = sorted(each for each in self.cells if (each.framework, each.method) == (framework, key.method))
        if same:
            cell, words = self.cells[same[0]], f"borrowed from {same[0].framework} on {same[0].gpu}"
            return cell, _OTHER_GPU**2, f"{cell.source}; {words}"
        mean = self.cells.get(CellKey(framework, ANY, ANY, ANY))
        if mean is None:
            return None
        return mean, _OTHER_METHOD**2, f"{mean.source}; mean of {framework}, {key.method} was not measured"

    def _code(self, framework: str, model_type: str) -> ModelCode:
        return self.codes.get((framework, model_type), ModelCode())


def learned(correction: Correction | None, sigma: float) -> tuple[float, float]:
    """Factor and remaining sigma of a prediction whose sigma was that, after measured runs: the part of the variance
    that all trainings of a cell share is a normal prior, and the runs' mean its observation."""
    if correction is None or correction.observations < 1:
        return 1.0, sigma
    if not (math.isfinite(correction.log_factor) and math.isfinite(correction.sigma)) or correction.sigma < 0:
        return 1.0, sigma
    prior = _SHARED * sigma**2
    if not prior:
        return 1.0, sigma
    weight = prior / (prior + correction.sigma**2)
    return math.exp(weight * correction.log_factor), math.sqrt((1 - weight) * prior + (1 - _SHARED) * sigma**2)
