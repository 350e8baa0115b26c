"""Holds out part of what was measured, fits the rest, and says how far off the predictions of the held-out part were.

    python -m bench.validate_memory ROWS.csv [MORE.csv ...] [--records RECORDS.json]

Four ways: whole models, whole sequence lengths and whole methods of a framework and accelerator that was seen
otherwise, and whole frameworks. The fit is made anew each time. The width of an interval comes from the same errors,
but for each group without those of its own rows under any scheme. `under` is the share of rows measured more than 5 %
above the p95 that decides whether a training fits. Writes the table as `bench/memory_validation.json`, and each
held-out row where `--records` says.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist, fmean, median

from bench.memory_fit import SEEN
from bench.memory_folds import FRAMEWORK, SCHEMES, HeldOut, held_out, widths
from bench.memory_rows import peaks
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


def tallied(rows: Sequence[Judged]) -> list[dict[str, str | float]]:
    """Errors and coverage by scheme and source, and for the schemes that hold out part of a framework together."""
    found = []
    for scheme in (*SCHEMES, FRAMEWORK):
        own = [row for row in rows if row.scheme == scheme]
        for source in sorted({row.source for row in own}):
            found.append(_tally(scheme, source, [row for row in own if row.source == source]))
        found.append(_tally(scheme, "all", own))
    seen = [row for row in rows if row.scheme != FRAMEWORK]
    found.append(_tally("seen", "HF + PEFT", [row for row in seen if row.source in _PRODUCT_STACK]))
    found.append(_tally("seen", "all", seen))
    return found


def _tally(scheme: str, source: str, rows: Sequence[Judged]) -> dict[str, str | float]:
    off = [abs(row.error) for row in rows]
    numbers = {
        "mape": fmean(off),
        "median": median(off),
        "bias": fmean(row.error for row in rows),
        "coverage": fmean(row.covered for row in rows),
        "under": fmean(row.under for row in rows),
    }
    rounded = {name: round(value, 4) for name, value in numbers.items()}
    return {"held_out": scheme, "source": source, "rows": len(rows), **rounded}


def table(found: Sequence[Mapping[str, str | float]]) -> str:
    """The tallies as a person reads them."""
    lines = [f"{'held out':<12}{'source':<18}{'rows':>6}{'MAPE':>9}{'median':>9}{'bias':>9}{'p90':>8}{'under':>8}"]
    lines += [
        f"{each['held_out']:<12}{each['source']:<18}{each['rows']:>6}{each['mape']:>9.1%}{each['median']:>9.1%}"
        f"{each['bias']:>+9.1%}{each['coverage']:>8.1%}{each['under']:>8.1%}"
        for each in found
    ]
    return "\n".join(lines)


def records(rows: Sequence[Judged]) -> list[dict[str, str | float]]:
    """Each held-out row, for the comparison and the picture."""
    return [
        {"scheme": row.scheme, "id": row.id, "source": row.source, "method": row.method, "tokens": row.tokens}
        | {name: round(float(getattr(row, name)), 3) for name in ("measured", "predicted", "lower", "upper")}
        for row in rows
    ]


def written(path: Path, lines: Sequence[Mapping[str, str | float]]) -> None:
    """A JSON list with a line for each."""
    text = ",\n".join(json.dumps(line) for line in lines)
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("bench/memory_validation.json"))
    parser.add_argument("--records", type=Path)
    options = parser.parse_args(arguments)
    measured = peaks(options.rows)
    found = judged(held_out(measured))
    tallies = tallied(found)
    print(table(tallies))
    worst = sorted((row for row in found if row.scheme != FRAMEWORK), key=lambda row: -abs(math.log(1 + row.error)))
    print("\nfurthest off:")
    for row in worst[:15]:
        print(f"{row.scheme:<8}{row.id:<24}{row.method:<22}{row.measured:>8.2f} GiB, {row.error:+.0%} ({row.group})")
    written(options.out, tallies)
    if options.records:
        written(options.records, records(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
