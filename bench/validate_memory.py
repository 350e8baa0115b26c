"""Holds out part of what was measured, fits the rest, and predicts what was held out.

    python -m bench.validate_memory ROWS.csv [PEFT.csv]

Four ways: whole models, whole sequence lengths and whole methods of a framework and accelerator that was seen otherwise,
and whole frameworks. The fit is made anew each time. An interval's width comes from the same residuals, but for each
row from those of the other groups only, so that no row helps to set its own interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.memory_fit import fit_memory, with_sigmas
from bench.memory_rows import MemoryRow
from orchestrator.domain.cost.coefficients import family_of
from orchestrator.domain.cost.memory import predict_memory
from orchestrator.domain.cost.memory_coefficients import MemoryCoefficients
from orchestrator.domain.cost.setup import Method

Key = Callable[[MemoryRow], Hashable]


def method_of(row: MemoryRow) -> str:
    """The method as it is held out: LoRA with trained embeddings and each kind of quantisation are methods of their
    own."""
    family = family_of(row.setup)
    if row.setup.trains_embeddings:
        return f"{family}+emb"
    return f"{family} {row.setup.quantization}" if row.setup.method is Method.QLORA else family


SCHEMES: Mapping[str, Key] = {
    "model": lambda row: row.architecture.name,
    "length": lambda row: row.setup.sequence_len,
    "method": method_of,
}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A row, predicted by a fit that had not seen its group."""

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


def held_out(rows: Sequence[MemoryRow]) -> list[HeldOut]:
    """Every row under every scheme that leaves something of its framework and accelerator to learn from, and with its
    whole framework held out."""
    found = []
    for scheme, key in SCHEMES.items():
        for place in sorted({(row.setup.framework, row.gpu.name) for row in rows}):
            here = [row for row in rows if (row.setup.framework, row.gpu.name) == place]
            groups = sorted({key(row) for row in here}, key=str)
            for group in groups if len(groups) > 1 else ():
                out = [row for row in here if key(row) == group]
                others = [row for row in rows if row.setup.framework == place[0] and row not in out]
                found += _predicted(scheme, f"{place[0]} {place[1]} {group}", out, fit_memory(others, ""))
    return found + _frameworks(rows)


def _frameworks(rows: Sequence[MemoryRow]) -> list[HeldOut]:
    found = []
    for framework in sorted({row.setup.framework for row in rows}):
        out = [row for row in rows if row.setup.framework == framework]
        fitted = fit_memory([row for row in rows if row.setup.framework != framework], "")
        found += _predicted("framework", framework, out, fitted)
    return found


def _predicted(scheme: str, group: str, rows: Iterable[MemoryRow], fitted: MemoryCoefficients) -> list[HeldOut]:
    bare = with_sigmas(fitted, {"*": (0.0, 0.0)})
    spread = with_sigmas(fitted, {"*": (0.0, 1.0)})
    found = []
    for row in rows:
        told = predict_memory(row.architecture, row.setup, row.gpu, bare)
        growing = predict_memory(row.architecture, row.setup, row.gpu, spread).sigma
        part = math.sqrt(max(0.0, growing**2 - told.sigma**2))
        found.append(HeldOut(scheme, group, row, min(told.middle, row.limit), part, told.sigma))
    return found
