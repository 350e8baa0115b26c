"""A measured case as a row of CSV: the columns that `bench.rows` reads, and behind them what only we measured."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.gpu_cases import RECIPE_GAP, WARMUP_STEPS, Case
from bench.gpu_job import Job, Outcome

SHARED = (
    "id", "source", "source_path", "commit", "framework", "model", "method", "gpu", "n_gpus", "precision", "seq_len",
    "seq_len_kind", "micro_batch", "grad_accum", "global_batch", "tp", "pp", "cp", "dp_shard", "gc", "flash", "lora_r",
    "lora_targets", "optimizer", "tokens_per_s_per_gpu", "raw_speed", "raw_speed_unit", "peak_mem_gib", "mem_kind",
    "model_tflops_per_gpu", "notes",
)  # fmt: skip
OURS = (
    "status", "date", "gpu_name", "driver", "torch", "transformers", "axolotl", "peft", "step_tokens", "steps",
    "step_s_spread", "first_step_s", "startup_s", "load_s", "refresh_s", "save_s", "save_gib", "final_save_s",
    "merge_s", "merge_host_gib", "peak_allocated_gib", "load_peak_gib", "device_used_gib", "host_peak_gib", "wall_s",
    "message",
)  # fmt: skip
"""Seconds end in `_s`. `status` is ok, oom, timeout, wrong_tokens or failed; only an ok row has a speed."""
COLUMNS = (*SHARED, *OURS)
OUT_OF_MEMORY = ("OutOfMemoryError", "CUDA out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
LEAST_COUNTED = 3
ENOUGH = "ok"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured. `gpu` is the short name ("CPU" where there is none), `gpu_name` the driver's own."""

    gpu: str
    gpu_name: str
    driver: str
    devices: int
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """The steps after the warm-up. `seconds` is the median of those in which GaLore projects with what it has, and
    `refresh` what the others take longer (None without any)."""

    tokens: int
    counted: int
    seconds: float
    spread: float
    first: float
    refresh: float | None


def pace(case: Case, job: Job) -> Pace | None:
    """From the journal's step lines; None when too few steps were taken.

    Raises ValueError when a step had other than the case's tokens: then the rows were not what they should be.
    """
    steps = job.named("step")
    if len(steps) < WARMUP_STEPS + LEAST_COUNTED:
        return None
    totals = [0, *(int(step["tokens"]) for step in steps)]
    for number, (before, after) in enumerate(pairwise(totals), start=1):
        if after - before != case.step_tokens:
            raise ValueError(f"step {number} had {after - before} tokens, not {case.step_tokens}")
    seconds = {int(step["step"]): case.step_tokens / step["tokens_per_second"] for step in steps}
    counted = [each for step, each in seconds.items() if step > WARMUP_STEPS and not case.refreshes(step)]
    if not counted:
        return None
    middle = statistics.median(counted)
    low, _, high = statistics.quantiles(counted, n=4) if len(counted) > 1 else (middle, middle, middle)
    refreshing = [each for step, each in seconds.items() if case.refreshes(step)]
    # The first step also warms up: it counts only where the case is too short for another refresh.
    refresh = statistics.median(refreshing[1:] or refreshing) - middle if refreshing else None
    first = next(iter(seconds.values()))
    return Pace(case.step_tokens, len(counted), middle, (high - low) / middle, first, refresh)


def status_of(job: Job) -> str:
    """How the training ended, in one word. Being stopped by its limit is no failure if enough steps were taken."""
    if job.completed:
        return ENOUGH
    if any(word in job.log for word in OUT_OF_MEMORY):
        return "oom"
    return "timeout" if job.verdict.get("cause") in {"soft_deadline", "hard_deadline"} else "failed"


def row_of(outcome: Outcome, machine: Machine, day: str, source_path: str) -> dict[str, str]:
    """One line for the file; every cell is text, blank where nothing was measured."""
    case, job = outcome.case, outcome.training
    status, message = status_of(job), ""
    measured: Pace | None = None
    try:
        measured = pace(case, job)
    except ValueError as wrong:
        status, message = "wrong_tokens", str(wrong)
    if status == "timeout" and measured is not None:
        status = ENOUGH
    if status == ENOUGH and measured is None:
        status, message = "failed", f"{len(job.named('step'))} steps are too few"
    if status in {"failed", "oom"} and not message:
        message = " ".join(str(job.verdict.get("message", "")).split())[-300:]
    cells: dict[str, object] = {
        **_setup(outcome, machine),
        **_memory(job, machine, known=status == ENOUGH),
        **_times(outcome),
        **({} if measured is None or status != ENOUGH else _speed(case, measured)),
        **_software(job),
        "source_path": source_path,
        "date": day,
        "status": status,
        "message": message,
    }
    return {name: _text(cells.get(name)) for name in COLUMNS}


