"""From what a job left to a row: medians after the warm-up, exact tokens, and words for what went wrong."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from bench import row_words
from bench.gpu_cases import CASES, Case
from bench.gpu_job import Job, Outcome
from bench.gpu_rows import COLUMNS, OURS, SHARED, Machine, append, done, pace, row_id, row_of, status_of
from orchestrator.domain.cost.setup import Method

H200 = Machine("H200", "NVIDIA H200", "580.1", 1, "abc")
PROBE: dict[str, Any] = {
    "libraries": {"torch": "2.13.0", "transformers": "5.16.1", "axolotl": "0.19.0", "peft": "0.20.0"},
    "settings": {"lora_mlp_kernel": True},
    "load_s": 9.5,
    "peak_reserved_gib": 40.0,
    "peak_allocated_gib": 38.0,
    "host_peak_gib": 5.0,
}
MERGED = {"event": "merged", "at": 1.0, "seconds": 77.0}


def job(case: Case, seconds: list[float], cause: str = "completed", log: str = "", **changes: Any) -> Job:
    """A job whose steps took `seconds`, each with the case's tokens."""
    steps = [
        {"event": "step", "at": 100.0 + number, "step": number, "tokens": number * case.step_tokens,
         "tokens_per_second": case.step_tokens / each}
        for number, each in enumerate(seconds, start=1)
    ]  # fmt: skip
    facts: dict[str, Any] = {
        "events": ({"event": "begin", "at": 1030.0}, *steps),
        "verdict": {"cause": cause, "message": "the last line"},
        "probes": (PROBE,),
        "log": log,
        "started_at": 1000.0,
        "wall_seconds": 60.0,
        "host_peak_gib": 6.0,
    }
    return Job(**{**facts, **changes})


def row(case: Case, training: Job, merge: Job | None = None, machine: Machine = H200) -> dict[str, str]:
    recipe = {"lora_r": 16, "adapter": "lora", "optimizer": "adamw_torch", "attn_implementation": "sdpa"}
    return row_of(Outcome(case, training, recipe, merge), machine, "2026-11-24", "bench/measured/h200.csv")


LORA = Case("8b", "lora")


def test_speed_is_the_median_of_the_steps_after_the_warm_up() -> None:
    measured = row(LORA, job(LORA, [9.0, 3.0, 1.0, 2.0, 1.0, 1.0]))
    assert measured["status"] == "ok"
    assert float(measured["tokens_per_s_per_gpu"]) == LORA.step_tokens
    assert (measured["raw_speed"], measured["steps"], measured["first_step_s"]) == ("1", "4", "9")


def test_tokens_per_second_are_those_of_one_gpu() -> None:
    case = Case("8b", "lora", devices=4)
    assert float(row(case, job(case, [1.0] * 6))["tokens_per_s_per_gpu"]) == case.step_tokens / 4


def test_a_refresh_is_what_its_steps_take_longer_and_is_spread_over_the_recipes_gap() -> None:
    case = Case("1b", "galore", gap=5)
    seconds = [30.0, 1.0, 1.0, 1.0, 1.0, 21.0, 1.0, 1.0, 1.0, 1.0, 21.0, 1.0]
    found = pace(case, job(case, seconds))
    assert found is not None
    assert (found.refresh, found.seconds, found.counted) == (20.0, 1.0, 8)
    assert float(row(case, job(case, seconds))["tokens_per_s_per_gpu"]) == pytest.approx(
        case.step_tokens / (1 + 20 / 200), rel=1e-4
    )


def test_rows_of_other_tokens_than_the_cases_give_no_speed() -> None:
    training = job(LORA, [1.0] * 6)
    training.events[3]["tokens"] -= 7
    measured = row(LORA, training)
    assert measured["status"] == "wrong_tokens"
    assert "8185 tokens, not 8192" in measured["message"]
    assert measured["tokens_per_s_per_gpu"] == measured["peak_mem_gib"] == ""


@pytest.mark.parametrize(
    "line", ["torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", "CUDA out of memory"]
)
def test_running_out_of_memory_is_a_result(line: str) -> None:
    measured = row(LORA, job(LORA, [1.0] * 6, "failed", f"Traceback\n{line}\n"))
    assert measured["status"] == "oom"
    assert measured["tokens_per_s_per_gpu"] == measured["peak_mem_gib"] == ""


