"""`bench.h200` with the real trainer: the tiny model on the CPU, through the service's own path from recipe to row."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import ROOT, TRAINER_PYTHON

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]
STEP_TOKENS = 4 * 128


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The rows of a LoRA and of a full training of three counted steps, by their ids."""
    folder = tmp_path_factory.mktemp("bench")
    out = folder / "rows.csv"
    measure(out, folder / "work")
    return {row["id"]: row for row in read(out)}


def measure(out: Path, work: Path) -> str:
    """Run the benchmark to its end; returns what it printed."""
    wanted = ["--cpu", "--cases", "lora,full", "--steps", "3", "--out", str(out), "--work", str(work)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bench.h200", *wanted]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_case_is_a_row_with_a_speed_and_the_memory_of_the_process(rows: dict[str, dict[str, str]]) -> None:
    assert set(rows) == {"cpu-tiny-lora-s128-b4-nogc", "cpu-tiny-full-s128-b4-nogc"}
    for row in rows.values():
        assert row["status"] == "ok"
        assert float(row["tokens_per_s_per_gpu"]) > 0
        assert 0.1 < float(row["peak_mem_gib"]) < 16
        assert row["gpu"] == "CPU"


def test_every_step_trained_exactly_the_tokens_of_its_rows(rows: dict[str, dict[str, str]]) -> None:
    """A step with any other number of tokens would have made the row `wrong_tokens`."""
    for row in rows.values():
        assert (int(row["step_tokens"]), int(row["steps"])) == (STEP_TOKENS, 3)
        assert float(row["tokens_per_s_per_gpu"]) == pytest.approx(STEP_TOKENS / float(row["raw_speed"]), rel=1e-3)


def test_what_surrounds_the_steps_is_measured_too(rows: dict[str, dict[str, str]]) -> None:
    for row in rows.values():
        for name in ("startup_s", "load_s", "save_s", "final_save_s", "first_step_s"):
            assert float(row[name]) > 0, name
        assert float(row["startup_s"]) < float(row["wall_s"])
    saved = {name: float(row["save_gib"]) for name, row in rows.items()}
    # A checkpoint of all weights and their moments against one of an adapter's.
    assert saved["cpu-tiny-full-s128-b4-nogc"] > 3 * saved["cpu-tiny-lora-s128-b4-nogc"]


def test_the_libraries_that_trained_are_in_the_row(rows: dict[str, dict[str, str]]) -> None:
    for row in rows.values():
        assert all(row[name] for name in ("torch", "transformers", "axolotl", "peft", "date"))


def test_a_second_call_measures_nothing_again(rows: dict[str, dict[str, str]], tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    with out.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(next(iter(rows.values()))))
        writer.writeheader()
        writer.writerows(rows.values())
    before = out.read_bytes()
    measure(out, tmp_path / "work")
    assert out.read_bytes() == before
