"""The node's promises, kept by the real trainer on a tiny model: each test runs Axolotl under the supervisor."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import LORA, STRATEGY_A, TRAINER_PYTHON, NodeJob, make_job, run_trainer_script, write_config, write_rows

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]
ENDLESS = 100_000


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node-model")
    run_trainer_script(str(Path(__file__).with_name("node_tiny_model.py")), str(folder))
    return folder


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.jsonl")


def train(job: NodeJob, model: Path, **keys: Any) -> NodeJob:
    write_config(job, model, **keys)
    return job.start()


def loads_as_adapter(model: Path, adapter: str) -> bool:
    code = (
        "import sys, torch; from peft import PeftModel; from transformers import AutoModelForCausalLM as M;"
        "m = PeftModel.from_pretrained(M.from_pretrained(sys.argv[1]), sys.argv[2]);"
        "print(sum(p.abs().sum().item() for n, p in m.named_parameters() if 'lora_B' in n) > 0)"
    )
    return run_trainer_script("-c", code, str(model), adapter).strip().endswith("True")


def task(**changes: Any) -> dict[str, Any]:
    return {
        "launcher": "python",
        "processes": 1,
        "resume_from": None,
        "pilot_steps": 6,
        "save_seconds": 1,
        **changes,
    }


def test_strategy_a_stops_at_its_soft_deadline_with_a_loadable_checkpoint_and_resumes(
    tmp_path: Path, rows: Path, model: Path
) -> None:
    first = train(make_job(tmp_path / "first", rows), model, **STRATEGY_A, max_steps=ENDLESS, save_steps=ENDLESS)
    first.wait_for("step", 8)
    soft = time.time()  # noqa: TID251
    first.order(soft_deadline=soft, hard_deadline=soft + 60)
    verdict = first.finish()
    print(f"soft deadline to last process gone: {verdict['ended_at'] - soft:.2f} s")

    assert verdict["cause"] == "soft_deadline"
    assert verdict["exit_code"] == 0
    assert verdict["intended_steps"] == ENDLESS
    assert verdict["checkpoint"].endswith(f"checkpoint-{verdict['last_step']}")
    assert loads_as_adapter(model, verdict["result"])

    second = make_job(tmp_path / "second", rows, attempt=2, train=task(resume_from="latest"))
    train(second, model, **STRATEGY_A, max_steps=verdict["last_step"] + 4)
    resumed = second.finish()
    assert resumed["cause"] == "completed"
    assert second.events("begin")[0]["step"] == verdict["last_step"]
    assert [event["step"] for event in second.events("step")] == [verdict["last_step"] + n for n in (1, 2, 3, 4)]
    assert second.events("step")[0]["tokens"] > first.events("step")[-1]["tokens"]
    assert loads_as_adapter(model, resumed["result"])


def test_the_pilot_shortens_the_run_to_its_deadline_and_anneals_the_learning_rate(
    tmp_path: Path, rows: Path, model: Path
) -> None:
    job = train(make_job(tmp_path / "job", rows), model, **STRATEGY_A, max_steps=ENDLESS, save_steps=ENDLESS)
    job.wait_for("begin")
    soft = time.time() + 12  # noqa: TID251
    job.order(soft_deadline=soft, hard_deadline=soft + 60)
    verdict = job.finish()

    assert job.events("sized")[0]["reason"] in {"pilot", "deadlines_moved"}
    assert verdict["cause"] == "completed"
    assert verdict["last_step"] == verdict["max_steps"] < ENDLESS
    assert job.events("step")[-1]["at"] < soft
    rates = [event["learning_rate"] for event in job.events("step")]
    assert rates[-1] < 0.05 * max(rates)
    assert max(rates) == pytest.approx(2e-4, rel=0.05)


def test_the_pace_is_measured_again_after_sixty_steps_and_every_step_tells_its_peak_memory(
    tmp_path: Path, rows: Path, model: Path
) -> None:
    job = train(make_job(tmp_path / "job", rows), model, **LORA, max_steps=64, save_steps=20)
    assert job.finish()["cause"] == "completed"

    assert [(event["step"], event["reason"]) for event in job.events("sized")] == [(6, "pilot"), (60, "pilot")]
    steps = job.events("step")
    elapsed = [step["elapsed_seconds"] for step in steps[:60]]
    settled = [after - before for before, after in itertools.pairwise(elapsed)]
    early, late = job.events("sized")
    assert min(settled) < late["seconds_per_step"] < max(settled)
    print(f"six steps: {early['seconds_per_step']:.4f} s, sixty: {late['seconds_per_step']:.4f} s")
    peaks = [event["process_resident_peak_bytes"] for event in steps]
    assert 100_000_000 < min(peaks) <= max(peaks) < 10_000_000_000
    # The kernel counts pages in batches, so a peak can seem to fall by a few of them.
    assert peaks[-1] > 0.99 * max(peaks)
    assert not any("device_reserved_peak_bytes" in event for event in steps), "a CPU has no device's memory to tell of"


def test_a_stopped_trainer_is_killed_at_the_hard_deadline_and_its_last_checkpoint_stands(
    tmp_path: Path, rows: Path, model: Path
) -> None:
    job = train(make_job(tmp_path / "job", rows), model, **STRATEGY_A, max_steps=ENDLESS, save_steps=5)
    job.wait_for("checkpoint")
    os.kill(job.events("begin")[0]["pid"], signal.SIGSTOP)
    frozen_at = job.events("checkpoint")[-1]["step"]
    hard = time.time() + 3.5  # noqa: TID251
    job.order(soft_deadline=hard - 3, hard_deadline=hard)
    verdict = job.finish()

    assert verdict["cause"] == "hard_deadline"
    assert verdict["exit_code"] == -signal.SIGKILL
    print(f"hard deadline to last process gone: {verdict['ended_at'] - hard:.2f} s")
    assert 0 <= verdict["ended_at"] - hard < 3.0
    assert verdict["checkpoint"].endswith(f"checkpoint-{frozen_at}")
    assert loads_as_adapter(model, verdict["result"])


def test_a_supervisor_killed_outright_takes_every_rank_with_it(tmp_path: Path, rows: Path, model: Path) -> None:
    job = make_job(tmp_path / "job", rows, train=task(launcher="torchrun", processes=2))
    train(job, model, **LORA, max_steps=ENDLESS, ddp_find_unused_parameters=False)
    job.wait_for("step", 2)
    assert len(job.left_running()) >= 4  # supervisor, torchrun, two ranks
    assert job.process is not None
    job.process.kill()
    job.process.wait()
    give_up_at = time.monotonic() + 10
    while job.left_running() and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert job.left_running() == []


def test_two_ranks_stop_together_at_a_stop_request(tmp_path: Path, rows: Path, model: Path) -> None:
    job = make_job(tmp_path / "job", rows, train=task(launcher="torchrun", processes=2))
    train(job, model, **LORA, max_steps=ENDLESS, ddp_find_unused_parameters=False)
    job.wait_for("step", 3)
    job.order(stop=True)
    verdict = job.finish()

    assert verdict["cause"] == "stop_requested"
    assert job.events("begin")[0]["world_size"] == 2
    assert all(event["process_resident_peak_bytes"] > 100_000_000 for event in job.events("step"))
    assert len(job.events("end")) == 1
    assert json.loads((Path(verdict["checkpoint"]) / "latticeforge_checkpoint.json").read_text())["tokens"] > 0


def test_sigterm_to_the_supervisor_saves_before_it_ends(tmp_path: Path, rows: Path, model: Path) -> None:
    job = train(make_job(tmp_path / "job", rows), model, **LORA, max_steps=ENDLESS, save_steps=ENDLESS)
    job.wait_for("step", 2)
    assert job.process is not None
    job.process.terminate()
    verdict = job.finish()
    assert verdict["cause"] == "signal"
    assert verdict["checkpoint"] is not None


def test_a_deadline_that_passes_during_start_up_still_yields_one_saved_step(
    tmp_path: Path, rows: Path, model: Path
) -> None:
    job = train(make_job(tmp_path / "job", rows, soft=1.0, hard=120.0), model, **LORA, max_steps=ENDLESS)
    verdict = job.finish()
    assert verdict["cause"] == "soft_deadline"
    assert verdict["last_step"] == 1
    assert verdict["checkpoint"].endswith("checkpoint-1")


def test_a_trainer_that_refuses_its_config_fails_with_its_last_words(tmp_path: Path, rows: Path, model: Path) -> None:
    job = train(make_job(tmp_path / "job", rows), model, **LORA, optimizer="no_such_optimizer")
    verdict = job.finish()
    assert verdict["cause"] == "failed"
    assert verdict["exit_code"] == 1
    assert "no_such_optimizer" in verdict["message"]
    assert verdict["result"] is None
