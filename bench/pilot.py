"""How well the first sixty steps of a training foretell the rest of it.

    python -m bench.pilot METRICS.jsonl [...]
    python -m bench.pilot --runs HOME/runs [--least 120]

Reads the metrics lines that the node wrote. The pilot is `orchestrator/domain/cost/pilot.py` on the first 60 steps; the
rest is what the remaining steps took, checkpoints left out. `error` above 0: the pilot was too slow. Only trainings of
at least `--least` steps are looked at. On a machine that others use too, this measures the others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from orchestrator.domain.cost.pilot import WINDOW, Mark, measure
from orchestrator.domain.learning import marked

LEAST = 2 * WINDOW


@dataclass(frozen=True, slots=True)
class Judged:
    """Seconds per step that the pilot foretold and that the rest took."""

    path: Path
    steps: int
    foretold: float
    rest: float

    @property
    def error(self) -> float:
        return self.foretold / self.rest - 1


def marks_in(path: Path) -> tuple[Mark, ...]:
    """The marks of the training whose metrics these are; none for a file that holds no training."""
    marks: tuple[Mark, ...] = ()
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue  # the last line of a process that was killed
        if isinstance(record, dict):
            marks = marked(marks, record)
    return marks


def judged(path: Path, least: int) -> Judged | None:
    """None for a training that is too short to have a rest."""
    marks = marks_in(path)
    if len(marks) < 2 or marks[-1].step - marks[0].step < least:
        return None
    tail = [mark for mark in marks if mark.step >= marks[0].step + WINDOW]
    steps = tail[-1].step - tail[0].step
    paused = sum(mark.paused for mark in tail[:-1])
    whole = (marks[-1].tokens - marks[0].tokens) / (marks[-1].step - marks[0].step)
    pilot = measure(marks, tokens_per_step=whole)
    if pilot is None or steps < 1:
        return None
    return Judged(path, steps, pilot.seconds, (tail[-1].elapsed - tail[0].elapsed - paused) / steps)


def report(found: Sequence[Judged]) -> str:
    """A line for each, then the mean and the median of the errors' sizes."""
    lines = [f"{'rest, steps':>11}{'pilot, s':>10}{'rest, s':>10}{'error':>8}  training"]
    for each in found:
        lines.append(
            f"{each.steps:>11}{each.foretold:>10.4f}{each.rest:>10.4f}{each.error:>+8.1%}  {_named(each.path)}"
        )
    sizes = [abs(each.error) for each in found]
    lines.append(f"{len(found)} trainings: mean {fmean(sizes):.1%}, median {median(sizes):.1%}, worst {max(sizes):.1%}")
    return "\n".join(lines)


def _named(path: Path) -> str:
    return "/".join(path.parts[-4:-1])


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("metrics", nargs="*", type=Path)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--least", type=int, default=LEAST)
    options = parser.parse_args(words)
    paths: Iterable[Path] = options.metrics
    if options.runs is not None:
        paths = [*options.metrics, *sorted(options.runs.glob("*/*/attempt-*/metrics.jsonl"))]
    found = [each for each in (judged(path, options.least) for path in paths) if each is not None]
    if not found:
        print(f"no training of at least {options.least} steps", file=sys.stderr)
        return 1
    print(report(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
