"""Hold-out validation of the speed model, printed as a table.

    python -m bench.validate_speed ROWS.csv [MORE_ROWS.csv ...] [--mlperf MLPERF.csv] [--peft PEFT.csv]

For each framework every model size, sequence length, method and accelerator is left out once, and each framework as a
whole; all coefficients are fitted anew without it. Coverage is that of the 90 % interval, with sigmas taken from other
held-out rows than those they are tested on. Needs NumPy and SciPy.
"""

from __future__ import annotations

import argparse
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median

from bench.speed_folds import HeldOut, hold_out, sigma_of, spreads_of
from bench.speed_samples import read_samples

_PARTS = 5
_WIDE = 1.645
_MATTERS = ("axolotl", "transformers", "ms-swift", "qwen-finetune")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="+", type=Path)
    parser.add_argument("--mlperf", type=Path)
    parser.add_argument("--peft", type=Path)
    options = parser.parse_args()
    held = hold_out(read_samples(options.rows, options.mlperf, options.peft))
    covered = coverage(held)
    print(f"{'left out':<12}{'its cell':<10}{'framework':<26}{'rows':>5}{'MAPE':>8}{'median':>8}{'bias':>8}{'p90':>7}")
    for fold, rows in held.items():
        for seen in (True, False):
            _print(fold, "seen" if seen else "unseen", [row for row in rows if row.seen is seen], covered)


def _print(fold: str, cell: str, rows: Sequence[HeldOut], covered: Mapping[int, bool]) -> None:
    if not rows:
        return
    groups: dict[str, list[HeldOut]] = defaultdict(list)
    for row in rows:
        groups[row.sample.setup.framework].append(row)
    lines: list[tuple[str, Sequence[HeldOut]]] = [("all", rows)]
    lines.append(("(the product's stack)", [row for row in rows if row.sample.setup.framework in _MATTERS]))
    for name, group in [*lines, *sorted(groups.items())]:
        if group:
            print(f"{fold:<12}{cell:<10}{name:<26}{_figures(group, covered)}")


def _figures(rows: Sequence[HeldOut], covered: Mapping[int, bool]) -> str:
    errors = [row.speed_error for row in rows]
    sizes = [abs(error) for error in errors]
    share = fmean(covered[id(row)] for row in rows)
    return f"{len(rows):>5}{fmean(sizes):>8.1%}{median(sizes):>8.1%}{fmean(errors):>+8.1%}{share:>7.0%}"


def coverage(held: Mapping[str, Sequence[HeldOut]]) -> dict[int, bool]:
    """Of each held-out row, whether the 90 % interval holds it. Its sigma comes from rows of other parts; a framework
    left out as a whole has it from the other frameworks."""
    found: dict[int, bool] = {}
    for part in range(_PARTS):
        spreads = spreads_of(_without(held, lambda row, part=part: _part(row) == part))
        for row in _all(held):
            if _part(row) == part and row.fold != "framework":
                found[id(row)] = abs(row.error) <= _WIDE * sigma_of(row, spreads)
    for name in {row.sample.setup.framework for row in _all(held)}:
        spreads = spreads_of(_without(held, lambda row, name=name: row.sample.setup.framework == name))
        for row in held["framework"]:
            if row.sample.setup.framework == name:
                found[id(row)] = abs(row.error) <= _WIDE * sigma_of(row, spreads)
    return found


def _without(held: Mapping[str, Sequence[HeldOut]], leave: Callable[[HeldOut], bool]) -> dict[str, list[HeldOut]]:
    return {fold: [row for row in rows if not leave(row)] for fold, rows in held.items()}


def _all(held: Mapping[str, Sequence[HeldOut]]) -> Iterable[HeldOut]:
    return (row for rows in held.values() for row in rows)


def _part(row: HeldOut) -> int:
    return zlib.crc32(row.sample.id.encode()) % _PARTS


if __name__ == "__main__":
    main()
