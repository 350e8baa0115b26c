"""Holds out groups of measured peaks, fits the rest, and predicts what was held out; and sets widths by the errors."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from bench.memory_fit import SEEN, UNFITTED, fit_memory, with_sigmas
from bench.memory_rows import MemoryRow
from orchestrator.domain.cost.coefficients import family_of
from orchestrator.domain.cost.memory import predict_memory
from orchestrator.domain.cost.memory_coefficients import ANY, MemoryCoefficients
from orchestrator.domain.cost.setup import Method

FRAMEWORK = "framework"
COVERAGE = 0.905
_INSIDE = NormalDist().inv_cdf(0.95)
_ENOUGH = 30
# How many times wider the part that grows with tokens may be than what does not.
_RATIOS = (0.0, 0.5, 1.0, 2.0, 4.0)
_NARROWEST = 0.02
# At least so wide for a framework that was not seen. It may report reserved memory instead of allocated, have no flash
# attention, or hold logits three times: more than the seen ones differ by. Chosen by hand so that the intervals of
# held-out frameworks cover what they should; ms-swift, whose models' own code does all three, needs it.
_STRANGE = (0.05, 0.7)


def method_of(row: MemoryRow) -> str:
    """The method as it is held out: LoRA with trained embeddings and each kind of quantisation stand for themselves."""
    family = family_of(row.setup)
    if row.setup.trains_embeddings:
        return f"{family}+emb"
    return f"{family} {row.setup.quantization}" if row.setup.method is Method.QLORA else family


SCHEMES: Mapping[str, Callable[[MemoryRow], str]] = {
    "model": lambda row: row.architecture.name,
    "length": lambda row: str(row.setup.sequence_len),
    "method": method_of,
}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A row, predicted (`middle`, bytes) by a fit that had not seen its group. `growing` is the share of the
    prediction that grows with tokens, `borrowed` the variance that the missing cell added."""

    scheme: str
    group: str
    row: MemoryRow
    middle: float
    growing: float
    borrowed: float

    @property
    def off(self) -> float:
        """Logarithm of measured over predicted."""
        return math.log(self.row.measured / self.middle)

    def sigma(self, width: tuple[float, float]) -> float:
        """The standard deviation that a `sigma` and a `spread` give it."""
        return math.sqrt(width[0] ** 2 + (width[1] * self.growing) ** 2 + self.borrowed)


def held_out(rows: Sequence[MemoryRow]) -> list[HeldOut]:
    """Every row under every scheme that leaves something of its framework and accelerator to learn from, and with its
    whole framework held out."""
    found: list[HeldOut] = []
    for scheme, key in SCHEMES.items():
        for place in sorted({(row.setup.framework, row.gpu.name) for row in rows}):
            here = [row for row in rows if (row.setup.framework, row.gpu.name) == place]
            groups = sorted({key(row) for row in here})
            for group in groups if len(groups) > 1 else ():
                out = {row.id for row in here if key(row) == group}
                # Other frameworks' rows have no say in this one's fit.
                rest = [row for row in rows if row.setup.framework == place[0] and row.id not in out]
                chosen = [row for row in here if row.id in out]
                found += _predicted(scheme, " ".join((*place, group)), chosen, fit_memory(rest))
    return found + _frameworks(rows)


def _frameworks(rows: Sequence[MemoryRow]) -> list[HeldOut]:
    found: list[HeldOut] = []
    for framework in sorted({row.setup.framework for row in rows}):
        out = [row for row in rows if row.setup.framework == framework]
        rest = [row for row in rows if row.setup.framework != framework and row.source not in UNFITTED]
        fitted = fit_memory(rest)
        found += _predicted(FRAMEWORK, framework, out, fitted)
    return found


def _predicted(scheme: str, group: str, rows: Iterable[MemoryRow], fitted: MemoryCoefficients) -> list[HeldOut]:
    bare = with_sigmas(fitted, dict.fromkeys((SEEN, ANY), (0.0, 0.0)))
    grown = with_sigmas(fitted, dict.fromkeys((SEEN, ANY), (0.0, 1.0)))
    found = []
    for row in rows:
        told = predict_memory(row.architecture, row.setup, row.gpu, bare)
        both = predict_memory(row.architecture, row.setup, row.gpu, grown).sigma
        growing = math.sqrt(max(0.0, both**2 - told.sigma**2))
        found.append(HeldOut(scheme, group, row, min(told.middle, row.limit), growing, told.sigma**2))
    return found


def widths(found: Collection[HeldOut], without: frozenset[str] = frozenset()) -> dict[str, tuple[float, float]]:
    """`sigma` and `spread` for each framework with enough held-out rows, for the others together, and for one that was
    not seen at all: from the errors of all rows but those."""
    by_framework: dict[str, list[HeldOut]] = defaultdict(list)
    for each in found:
        if each.row.id not in without:
            by_framework[ANY if each.scheme == FRAMEWORK else each.row.setup.framework].append(each)
    strange = by_framework.pop(ANY, [])
    seen = width_of([each for own in by_framework.values() for each in own])
    enough = {name: own for name, own in by_framework.items() if len(own) >= _ENOUGH}
    found_widths = {name: _between(width_of(own), seen) for name, own in enough.items()}
    few = len({each.group for each in strange})
    sigma, spread = width_of(strange)
    wide = (max(_STRANGE[0], sigma * _for_few(few)), max(_STRANGE[1], spread * _for_few(few)))
    return {SEEN: seen, **found_widths, ANY: (round(wide[0], 4), round(wide[1], 4))}


def _between(own: tuple[float, float], seen: tuple[float, float]) -> tuple[float, float]:
    """Half way (in variance) from a framework's own width to that of all: it was measured on few models."""
    return round(math.hypot(own[0], seen[0]) / math.sqrt(2), 4), round(math.hypot(own[1], seen[1]) / math.sqrt(2), 4)


def _for_few(frameworks: int) -> float:
    """How much wider an interval for the next framework has to be than the spread of so few: Student's t over the
    normal, for a 90 % interval."""
    quantiles = {2: 6.31, 3: 2.92, 4: 2.35, 5: 2.13, 6: 2.02, 7: 1.94, 8: 1.89, 9: 1.86, 10: 1.83}
    return math.sqrt(1 + 1 / frameworks) * quantiles.get(frameworks, 1.8) / _INSIDE


def width_of(found: Sequence[HeldOut]) -> tuple[float, float]:
    """The likeliest `sigma` and `spread` among those whose 90 % intervals hold COVERAGE of the rows."""
    options = [_scaled(found, ratio) for ratio in _RATIOS]
    return max(options, key=lambda width: _likelihood(found, width))


def _scaled(found: Sequence[HeldOut], ratio: float) -> tuple[float, float]:
    low, high = _NARROWEST, 2.0
    for _ in range(40):
        middle = (low + high) / 2
        inside = sum(abs(each.off) <= _INSIDE * each.sigma((middle, ratio * middle)) for each in found)
        low, high = (low, middle) if inside >= COVERAGE * len(found) else (middle, high)
    return round(high, 4), round(ratio * high, 4)


def _likelihood(found: Sequence[HeldOut], width: tuple[float, float]) -> float:
    """Of the errors within four sigmas as they are, of wilder ones as if they were four away."""
    total = 0.0
    for each in found:
        sigma = max(each.sigma(width), 1e-6)
        total -= math.log(sigma) + min((each.off / sigma) ** 2, 16.0) / 2
    return total
