"""`make bench-strategies`: every strategy on the demonstration's tiny model, for the same simulated dollars.

A run of hours pays a few seconds for starting its trainer and for its checkpoints; a run of seconds would pay more for
that than for training. So a *simulated dollar* here buys time inside training steps and merges, at the service's price
for this machine, and neither start-up nor checkpoints: the same `--seconds` of it for every strategy, sized from its
own measured speed. Runs go side by side, one core each. Every number comes from runs through `POST /runs` of services
that this script starts; nothing is computed beside them. Writes BENCHMARK.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from orchestrator.domain.strategies import STRATEGIES

CHECKOUT = Path(__file__).resolve().parent.parent
WISHES = CHECKOUT / "recipes" / "demonstration.json"
BENCHMARK = CHECKOUT / "BENCHMARK.md"
RESULTS = CHECKOUT / "bench" / "strategies.json"
MARKS = ("<!-- strategies: begin -->", "<!-- strategies: end -->")
DOLLARS_PER_HOUR = 4.0
BASELINE = "lora"
MEASURING_STEPS = 14
PATIENCE_SECONDS = 900.0
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}
"""Two-sided 95 % quantiles of Student's t by the number of seeds."""


@dataclass(frozen=True)
class Result:
    """One run. `seconds` are those inside steps and merges, `dollars` what they cost; `tokens` without padding."""

    strategy: str
    seed: int
    steps: int
    tokens: int
    seconds: float
    dollars: float
    wall_dollars: str
    base_loss: float
    heldout_loss: float
    exact_match: float


