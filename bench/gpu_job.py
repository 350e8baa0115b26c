"""One case as a job of the service: its recipe, rendered and supervised by the service's own code, and what came of it.

The benchmark adds two things to what `AxolotlTrainer` orders: its probe among the plugins, and that checkpoints wait
for the end, which a run of hours has every few minutes and a run of twelve steps would have at every one.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from bench.gpu_cases import Case
from orchestrator.adapters.axolotl.setting import Device
from orchestrator.adapters.axolotl.trainer import AxolotlTrainer
from orchestrator.domain.budget import Allowances, Limit, Window
from orchestrator.domain.ids import RunId, stage_id
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.money import ZERO, Rate
from orchestrator.domain.offers import Offer
from orchestrator.domain.plan import Estimate, Plan, StagePlan
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.run import DatasetRef, Run, RunSpec
from orchestrator.domain.stages import Stage, StageKind, StageSpec
from orchestrator.domain.strategies import Wishes, expand, find_strategy

CHECKOUT = Path(__file__).resolve().parent.parent
PROBE = "bench.gpu_probe.ProbePlugin"
SAVES_VARIABLE = "LATTICEFORGE_BENCH_SAVES"
INSTRUCTION = "Go on."
SEED = 7
ALLOWANCES = Allowances(detect=1, checkpoint=5, teardown=1)
END_SECONDS = 15
"""Between asking a case to stop and ending it."""
_BIRTH = datetime(2026, 1, 1, tzinfo=UTC)
_NOTHING = Estimate(0, 0, 0)


class CaseError(Exception):
    """A case that the service refuses to plan; the message says why."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the work is done: the trainer's Python, a folder of the benchmark's own, the accelerator's name."""

    python: Path
    work: Path
    device: Device
    accelerator: str

    def model(self, case: Case) -> Path:
        """The random-weight model of the case's shape, made when it is first asked for."""
        folder = self.work / "models" / f"{case.model}-{self.device}"
        if folder.exists():
            return folder
        making = folder.with_name(f".{folder.name}")
        making.mkdir(parents=True, exist_ok=True)
        shape = making / "shape.json"
        names = ("layers", "hidden", "ffn", "heads", "kv_heads", "vocab", "tied")
        shape.write_text(json.dumps({name: getattr(case.shape, name) for name in names}), encoding="utf-8")
        command = [str(self.python), "-m", "bench.gpu_inputs", str(shape), str(making), "--device", self.device]
        done = subprocess.run(command, env=_environment({"HF_HUB_OFFLINE": "1"}), capture_output=True, text=True,
                              cwd=CHECKOUT, check=False)  # fmt: skip
        if done.returncode:
            raise CaseError(f"the model could not be made: {done.stderr[-600:]}")
        making.rename(folder)
        return folder


@dataclass(frozen=True, slots=True)
class Job:
    """What a supervised job left: its journal, its verdict, what the probe of each rank saw, the end of its log.

    `host_peak_gib` is the most that one of its processes held of the host's memory.
    """

    events: tuple[dict[str, Any], ...]
    verdict: Mapping[str, Any]
    probes: tuple[dict[str, Any], ...]
    log: str
    started_at: float
    wall_seconds: float
    host_peak_gib: float
    saved_bytes: int = 0

    def named(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["event"] == event]

    @property
    def completed(self) -> bool:
        return self.verdict.get("cause") == "completed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case's training, and its merge where it has one and the training was completed."""

    case: Case
    training: Job
    recipe: Mapping[str, JsonValue]
    merge: Job | None = None
    notes: tuple[str, ...] = field(default=())