def append(path: Path, row: Mapping[str, str]) -> None:
    """Add one line, under the names of the columns when the file is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def done(paths: Iterable[Path]) -> set[str]:
    """The ids of the rows that need not be measured again: all but those that failed."""
    found = set[str]()
    for path in paths:
        if path.exists():
            with path.open(encoding="utf-8", newline="") as stream:
                found |= {row["id"] for row in csv.DictReader(stream) if row.get("status") != "failed"}
    return found


def row_id(case: Case, machine: Machine) -> str:
    return f"{machine.gpu.lower()}-{case.id}"


def _setup(outcome: Outcome, machine: Machine) -> dict[str, object]:
    case, recipe = outcome.case, outcome.recipe
    on_gpu = machine.gpu != "CPU"
    method = case.how.written if on_gpu else case.how.written.replace("+quantize", "")
    settings = outcome.training.probes[0].get("settings", {}) if outcome.training.probes else {}
    kernels = [name for name in ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel") if settings.get(name)]
    said = [f"strategy {case.how.strategy}", *kernels]
    if case.how.pairs:
        said.append("orpo: tokens of both sides are counted")
    if case.way == "galore":
        said.append(f"tokens/s at a projection every {RECIPE_GAP} steps, from step and refresh measured apart")
    return {
        "id": row_id(case, machine),
        "source": "latticeforge",
        "commit": machine.commit,
        "framework": "axolotl",
        "model": case.shape.name,
        "method": method,
        "gpu": machine.gpu,
        "n_gpus": case.devices,
        "precision": "bf16" if on_gpu else "fp32",
        "seq_len": case.sequence_len,
        "seq_len_kind": "every row of that length",
        "micro_batch": case.micro_batch,
        "grad_accum": case.accumulation,
        "global_batch": case.micro_batch * case.accumulation * case.devices,
        "gc": "full" if case.checkpointing else "none",
        "flash": recipe.get("attn_implementation"),
        "lora_r": recipe.get("lora_r"),
        "lora_targets": "all" if recipe.get("adapter") else None,
        "optimizer": recipe.get("optimizer"),
        "notes": "; ".join(said),
        "gpu_name": machine.gpu_name,
        "driver": machine.driver,
    }


def _speed(case: Case, measured: Pace) -> dict[str, object]:
    seconds = measured.seconds + (measured.refresh or 0.0) / RECIPE_GAP
    return {
        "tokens_per_s_per_gpu": measured.tokens / seconds / case.devices,
        "raw_speed": measured.seconds,
        "raw_speed_unit": "s/step",
        "step_tokens": measured.tokens,
        "steps": measured.counted,
        "step_s_spread": measured.spread,
        "first_step_s": measured.first,
        "refresh_s": measured.refresh,
    }


def _memory(job: Job, machine: Machine, *, known: bool) -> dict[str, object]:
    """The largest over the ranks. What a training held before it ran out of memory is not its peak, and left blank."""
    host = _largest(job.probes, "host_peak_gib") or job.host_peak_gib
    if machine.gpu == "CPU":
        return {
            "peak_mem_gib": host if known else None,
            "mem_kind": "resident set of the process",
            "host_peak_gib": host,
        }
    return {
        "peak_mem_gib": _largest(job.probes, "peak_reserved_gib") if known else None,
        "mem_kind": "max_memory_reserved (max over GPUs)",
        "peak_allocated_gib": _largest(job.probes, "peak_allocated_gib") if known else None,
        "load_peak_gib": _largest(job.probes, "load_peak_gib"),
        "device_used_gib": _largest(job.probes, "device_used_gib") if known else None,
        "host_peak_gib": host,
    }


def _times(outcome: Outcome) -> dict[str, object]:
    job, begun = outcome.training, outcome.training.named("begin")
    saved, merged = job.named("checkpoint"), outcome.merge.named("merged") if outcome.merge else []
    return {
        "startup_s": begun[0]["at"] - job.started_at if begun else None,
        "load_s": _largest(job.probes, "load_s"),
        "save_s": saved[-1]["seconds"] if saved else None,
        "save_gib": job.saved_bytes / (1 << 30) if saved else None,
        "final_save_s": _largest(job.probes, "final_save_s"),
        "merge_s": merged[0]["seconds"] if merged else None,
        "merge_host_gib": outcome.merge.host_peak_gib if outcome.merge and merged else None,
        "wall_s": job.wall_seconds + (outcome.merge.wall_seconds if outcome.merge else 0.0),
    }


def _software(job: Job) -> dict[str, object]:
    libraries: Mapping[str, Any] = job.probes[0]["libraries"] if job.probes else {}
    return {name: libraries.get(name) for name in ("torch", "transformers", "axolotl", "peft")}


def _largest(probes: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return max((float(each[name]) for each in probes if name in each), default=None)


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)
