"""Holds the cost model against measured trainings.

    python -m bench.accuracy ROWS.csv [--out PREDICTIONS.csv] [--quantity speed|memory|both]

ROWS.csv has the columns of `id,source,...,notes` (a blank cell was not stated; `model` is a name, the path of a
`config.json` or its JSON). Each row that states `tokens_per_s_per_gpu` or `peak_mem_gib` is predicted with a 90 %
interval, without a look at the measured value. Predictions have the columns `id,predicted,lower,upper,measured`. With
`--out P.csv` there is one file for each quantity, `P.tokens_per_s_per_gpu.csv` and `P.peak_mem_gib.csv`; without it
both are printed, the quantity behind the id (`row-7:peak_mem_gib`). Then come the error (MAPE, median, bias) and the
coverage by source, method and accelerator, and the rows that could not be placed, each with the reason.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from bench.memory_rows import limit_of, memory_architecture, memory_setup
from bench.rows import Row, Unplaced, read_rows
from bench.speed_samples import speed_setup
from orchestrator.domain.cost.coefficients import family_of
from orchestrator.domain.cost.fitted_memory import MEMORY_COEFFICIENTS
from orchestrator.domain.cost.fitted_speed import COEFFICIENTS
from orchestrator.domain.cost.gpus import GIB
from orchestrator.domain.cost.memory import predict_memory
from orchestrator.domain.cost.prediction import Prediction
from orchestrator.domain.cost.speed_model import predict_step
from orchestrator.domain.errors import InvalidInputError

SPEED = "tokens_per_s_per_gpu"
MEMORY = "peak_mem_gib"
COLUMNS = ("id", "predicted", "lower", "upper", "measured")
_P95 = 0.95
_UNDER = 1.05  # a row measured this far above the p95 that decided its fit would have run out of memory


@dataclass(frozen=True, slots=True)
class Judged:
    """One prediction beside its measurement. `p95` is the upper bound that decides whether a plan fits."""

    row: Row
    predicted: float
    lower: float
    upper: float
    p95: float
    measured: float

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1.0

    @property
    def covered(self) -> bool:
        return self.lower <= self.measured <= self.upper


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--out", type=Path, help="where predictions are written; printed when not given")
    parser.add_argument("--quantity", choices=("speed", "memory", "both"), default="both")
    options = parser.parse_args(arguments)
    try:
        rows, unplaced = read_rows(options.rows)
    except OSError as error:
        print(f"{options.rows}: {error.strerror}", file=sys.stderr)
        return 2
    except csv.Error as error:
        print(f"{options.rows}: is no CSV: {error}", file=sys.stderr)
        return 2
    judged: dict[str, list[Judged]] = {}
    for name, wanted in ((SPEED, "speed"), (MEMORY, "memory")):
        if options.quantity in {wanted, "both"}:
            judged[name], refused = judge(rows, name)
            unplaced += refused
    write(judged, options.out)
    for name, found in judged.items():
        print(report(name, found))
    print(_left_out(unplaced))
    return 0


def predicted_speed(row: Row) -> Prediction:
    """Tokens per second of one device as a prediction: the step's seconds turned round keep their sigma."""
    setup = speed_setup(row)
    step = predict_step(row.architecture, setup, row.gpu, COEFFICIENTS)
    tokens = setup.step_tokens / setup.devices
    return Prediction(tokens / step.middle, step.sigma, (), step.source)


def predicted_memory(row: Row) -> Prediction:
    """GiB of one device, and no more than what was read can be: memory reserved on a device never exceeds it."""
    peak = predict_memory(memory_architecture(row), memory_setup(row), row.gpu, MEMORY_COEFFICIENTS)
    return Prediction(min(peak.middle, limit_of(row)) / GIB, peak.sigma, (), peak.source)


def judge(rows: Iterable[Row], quantity: str) -> tuple[list[Judged], list[Unplaced]]:
    """Every row that states the quantity beside its prediction, and those that the model refuses to predict."""
    predict = predicted_speed if quantity == SPEED else predicted_memory
    found, refused = [], []
    for row in rows:
        measured = row.tokens_per_s_per_gpu if quantity == SPEED else row.peak_mem_gib
        if measured is None:
            continue
        try:
            said = predict(row)
        except (InvalidInputError, ArithmeticError) as error:
            refused.append(Unplaced(f"{row.id}:{quantity}", row.source, str(error)))
            continue
        found.append(Judged(row, said.middle, *said.interval(), said.quantile(_P95), measured))
    return found, refused


def write(judged: Mapping[str, Sequence[Judged]], out: Path | None) -> None:
    """One file a quantity beside `out`, or all on the standard output."""
    if out is None:
        lines = [(f"{each.row.id}:{name}", each) for name, found in judged.items() for each in found]
        print(_csv(lines))
        return
    for name, found in judged.items():
        path = out.with_name(f"{out.stem}.{name}{out.suffix or '.csv'}")
        path.write_text(_csv((each.row.id, each) for each in found), encoding="utf-8")
        print(f"{path}: {len(found)} predictions")


def _csv(lines: Iterable[tuple[str, Judged]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, each in lines:
        numbers = (each.predicted, each.lower, each.upper, each.measured)
        writer.writerow([name, *(f"{number:.6g}" for number in numbers)])
    return text.getvalue()


def report(name: str, judged: Sequence[Judged]) -> str:
    """The table of errors and coverage, all rows together and by source, method and accelerator."""
    if not judged:
        return f"{name}: no row states it"
    head = f"{name:<44}{'rows':>6}{'MAPE':>9}{'median':>9}{'bias':>9}{'p90':>7}"
    lines = [f"{head}{'under p95':>11}" if name == MEMORY else head, _line("all", judged, name)]
    groupings: tuple[tuple[str, Callable[[Judged], str]], ...] = (
        ("source", lambda each: each.row.source),
        ("method", lambda each: family_of(each.row.setup)),
        ("gpu", lambda each: each.row.gpu.name),
    )
    for grouping, key in groupings:
        groups: dict[str, list[Judged]] = defaultdict(list)
        for each in judged:
            groups[key(each)].append(each)
        lines += [_line(f"{grouping} {value}", groups[value], name) for value in sorted(groups)]
    return "\n".join(lines) + "\n"


def _line(label: str, judged: Sequence[Judged], name: str) -> str:
    errors = [each.error for each in judged]
    sizes = [abs(error) for error in errors]
    covered = fmean(each.covered for each in judged)
    figures = f"{fmean(sizes):>9.1%}{median(sizes):>9.1%}{fmean(errors):>+9.1%}{covered:>7.0%}"
    line = f"{label[:43]:<44}{len(judged):>6}{figures}"
    if name != MEMORY:
        return line
    return f"{line}{fmean(each.measured > _UNDER * each.p95 for each in judged):>11.1%}"


def _left_out(unplaced: Sequence[Unplaced]) -> str:
    if not unplaced:
        return "Every row was placed."
    lines = [f"{len(unplaced)} rows could not be placed:"]
    return "\n".join([*lines, *(f"  {each.id}: {each.reason}" for each in unplaced)])


if __name__ == "__main__":
    raise SystemExit(main())
