"""The cost model's section of BENCHMARK.md, put together from what the other commands printed.

    python -m bench.cost_report

Reads `bench/results/*`, which `make bench-cost ROWS=... MLPERF=... PEFT=...` writes: the measurements themselves are
not part of the project. Nothing is computed here.
"""

from __future__ import annotations

import json
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
BENCHMARK = RESULTS.parents[1] / "BENCHMARK.md"
MARKS = ("<!-- cost: begin -->", "<!-- cost: end -->")
WIDTH = 118


def section() -> str:
    """All of it."""
    day = datetime.fromtimestamp((RESULTS / "validate_speed.txt").stat().st_mtime, UTC).date()
    parts = [
        "## The cost model",
        _told(
            f"Made by `make bench-cost` on {day} from 400 published throughputs and 197 published peaks of memory; "
            "`orchestrator/domain/cost/fitted_speed.py` and `fitted_memory.py` name their sources. No figure here was "
            "measured on an H200: this project has not had one yet; `make bench-gpu` is ready for it."
        ),
        "### Throughput, on rows that were left out of the fit",
        _told(
            "`seen`: its framework and accelerator were measured otherwise, and a whole model size, sequence "
            "length or method of them was left out; `unseen`: nothing of the cell remained. `p90` is the share of"
            " rows inside the 90 % interval, whose width comes from other held-out rows. The target is 10 % for "
            "what was seen: met for sizes, missed for lengths because of the four rows of `megatron-bridge-"
            "untuned`, missed for methods. Several choices in the model's form were made with these tables in "
            "view, so they are somewhat favourable."
        ),
        _printed("validate_speed.txt"),
        "### Peak memory, on rows that were left out of the fit",
        _told(
            "`under` is the share of rows that needed over 5 % more than the p95 which decides whether a training"
            " fits (target: at most 5 %). The target is 7 % for what was seen: met for models and lengths, missed"
            " for methods."
        ),
        _printed("validate_memory.txt"),
        "### All rows with the coefficients that are in the project",
        _told("`python -m bench.accuracy ROWS.csv`. Most of these rows are those of the fit."),
        _printed("accuracy.txt"),
        "### Memory beside `fitcheck-llm` 0.3.1 and four bytes times four",
        _told(
            "The same rows; ours with the whole model held out. `under` here is against the prediction itself, "
            "since the other two tell no p95. The rule: 16 bytes a trained parameter, 2 a frozen one."
        ),
        _printed("compare_memory.txt"),
        "### The study book's three ways to spend $50, and the planner's",
        _told(
            "Llama-3.1-8B, rows of 400 tokens, more of them than the money reads, no spot, whole weights on each "
            "device (`python -m bench.book_plans`). Both sides are predictions. First over every accelerator that"
            " is known, then on H200s only. The planner trains on more because it rents for less, chooses the "
            "micro-batch that the memory allows, and spends all of the budget; one GPU for longer costs the same "
            "per token as several, less their start. GaLore spends 40 % of its time in the SVD at the book's "
            "settings."
        ),
        _text("book_plans.md"),
        _text("book_plans_h200.md"),
        "### Speed of planning",
        _speed(),
    ]
    return "\n\n".join(parts)


def _told(text: str) -> str:
    return textwrap.fill(text, WIDTH)


def _printed(name: str) -> str:
    return f"```\n{(RESULTS / name).read_text(encoding='utf-8').rstrip()}\n```"


def _text(name: str) -> str:
    return (RESULTS / name).read_text(encoding="utf-8").strip()


def _speed() -> str:
    path = RESULTS.parent / "planner_speed.json"
    if not path.exists():
        return "Not measured: `python -m bench.planner_speed`."
    found = json.loads(path.read_text(encoding="utf-8"))
    targets = ", ".join(f"{name} {most:g} ms" for name, most in found["targets_ms"].items())
    about = (
        f"`{found['command']}`, {found['date']}, {found['cpu']}, Python {found['python']}: {found['offers']} invented "
        f"offers of {found['kinds_of_offers']} kinds, loaded once. Warm: the wish was asked about before, with another "
        "cap; altered: with another learning rate; cold: nothing was predicted before. `CPU` is the median of the "
        f"processor's time, since the machine was shared. Targets: {targets}."
    )
    head = "| what | times | median, ms | p99, ms | CPU, ms |\n|---|---:|---:|---:|---:|"
    rows = [
        f"| {each['name']} | {each['count']} | {each['median']:.1f} | {each['p99']:.1f} | {_cpu(each)} |"
        for each in found["milliseconds"]
    ]
    return "\n".join([_told(about), "", head, *rows])


def _cpu(each: dict[str, float | None]) -> str:
    median = each.get("cpu_median")
    return "" if median is None else f"{median:.1f}"


def main() -> int:
    text = BENCHMARK.read_text(encoding="utf-8")
    if MARKS[0] not in text:
        text = f"{text.rstrip()}\n\n{MARKS[0]}\n{MARKS[1]}\n"
    before, _, rest = text.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    BENCHMARK.write_text(f"{before}{MARKS[0]}\n{section()}\n{MARKS[1]}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
