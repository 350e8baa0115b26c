"""Fits the speed model to measurements and writes `orchestrator/domain/cost/fitted_speed.py`.

    python -m bench.fit_speed ROWS.csv [MORE_ROWS.csv ...] [--mlperf MLPERF.csv] [--peft PEFT.csv] --date YYYY-MM-DD

Needs NumPy and SciPy. Every coefficient comes from all rows, every sigma from rows that the fit had not seen.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from datetime import date
from pathlib import Path

from bench.speed_fit import assemble, fit_frameworks
from bench.speed_folds import hold_out, spreads_of
from bench.speed_samples import Sample, read_samples
from orchestrator.domain.cost.coefficients import CellKey, Coefficients, SpeedCell

_TARGET = Path(__file__).parent.parent / "orchestrator/domain/cost/fitted_speed.py"
_DIGITS = 4
_HEAD = '''"""Coefficients of the speed model, fitted on {day} to {rows} measurements. Written by `bench.fit_speed`.

{sources}
"""

from __future__ import annotations

from types import MappingProxyType

from orchestrator.domain.cost.coefficients import Borrowing, CellKey, Coefficients, SpeedCell

'''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="+", type=Path)
    parser.add_argument("--mlperf", type=Path)
    parser.add_argument("--peft", type=Path)
    parser.add_argument("--date", type=date.fromisoformat, required=True, help="the day that the fit bears")
    parser.add_argument("--out", type=Path, default=_TARGET)
    options = parser.parse_args()
    samples = read_samples(options.rows, options.mlperf, options.peft)
    if not samples:
        parser.error("no row of these files tells a speed that a model and an accelerator are known for")
    coefficients = assemble(fit_frameworks(samples), spreads_of(hold_out(samples)))
    options.out.write_text(module_text(coefficients, samples, options.date), encoding="utf-8")
    print(f"{options.out}: {len(coefficients.cells)} cells from {len(samples)} rows")


def module_text(coefficients: Coefficients, samples: list[Sample], day: date) -> str:
    """The module's source: data alone, as ruff formats it."""
    counts = sorted(Counter(sample.source for sample in samples).items())
    told = "\n".join(f"  {source}: {count} rows" for source, count in counts)
    lines = [_HEAD.format(day=day.isoformat(), rows=len(samples), sources=f"Rows by source:\n{told}")]
    lines.append("_CELLS = {\n")
    for key, cell in sorted(coefficients.cells.items()):
        lines.append(f"    {_key(key)}: {_cell(cell, 4)},\n")
    lines.append("}\n")
    lines.append("_STACKS = {\n")
    for name, cell in sorted(coefficients.stacks.items()):
        lines.append(f'    "{name}": {_cell(cell, 4)},\n')
    lines.append("}\n")
    lines.append(f"_PRIOR = {_cell(coefficients.prior, 0)}\n")
    lines.append(_borrowing(coefficients))
    lines.append("COEFFICIENTS = Coefficients(\n    cells=MappingProxyType(_CELLS),\n    prior=_PRIOR,\n")
    lines.append("    borrowing=_BORROWING,\n    stacks=MappingProxyType(_STACKS),\n)\n")
    return "".join(lines)


def _key(key: CellKey) -> str:
    return f'CellKey("{key.framework}", "{key.gpu}", "{key.method}", "{key.precision}")'


def _cell(cell: SpeedCell, indent: int) -> str:
    pad = " " * indent
    inner = "".join(f"{pad}    {name}={_literal(value)},\n" for name, value in _values(cell))
    return f"SpeedCell(\n{inner}{pad})"


def _values(cell: SpeedCell) -> Iterable[tuple[str, object]]:
    return ((each.name, getattr(cell, each.name)) for each in fields(cell) if each.name != "factor")


def _literal(value: object) -> str:
    if isinstance(value, float):
        return repr(float(f"{value:.{_DIGITS}g}"))
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _borrowing(coefficients: Coefficients) -> str:
    lent = coefficients.borrowing
    shares = "".join(
        f"    {name}=MappingProxyType(\n        {{\n{inner}        }}\n    ),\n"
        for name, inner in (
            ("gpu_efficiency", _pairs(lent.gpu_efficiency.items())),
            ("precision_efficiency", _pairs(lent.precision_efficiency.items())),
        )
    )
    sigmas = "".join(f"    {name}={_literal(getattr(lent, name))},\n" for name in ("gpu", "method", "framework"))
    return f"_BORROWING = Borrowing(\n{sigmas}{shares})\n"


def _pairs(items: Iterable[tuple[str, float]]) -> str:
    return "".join(f'            "{name}": {_literal(value)},\n' for name, value in sorted(items))


if __name__ == "__main__":
    main()