def run_case(bench: Bench, case: Case, steps: int, folder: Path, limit_seconds: float) -> Outcome:
    """Train the case for `steps` steps in `folder`, which is to be empty, and merge what it made if that is its way.

    Both together end within `limit_seconds`, the making of a model apart. Raises CaseError when the service refuses the
    recipe.
    """
    model = bench.model(case)
    give_up_at = time.monotonic() + limit_seconds
    rows = steps * case.micro_batch * case.accumulation * case.devices
    source = write_rows(folder / "rows.jsonl", model, case, rows)
    run, notes = planned(bench, case, model, source, rows)
    config, document = ordered(bench, run, run.stages[0])
    save_at = {"plugins": [*config["plugins"], PROBE], "save_steps": steps}
    training = _supervised(bench, run.stages[0], document, {**config, **save_at}, folder, give_up_at, case)
    merge = None
    if case.how.merges and training.completed:
        stages = (replace(run.stages[0], checkpoint=str(folder / run.stages[0].id / "output")), *run.stages[1:])
        _, document = ordered(bench, replace(run, stages=stages), stages[1])
        merge = _supervised(bench, stages[1], document, None, folder, give_up_at, case)
    return Outcome(case, training, config, merge, notes)


def planned(bench: Bench, case: Case, model: Path, rows_at: Path, rows: int) -> tuple[Run, tuple[str, ...]]:
    """A run of the case's strategy on one epoch of the rows, and what the service says of the recipe.

    The stages behind the first training (and its merge) are left out: they would train the same again.
    """
    parameters = {} if case.gap is None else {"update_proj_gap": case.gap}
    stages = expand(find_strategy(case.how.strategy), Wishes(parameters, case.how.techniques))
    wanted = [stage for stage in stages if stage.kind is not StageKind.EVALUATE][: 2 if case.how.merges else 1]
    overrides: dict[str, JsonValue] = {
        "sequence_len": case.sequence_len,
        "micro_batch_size": case.micro_batch,
        "gradient_accumulation_steps": case.accumulation,
        "gradient_checkpointing": case.checkpointing,
        "num_epochs": 1,
    }
    resolution = AxolotlTrainer(bench.device).resolve(wanted[0].recipe, overrides)
    if resolution.problems:
        raise CaseError("; ".join(f"{problem.field}: {problem.message}" for problem in resolution.problems))
    spec = RunSpec(
        strategy=case.how.strategy,
        model=str(model),
        model_parameters=case.shape.parameters,
        model_is_local=True,
        dataset=DatasetRef(str(rows_at), "alpaca_pairs" if case.how.pairs else "completion", rows, 0),
        stages=(replace(wanted[0], recipe=resolution.recipe), *wanted[1:]),
        seed=SEED,
    )
    run = Run(
        RunId("run_benchmark000"),
        spec,
        _BIRTH,
        plan=_plan(bench, case, spec),
        stages=tuple(_stages(spec.stages)),
    )
    return run, resolution.notes