class Bench:
    """Runs against one service, one after another."""

    def __init__(self, http: httpx.Client, seconds: float) -> None:
        self._http = http
        self._seconds = seconds
        self._wishes: Mapping[str, dict[str, Any]] = json.loads(WISHES.read_text(encoding="utf-8"))

    def strategy(self, name: str, seeds: Sequence[int]) -> Iterator[Result]:
        """Measure the strategy's speed once, then train it for the same time with every seed."""
        stages = self._trainings(name)
        speeds = self._speeds(name, stages)
        share = self._seconds / len(stages)
        epochs = {number: self._epochs(stage, share / speeds[number - 1]) for number, stage in enumerate(stages, 1)}
        for seed in seeds:
            yield self._result(name, seed, self._finished(self._wish(name, epochs, seed)))

    def _trainings(self, name: str) -> list[dict[str, Any]]:
        quote = self._ask("/quotes", self._wish(name, {}, 1))
        rows = [quote["preferences"] or quote["dataset"], quote["dataset"]]
        found = [stage for stage in quote["stages"] if stage["kind"] == "train"]
        return [{**stage, "rows": rows["orpo" not in stage["techniques"]]["train_rows"]} for stage in found]

    def _speeds(self, name: str, stages: Sequence[dict[str, Any]]) -> list[float]:
        epochs = {number: self._epochs(stage, MEASURING_STEPS) for number, stage in enumerate(stages, 1)}
        run = self._finished(self._wish(name, epochs, 1))
        return [self._mean_step(run["id"], stage["id"]) for stage in run["stages"] if stage["kind"] == "train"]

    def _mean_step(self, run_id: str, stage_id: str) -> float:
        """Seconds per step, the first few left out, and so is the saving of checkpoints."""
        steps = [each["data"] for each in self._metrics(run_id, "step") if each["stage"] == stage_id]
        first, last = steps[4], steps[-1]
        saving = self._saving(run_id, stage_id, first["step"], last["step"])
        return (last["elapsed_seconds"] - first["elapsed_seconds"] - saving) / (last["step"] - first["step"])

    def _saving(self, run_id: str, stage_id: str, after: int, before: int) -> float:
        """Seconds that checkpoints took between the ends of two steps."""
        saved = [each["data"] for each in self._metrics(run_id, "checkpoint") if each["stage"] == stage_id]
        return float(sum(each["seconds"] for each in saved if after <= each["step"] < before))

    @staticmethod
    def _epochs(stage: Mapping[str, Any], steps: float) -> float:
        """The epochs that make so many optimizer steps, at least a handful."""
        recipe = stage["recipe"]
        a_step = recipe["micro_batch_size"] * recipe["gradient_accumulation_steps"]
        return max(math.floor(steps), 8) * stage["cycles"] / math.ceil(stage["rows"] / a_step)

    def _wish(self, name: str, epochs: Mapping[int, float], seed: int) -> dict[str, Any]:
        wish = self._wishes[name]
        own = {number: dict(settings) for number, settings in wish.get("training_overrides", {}).items()}
        for number, wanted in epochs.items():
            own.setdefault(str(number), {})["num_epochs"] = wanted
        return {**wish, "strategy": name, "budget": 50, "seed": seed, "name": f"{name} {seed}",
                "training_overrides": own}  # fmt: skip

    def _result(self, name: str, seed: int, run: Mapping[str, Any]) -> Result:
        assert run["outcome"] == "completed", f"{run['id']}: {run['reason']}"
        trained = [stage["id"] for stage in run["stages"] if stage["kind"] == "train"]
        last = {each["stage"]: each["data"] for each in self._metrics(run["id"], "step")}
        merged = sum(each["data"]["seconds"] for each in self._metrics(run["id"], "merged"))
        seconds = merged + sum(
            last[stage]["elapsed_seconds"] - self._saving(run["id"], stage, 0, last[stage]["step"]) for stage in trained
        )
        found = {each["subject"]: each for stage in run["stages"] for each in stage["results"]}
        return Result(
            strategy=name,
            seed=seed,
            steps=sum(last[stage]["step"] for stage in trained),
            tokens=sum(last[stage]["tokens"] for stage in trained),
            seconds=round(seconds, 2),
            dollars=round(seconds / 3600 * DOLLARS_PER_HOUR, 6),
            wall_dollars=run["budget"]["spent"],
            base_loss=found["base"]["heldout_loss"],
            heldout_loss=found["tuned"]["heldout_loss"],
            exact_match=found["tuned"]["exact_match"],
        )

    def _metrics(self, run_id: str, event: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            page = self._http.get(f"/runs/{run_id}/metrics", params={"event": event, "after": after, "limit": 5000})
            document = page.raise_for_status().json()
            found += document["metrics"]
            if not document["more"]:
                return found
            after = document["next"]

    def _finished(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        run = self._ask("/runs", wish)
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while run["status"] != "ended":
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"{run['id']} does not end")
            time.sleep(0.5)
            run = self._http.get(f"/runs/{run['id']}").raise_for_status().json()
        return run

    def _ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._http.post(path, json=body)
        if answer.is_error:
            raise RuntimeError(f"{path} refused {body}: {answer.text[:1000]}")
        document: dict[str, Any] = answer.json()
        return document


@contextmanager
def service(home: Path, inputs: Path) -> Iterator[httpx.Client]:
    """`latticeforge up` on `home` and a free port, ready to train on the demonstration's `inputs`."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LATTICEFORGE_")},
        "LATTICEFORGE_HOME": str(home),
        "LATTICEFORGE_LOCAL_DOLLARS_PER_DEVICE_HOUR": str(DOLLARS_PER_HOUR),
        "OMP_NUM_THREADS": "1",
    }
    shutil.copytree(inputs, home / "demo")
    process = subprocess.Popen([sys.executable, "-m", "workers.up", "--port", "0"], cwd=CHECKOUT, env=environment)
    try:
        with httpx.Client(base_url=_address(home, process), timeout=60.0, trust_env=False) as http:
            while http.get("/readyz").status_code != 200:
                time.sleep(0.5)
            yield http
    finally:
        process.terminate()
        process.wait(60)


def _address(home: Path, process: subprocess.Popen[bytes]) -> str:
    while True:
        try:
            found = json.loads((home / "service.json").read_text(encoding="utf-8"))
            if found["pid"] == process.pid:
                return str(found["url"])
        except OSError:
            pass
        if process.poll() is not None:
            raise RuntimeError("the service did not start")
        time.sleep(0.2)


def interval(values: Sequence[float], digits: int) -> str:
    """Mean and the half width of its 95 % interval (Student's t)."""
    mean = statistics.fmean(values)
    if len(values) not in T_95:
        return f"{mean:.{digits}f}"
    half = T_95[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def verdict(name: str, results: Mapping[str, Sequence[Result]]) -> str:
    """Whether the strategy's held-out loss differs from the baseline's: the interval of the paired differences."""
    if name == BASELINE or BASELINE not in results:
        return "the baseline"
    base = {each.seed: each.heldout_loss for each in results[BASELINE]}
    differences = [each.heldout_loss - base[each.seed] for each in results[name] if each.seed in base]
    if len(differences) not in T_95:
        return "too few seeds"
    mean = statistics.fmean(differences)
    half = T_95[len(differences)] * statistics.stdev(differences) / math.sqrt(len(differences))
    if abs(mean) <= half:
        return "no difference seen at this scale"
    return "better than LoRA here" if mean < 0 else "worse than LoRA here"


def table(results: Mapping[str, Sequence[Result]], claims: Mapping[str, str], about: Mapping[str, Any]) -> str:
    """The section of BENCHMARK.md."""
    seeds = ", ".join(str(each) for each in about["seeds"])
    paragraph = (
        f"Made by `make bench-strategies` on {about['day']} ({about['machine']}; {about['minutes']} minutes), on the "
        f"demonstration's model and data, seeds {seeds}: {about['seconds']:g} s inside training steps for every "
        f"strategy, which are {about['dollars']} simulated dollars at {DOLLARS_PER_HOUR:g} dollars an hour, sized from "
        "its own measured speed. Start-up and checkpoints are left out, since a run of hours pays next to nothing for "
        "them (`bench/strategies.py`). The seconds below add what merges took, at this scale little but the start of a "
        "process. Mean ± half of the 95 % interval over the seeds. The base model has a held-out loss of "
        f"{about['base_loss']:.2f} and no exact match. Learning rates are those of `recipes/demonstration.json`, "
        "picked once for each strategy."
    )
    lines = [
        textwrap.fill(paragraph, 118),
        "",
        "| strategy | steps | tokens | seconds | held-out loss | exact match, % | seen here | the book's claim |",
        "|---|---:|---:|---:|---:|---:|---|---|",
    ]
    for name, runs in results.items():
        match = interval([100 * each.exact_match for each in runs], 1)
        lines.append(
            f"| `{name}` | {statistics.fmean(each.steps for each in runs):.0f} "
            f"| {statistics.fmean(each.tokens for each in runs):,.0f} "
            f"| {interval([each.seconds for each in runs], 1)} "
            f"| {interval([each.heldout_loss for each in runs], 4)} | {match} "
            f"| {verdict(name, results)} | {claims[name]} |"
        )
    return "\n".join(lines)


def write(section: str) -> None:
    """Put the section between its marks in BENCHMARK.md."""
    text = BENCHMARK.read_text(encoding="utf-8") if BENCHMARK.exists() else f"# Benchmarks\n\n{MARKS[0]}\n{MARKS[1]}\n"
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    BENCHMARK.write_text(f"{before}{MARKS[0]}\n{section}\n{MARKS[1]}{after}", encoding="utf-8")


class Report:
    """The results so far; written after every strategy, so that a bench that is cut short shows what it has."""

    def __init__(self, seconds: float, seeds: Sequence[int], order: Sequence[str]) -> None:
        self.seconds = seconds
        self.seeds = seeds
        self._order = order
        self._results: dict[str, list[Result]] = {}
        self._begun = time.monotonic()
        self._lock = threading.Lock()

    def add(self, name: str, runs: list[Result], claims: Mapping[str, str]) -> None:
        """Take in a strategy's runs and write everything anew."""
        with self._lock:
            self._results[name] = runs
            results = {each: self._results[each] for each in self._order if each in self._results}
            about = {
                "day": datetime.now(UTC).date().isoformat(),  # noqa: TID251 - a report says when it was made
                "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, no GPU",
                "minutes": round((time.monotonic() - self._begun) / 60),
                "seconds": self.seconds,
                "dollars": f"{self.seconds / 3600 * DOLLARS_PER_HOUR:.4f}",
                "seeds": list(self.seeds),
                "base_loss": runs[0].base_loss,
            }
            write(table(results, claims, about))
            kept = {"about": about, "results": [asdict(each) for held in results.values() for each in held]}
            RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def work(home: Path, inputs: Path, waiting: queue.SimpleQueue[str], report: Report) -> None:
    """Take one strategy after another, on a service of one's own, until none waits."""
    home.mkdir()
    with service(home, inputs) as http:
        claims = {each["key"]: each["claim"] for each in http.get("/strategies").json()["strategies"]}
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            runs = []
            for result in Bench(http, report.seconds).strategy(name, report.seeds):
                runs.append(result)
                print(json.dumps(asdict(result)), flush=True)
            report.add(name, runs, claims)


def render() -> None:
    """BENCHMARK.md from `bench/strategies.json`, without a run."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    results: dict[str, list[Result]] = {}
    for each in kept["results"]:
        results.setdefault(each["strategy"], []).append(Result(**each))
    order = [BASELINE, *(name for name in results if name != BASELINE)]
    claims = {strategy.key: strategy.claim for strategy in STRATEGIES}
    write(table({name: results[name] for name in order}, claims, kept["about"]))


def main(words: Sequence[str] | None = None) -> int:
    """Run it all."""
    known = json.loads(WISHES.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(prog="python -m bench.strategies", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of training, for every run (default %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 17, 27])
    parser.add_argument("--strategies", nargs="+", default=[BASELINE, *(name for name in known if name != BASELINE)])
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side, one core each (default %(default)s)")
    parser.add_argument("--render", action="store_true", help="write BENCHMARK.md anew from the results that are kept")
    asked = parser.parse_args(words)
    if asked.render:
        render()
        return 0
    report = Report(asked.seconds, asked.seeds, asked.strategies)
    waiting = queue.SimpleQueue[str]()
    for name in asked.strategies:
        waiting.put(name)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "demo"
        maker = [str(CHECKOUT / ".trainer" / "bin" / "python"), "-m", "workers.node.demonstration"]
        subprocess.run([*maker, "--out", str(inputs)], cwd=CHECKOUT, check=True)
        with ThreadPoolExecutor(asked.jobs) as pool:
            homes = [Path(folder) / f"home-{number}" for number in range(asked.jobs)]
            for done in [pool.submit(work, home, inputs, waiting, report) for home in homes]:
                done.result()
    return 0


if __name__ == "__main__":
    sys.exit(main())
