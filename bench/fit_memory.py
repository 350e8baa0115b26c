"""Fits the memory model's cells to measured peaks and writes them as a module.

    python -m bench.fit_memory ROWS.csv [MORE.csv ...] --date YYYY-MM-DD

Rows are fitted all together; the width of the intervals comes from predictions of held-out rows (`bench.memory_folds`).
Writes `orchestrator/domain/cost/fitted_memory.py`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.memory_fit import UNFITTED, fit_memory, with_sigmas
from bench.memory_folds import held_out, widths
from bench.memory_rows import MemoryRow, peaks
from orchestrator.domain.cost.coefficients import CellKey, cell_key
from orchestrator.domain.cost.gpus import GIB
from orchestrator.domain.cost.memory_coefficients import ANY, MemoryCell, MemoryCoefficients

MODULE = Path(__file__).resolve().parents[1] / "orchestrator" / "domain" / "cost" / "fitted_memory.py"
_HEAD = '''"""Cells of the memory model, fitted to published peaks. Written by `bench.fit_memory`: do not edit.

Each line: framework, accelerator, method, precision, rows, GiB of context and workspace, the factors on activations,
logits, states, sharded states, quantised inputs and eager scores, growth, sigma, spread.
"""

from __future__ import annotations

from types import MappingProxyType

from orchestrator.domain.cost.coefficients import CellKey
from orchestrator.domain.cost.gpus import GIB
from orchestrator.domain.cost.memory_coefficients import MemoryCell, MemoryCoefficients, ModelCode
'''
_TAIL = """

def _source(framework: str, gpu: str, method: str, rows: int) -> str:
    what = " ".join(word for word in (framework, method) if word != "*") or "all frameworks"
    where = "" if gpu == "*" else f" on {gpu}"
    return f"{rows} rows of {what}{where}, fitted {FITTED}"


def _cell(gib: float, factors: tuple[float, ...], source: str) -> MemoryCell:
    activations, logits, states, sharded, copies, eager, growth, sigma, spread = factors
    const = round(gib * GIB)
    return MemoryCell(const, activations, logits, states, sharded, copies, eager, growth, sigma, spread, source)


MEMORY_COEFFICIENTS = MemoryCoefficients(
    cells=MappingProxyType(
        {
            CellKey(framework, gpu, method, precision): _cell(gib, factors, _source(framework, gpu, method, rows))
            for framework, gpu, method, precision, rows, gib, factors in _CELLS
        }
    ),
    codes=MappingProxyType({(framework, kind): ModelCode(*factors) for framework, kind, factors in _CODES}),
)
"""


def module(rows: Sequence[MemoryRow], fitted: MemoryCoefficients, fitted_on: str) -> str:
    """The text of the module."""
    counts = Counter(row.origin for row in rows)
    lines = [_HEAD, f'FITTED = "{fitted_on}"', "SOURCES = ("]
    lines += [
        f'    ("{name}", "{path}", "{commit}", {count}),' for (name, path, commit), count in sorted(counts.items())
    ]
    lines += [")", '"""Table, file, commit and rows of each source."""']
    lines += ["_CELLS: tuple[tuple[str, str, str, str, int, float, tuple[float, ...]], ...] = ("]
    lines += [_line(key, cell, _rows_of(key, rows)) for key, cell in sorted(fitted.cells.items())]
    lines += [")", "_CODES: tuple[tuple[str, str, tuple[float, float, float]], ...] = ("]
    for (framework, kind), code in sorted(fitted.codes.items()):
        lines.append(f'    ("{framework}", "{kind}", ({code.activations}, {code.logits}, {code.eager})),')
    return "\n".join([*lines, ")", _TAIL])


def _line(key: CellKey, cell: MemoryCell, rows: int) -> str:
    factors = (cell.activations, cell.logits, cell.states, cell.sharded, cell.copies, cell.eager, cell.growth)
    numbers = ", ".join(f"{round(value, 3) + 0.0:.3g}" for value in (*factors, cell.sigma, cell.spread))
    names = ", ".join(f'"{name}"' for name in (key.framework, key.gpu, key.method, key.precision))
    return f"    ({names}, {rows}, {cell.const / GIB:.2f}, ({numbers})),"


def _rows_of(key: CellKey, rows: Sequence[MemoryRow]) -> int:
    if key.framework == ANY:
        return len(rows)
    if key.method == ANY:
        return sum(row.setup.framework == key.framework for row in rows)
    return sum(cell_key(row.setup, row.gpu) == key for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="+")
    parser.add_argument("--date", required=True, help="written into the cells, as YYYY-MM-DD")
    parser.add_argument("--out", type=Path, default=MODULE)
    options = parser.parse_args(arguments)
    rows = peaks(options.rows)
    width = widths(held_out(rows))
    rows = [row for row in rows if row.source not in UNFITTED]
    fitted = with_sigmas(fit_memory(rows), width)
    options.out.write_text(module(rows, fitted, options.date), encoding="utf-8")
    print(f"{len(rows)} rows, {len(fitted.cells)} cells, {len(fitted.codes)} model types")
    for name, (sigma, spread) in sorted(width.items()):
        print(f"{name:<16} sigma {sigma:.3f}, spread {spread:.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