def ordered(bench: Bench, run: Run, stage: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and the job's own sections, as the service orders them of a node."""
    order = AxolotlTrainer(bench.device).order(run, stage)
    return dict(order.config or {}), dict(order.document)


def write_rows(path: Path, model: Path, case: Case, rows: int) -> Path:
    """Rows of random words that are `sequence_len` tokens each, both sides of a pair."""
    facts = json.loads((model / "words.json").read_text(encoding="utf-8"))
    draw = random.Random(SEED)
    place = "around_answer" if case.how.pairs else "around_text"
    number = case.sequence_len - int(facts[place])
    if number < 2:
        raise CaseError(f"{case.id}: {case.sequence_len} tokens have no room for a row")

    def text() -> str:
        return " ".join(draw.choices(facts["words"], k=number))

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        for _ in range(rows):
            row = (
                {"instruction": INSTRUCTION, "input": "", "chosen": text(), "rejected": text()}
                if case.how.pairs
                else {"text": text()}
            )
            stream.write(json.dumps(row) + "\n")
    return path


def _stages(specs: tuple[StageSpec, ...]) -> Iterator[Stage]:
    for ordinal, each in enumerate(specs, start=1):
        yield Stage(stage_id(ordinal, each.kind), each.kind, 0, attempt=1)


def _plan(bench: Bench, case: Case, spec: RunSpec) -> Plan:
    offer = Offer(
        provider="local",
        region="here",
        instance_type="this-machine",
        accelerator=bench.accelerator,
        accelerator_count=case.devices,
        spot=False,
        rate=Rate(1),
        billing_quantum_seconds=1,
        minimum_seconds=1,
        priced_on=date(2026, 1, 1),
        price_source="none: a benchmark pays nobody",
    )
    window = Window(_BIRTH, 3600, ZERO, Limit.BUDGET, ALLOWANCES)
    # The case says how it is cut, and how many steps it has, in its recipe.
    parts = tuple(StagePlan(each.kind, each.title, 3600, 0, _steps(each, spec, case)) for each in spec.stages)
    return Plan(offer, window, parts, _NOTHING, _NOTHING, None, ())


def _steps(stage: StageSpec, spec: RunSpec, case: Case) -> int:
    rows = spec.dataset.train_rows
    assert rows is not None, "a benchmark writes its own rows"
    return TrainingShape.from_recipe(stage.recipe).steps(rows, case.devices) if stage.recipe else 0


def _supervised(
    bench: Bench,
    stage: Stage,
    document: Mapping[str, Any],
    config: Mapping[str, Any] | None,
    folder: Path,
    give_up_at: float,
    case: Case,
) -> Job:
    """Run the job to its verdict under the node's own supervisor."""
    job, output, data = folder / stage.id / "job", folder / stage.id / "output", folder / "data"
    for each in (job, output, data):
        each.mkdir(parents=True, exist_ok=True)
    if config is not None:
        text = yaml.safe_dump(dict(config), sort_keys=False)
        text = text.replace("{data_dir}", str(data)).replace("{output_dir}", str(output))
        (job / "config.yaml").write_text(text, encoding="utf-8")
    started_at = time.time()  # noqa: TID251 - a real deadline for a real machine
    hard = started_at + max(give_up_at - time.monotonic(), END_SECONDS + 5)
    whole = {"version": 2, **document, "run_id": "run_benchmark000", "lease_id": "lf-benchmark", "stage_id": stage.id,
             "kind": stage.kind.value, "attempt": 1, "job_dir": str(job), "output_dir": str(output),
             "data_dir": str(data), "soft_deadline": hard - END_SECONDS, "hard_deadline": hard}  # fmt: skip
    (job / "job.json").write_text(json.dumps(whole), encoding="utf-8")
    marks = {SAVES_VARIABLE: "1" if case.saves else "0", "LATTICEFORGE_LEASE_ID": "lf-benchmark"}
    if bench.device == "cuda":
        marks["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, range(case.devices)))
    command = [str(bench.python), "-m", "workers.node.supervisor", str(job)]
    begun = time.monotonic()
    process = subprocess.Popen(command, env=_environment(marks), cwd=CHECKOUT)
    _, status, usage = os.wait4(process.pid, 0)  # its own, and what it has waited for: the largest of all
    process.returncode = os.waitstatus_to_exitcode(status)
    return _left(job, output, started_at, time.monotonic() - begun, usage.ru_maxrss * 1024 / (1 << 30))


def _left(job: Path, output: Path, started_at: float, wall_seconds: float, host_peak_gib: float) -> Job:
    metrics, log = job / "metrics.jsonl", job / "log.txt"
    lines = metrics.read_text(encoding="utf-8").splitlines() if metrics.exists() else []
    saved = [path for path in output.glob("checkpoint-*/**/*") if path.is_file()]
    return Job(
        events=tuple(json.loads(line) for line in lines if line),
        verdict=json.loads((job / "exit.json").read_text(encoding="utf-8")) if (job / "exit.json").exists() else {},
        probes=tuple(json.loads(path.read_text(encoding="utf-8")) for path in sorted(job.glob("probe-*.json"))),
        log=log.read_text(encoding="utf-8", errors="replace")[-20000:] if log.exists() else "",
        started_at=started_at,
        wall_seconds=wall_seconds,
        host_peak_gib=host_peak_gib,
        saved_bytes=sum(path.stat().st_size for path in saved),
    )


def _environment(marks: Mapping[str, str]) -> dict[str, str]:
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), *([inherited] if inherited else [])]), **marks}
