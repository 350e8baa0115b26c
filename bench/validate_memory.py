"""Holds out part of what was measured, fits the rest, and says how far off the predictions of the held-out part were.

    python -m bench.validate_memory ROWS.csv [PEFT.csv] [--out bench/memory_validation.json]

Four ways: whole models, whole sequence lengths and whole methods of a framework and accelerator that was seen
otherwise, and whole frameworks. The fit is made anew each time. The width of an interval comes from the same errors,
but for each group without those of its own rows under any scheme. `under` is the share of rows measured more than 5 %
above the p95 that decides whether a training fits.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist, fmean, median

from bench.memory_fit import SEEN
from bench.memory_folds import FRAMEWORK, SCHEMES, HeldOut, held_out, widths
from bench.memory_rows import measured_memory, peft_memory
from orchestrator.domain.cost.gpus import GIB
from orchestrator.domain.cost.memory_coefficients import ANY

_P95 = NormalDist().inv_cdf(0.95)
_UNDER = 1.05
_PRODUCT_STACK = frozenset({"ms-swift", "ms-swift-tuners", "qwen-readme"})


@dataclass(frozen=True, slots=True)
class Judged:
    """A held-out row with its interval, in GiB."""

    scheme: str
    group: str
    id: str
    source: str
    method: str
    model: str
    tokens: int
    measured: float
    predicted: float
    lower: float
    upper: float

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1

    @property
    def covered(self) -> bool:
        return self.lower <= self.measured <= self.upper

    @property
    def under(self) -> bool:
        """Measured more than 5 % above the p95, which is the upper end of the 90 % interval."""
        return self.measured > _UNDER * self.upper


def judged(found: Sequence[HeldOut]) -> list[Judged]:
    """Each held-out row with the interval that the other groups' errors give it."""
    groups = {(each.scheme, each.group): frozenset[str]() for each in found}
    for each in found:
        groups[each.scheme, each.group] |= {each.row.id}
    width = {key: widths(found, out) for key, out in groups.items()}
    return [_judged(each, width[each.scheme, each.group]) for each in found]


def _judged(each: HeldOut, width: dict[str, tuple[float, float]]) -> Judged:
    name = ANY if each.scheme == FRAMEWORK else each.row.setup.framework
    reach = math.exp(_P95 * each.sigma(width.get(name, width[SEEN])))
    return Judged(
        scheme=each.scheme,
        group=each.group,
        id=each.row.id,
        source=each.row.source,
        method=each.row.method,
        model=each.row.model,
        tokens=each.row.setup.micro_tokens,
        measured=each.row.measured / GIB,
        predicted=each.middle / GIB,
        lower=each.middle / reach / GIB,
        upper=each.middle * reach / GIB,
    )


def table(rows: Sequence[Judged]) -> str:
    """Errors and coverage by scheme and source, and for the schemes that hold out part of a framework together."""
    lines = [f"{'held out':<12}{'source':<18}{'rows':>6}{'MAPE':>9}{'median':>9}{'bias':>9}{'p90':>8}{'under':>8}"]
    for scheme in (*SCHEMES, FRAMEWORK):
        own = [row for row in rows if row.scheme == scheme]
        for source in sorted({row.source for row in own}):
            lines.append(_line(scheme, source, [row for row in own if row.source == source]))
        lines.append(_line(scheme, "all", own))
    seen = [row for row in rows if row.scheme != FRAMEWORK]
    lines.append(_line("seen", "HF + PEFT", [row for row in seen if row.source in _PRODUCT_STACK]))
    lines.append(_line("seen", "all", seen))
    return "\n".join(lines)


def _line(scheme: str, source: str, rows: Sequence[Judged]) -> str:
    errors = [row.error for row in rows]
    off = [abs(error) for error in errors]
    covered, under = fmean(row.covered for row in rows), fmean(row.under for row in rows)
    return (
        f"{scheme:<12}{source:<18}{len(rows):>6}{fmean(off):>9.1%}{median(off):>9.1%}{fmean(errors):>+9.1%}"
        f"{covered:>8.1%}{under:>8.1%}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("peft", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path("bench/memory_validation.json"))
    options = parser.parse_args(arguments)
    measured = measured_memory(options.rows) + (peft_memory(options.peft) if options.peft else [])
    found = judged(held_out(measured))
    print(table(found))
    worst = sorted((row for row in found if row.scheme != FRAMEWORK), key=lambda row: -abs(math.log(1 + row.error)))
    print("\nfurthest off:")
    for row in worst[:15]:
        print(f"{row.scheme:<8}{row.id:<24}{row.method:<22}{row.measured:>8.2f} GiB, {row.error:+.0%} ({row.group})")
    records = [
        {"scheme": row.scheme, "id": row.id, "source": row.source, "method": row.method, "tokens": row.tokens}
        | {name: round(getattr(row, name), 3) for name in ("measured", "predicted", "lower", "upper")}
        for row in found
    ]
    lines = ",\n".join(json.dumps(record) for record in records)
    options.out.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