def test_a_case_that_its_limit_ended_early_counts_if_it_had_steps_enough() -> None:
    assert row(LORA, job(LORA, [1.0] * 5, "soft_deadline"))["status"] == "ok"
    assert row(LORA, job(LORA, [1.0] * 4, "soft_deadline"))["status"] == "timeout"
    assert row(LORA, job(LORA, [], "hard_deadline"))["status"] == "timeout"


def test_another_end_is_a_failure_with_its_message() -> None:
    measured = row(LORA, job(LORA, [1.0] * 6, "failed"))
    assert (measured["status"], measured["message"]) == ("failed", "the last line")
    assert status_of(job(LORA, [], verdict={})) == "failed"


def test_a_merge_is_seconds_and_host_memory_and_no_gpu_memory() -> None:
    case = Case("8b", "relora", saves=True)
    merge = job(case, [], events=(MERGED,), host_peak_gib=18.0)
    measured = row(case, job(case, [1.0] * 6), merge)
    assert (measured["merge_s"], measured["merge_host_gib"], measured["peak_mem_gib"]) == ("77", "18", "40")


def test_the_peak_is_that_of_the_rank_with_the_most() -> None:
    training = job(LORA, [1.0] * 6, probes=(PROBE, {**PROBE, "peak_reserved_gib": 41.5}))
    assert row(LORA, training)["peak_mem_gib"] == "41.5"


def test_a_row_says_when_where_and_with_what_it_was_measured() -> None:
    measured = row(LORA, job(LORA, [1.0] * 6))
    assert (measured["date"], measured["gpu"], measured["gpu_name"], measured["driver"]) == (
        "2026-11-24", "H200", "NVIDIA H200", "580.1")  # fmt: skip
    assert (measured["torch"], measured["axolotl"], measured["startup_s"]) == ("2.13.0", "0.19.0", "30")
    assert tuple(measured) == COLUMNS == (*SHARED, *OURS)


@pytest.mark.parametrize("case", [case for case in CASES if case.model == "8b"], ids=lambda case: case.id)
def test_the_readers_of_rows_understand_each_way(case: Case) -> None:
    measured = row(case, job(case, [1.0] * 12))
    said = f"{measured['method']} {measured['notes']} {measured['seq_len_kind']}".lower()
    wanted = {"qlora": Method.QLORA, "full": Method.FULL, "galore": Method.GALORE}.get(case.way, Method.LORA)
    assert row_words.unmodelled(measured["method"]) is None
    assert row_words.method_of(measured["method"]) is wanted
    assert ("dora" in said, "orpo" in said) == (case.way.startswith("dora"), case.way == "orpo")
    assert "pack" not in said
    assert "dropout" not in said
    checkpointing = row_words.checkpointing_of(measured["gc"], "axolotl")
    assert checkpointing is not None
    assert (checkpointing.value == "full") is case.checkpointing
    assert row_words.gpu_of(measured["gpu"]) is row_words.GPUS["H200"]


def test_what_was_measured_on_a_cpu_is_no_accelerators() -> None:
    measured = row(
        Case("tiny", "lora", 128), job(Case("tiny", "lora", 128), [1.0] * 6), machine=Machine("CPU", "CPU", "", 1)
    )
    assert row_words.gpu_of(measured["gpu"]) is None
    assert (measured["mem_kind"], measured["peak_mem_gib"]) == ("resident set of the process", "5")


def test_what_is_in_the_file_is_not_measured_again_unless_it_failed(tmp_path: Path) -> None:
    path = tmp_path / "measured" / "h200.csv"
    assert done([path]) == set()
    full = Case("8b", "full")
    append(path, row(LORA, job(LORA, [1.0] * 6)))
    append(path, row(full, job(full, [1.0] * 6, "failed", "CUDA out of memory")))
    append(path, row(Case("1b", "lora"), job(Case("1b", "lora"), [], "failed")))
    assert done([path]) == {row_id(LORA, H200), row_id(full, H200)}
    with path.open(newline="") as stream:
        assert [line["status"] for line in csv.DictReader(stream)] == ["ok", "oom", "failed"]
