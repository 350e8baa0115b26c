"""Hold-out validation of the speed model: what it says of rows that its coefficients never saw."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.speed_fit import (
    Fitted,
    Spreads,
    assemble,
    blended_sigma,
    by_framework,
    fit_framework,
    informed,
    quantile_sigma,
    residual,
    siblings,
)
from bench.speed_samples import Sample
from orchestrator.domain.cost.coefficients import Coefficients, cell_key, family_of
from orchestrator.domain.cost.stacks import STACKS


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One held-out row. `error` is the logarithm of predicted over measured seconds; `seen` that its cell (framework,
    accelerator, method, precision) had other rows to be fitted to."""

    sample: Sample
    fold: str
    error: float
    seen: bool

    @property
    def speed_error(self) -> float:
        """Predicted over measured tokens/s, less one."""
        return math.expm1(-self.error)


_WITHIN: Mapping[str, Callable[[Sample], object]] = {
    "size": lambda sample: sample.architecture.parameters // 10**8,
    "sequence": lambda sample: sample.setup.sequence_len,
    "method": lambda sample: (family_of(sample.setup), sample.setup.precision),
    "gpu": lambda sample: sample.gpu.name,
}


def hold_out(samples: Sequence[Sample]) -> dict[str, list[HeldOut]]:
    """By fold: each value of it within a framework is left out once, and all coefficients are fitted anew."""
    found: dict[str, list[HeldOut]] = {name: [] for name in (*_WITHIN, "framework")}
    alone = {name: fit_framework(group) for name, group in by_framework(samples).items()}
    fitted = informed(samples, alone)
    for name, group in by_framework(samples).items():
        found["framework"] += _predicted(assemble(_without(name, samples, alone, fitted)), group, "framework")
        for fold, key in _WITHIN.items():
            for kept, left in _splits(group, key):
                cells = fit_framework(kept, siblings(name, alone))
                found[fold] += _predicted(assemble({name: cells}), left, fold)
    return found


def _without(name: str, samples: Sequence[Sample], alone: Fitted, fitted: Fitted) -> Fitted:
    """All frameworks but one, and none that has started from it."""
    kept = {other: cells for other, cells in alone.items() if other != name}
    stack = STACKS.get(name)
    anew = informed(samples, {other: cells for other, cells in kept.items() if stack and STACKS.get(other) == stack})
    return {other: anew.get(other, fitted[other]) for other in kept}


def _splits(group: Sequence[Sample], key: Callable[[Sample], object]) -> Iterator[tuple[list[Sample], list[Sample]]]:
    values = sorted({str(key(each)) for each in group})
    if len(values) < 2:
        return
    for value in values:
        yield [each for each in group if str(key(each)) != value], [each for each in group if str(key(each)) == value]


def _predicted(coefficients: Coefficients, left: Sequence[Sample], fold: str) -> list[HeldOut]:
    cells = coefficients.cells
    return [
        HeldOut(each, fold, residual(each, coefficients)[0], cell_key(each.setup, each.gpu) in cells) for each in left
    ]


def spreads_of(held: Mapping[str, Sequence[HeldOut]]) -> Spreads:
    """Sigmas from held-out rows alone: of seen cells by size and sequence, of the others by what they lacked."""
    seen = [each for fold in ("size", "sequence", "method") for each in held[fold] if each.seen]
    everybody = [each.error for each in seen]
    pooled = quantile_sigma(everybody)
    own: dict[str, list[float]] = defaultdict(list)
    for each in seen:
        own[each.sample.setup.framework].append(each.error)
    return Spreads(
        seen=pooled,
        gpu=_beyond([each.error for each in held["gpu"]], pooled),
        method=_beyond([each.error for each in held["method"] if not each.seen], pooled),
        framework=quantile_sigma([each.error for each in held["framework"]]),
        cells={name: blended_sigma(errors, everybody) for name, errors in own.items()},
    )


def _beyond(errors: Sequence[float], pooled: float) -> float:
    """The part of a spread that a seen cell would not have had."""
    whole = quantile_sigma(errors)
    return max(0.05, (max(0.0, whole**2 - pooled**2)) ** 0.5)


def sigma_of(row: HeldOut, spreads: Spreads) -> float:
    """The sigma that `row` would be predicted with: what borrowing adds is known from what was left out."""
    own = spreads.cells.get(row.sample.setup.framework, spreads.seen)
    if row.fold == "framework":
        return spreads.framework
    if row.seen:
        return own
    return math.hypot(own, spreads.gpu if row.fold == "gpu" else spreads.method)
