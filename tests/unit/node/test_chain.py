"""The chain of ReLoRA's cycles: their order, what is not done again, and how it stops. Training is stood in for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.node.chain.cycles import Chain, ChainError, Course, take_possession
from workers.node.chain.jobs import Node
from workers.node.chain.machine import Machine
from workers.node.chain.recipe import Recipe
from workers.node.clock import SYSTEM_CLOCK, Clock

ROOT = Path(__file__).resolve().parents[3]
DOUBLE = (sys.executable, str(Path(__file__).with_name("chain_double.py")))
RECIPE = Recipe("/models/tiny", "/rows.jsonl", "alpaca", 42, {"adapter": "lora", "lora_r": 64, "lora_alpha": 128})
THREE_CYCLES = [f"{number:02d}-{kind} attempt 1" for number, kind in enumerate(("train", "merge") * 3, 1)]


def course(output: Path, **changes: Any) -> Course:
    output.mkdir(parents=True, exist_ok=True)
    return replace(Course(RECIPE, 3, output, Machine(0, ())), **changes)


def chained(what: Course, said: list[str] | None = None, clock: Clock = SYSTEM_CLOCK) -> Path:
    say = [] if said is None else said
    return Chain(what, Node(what.common(), DOUBLE), clock, say.append).run()


def ran(output: Path) -> list[str]:
    path = output / "ran.txt"
    return path.read_text().splitlines() if path.exists() else []


def job(output: Path, cycle: int, kind: str, attempt: int = 1) -> dict[str, Any]:
    folder = output / f"cycle-{cycle:02d}" / kind / f"attempt-{attempt}"
    document: dict[str, Any] = json.loads((folder / "job.json").read_text())
    return document


def config(output: Path, cycle: int) -> dict[str, Any]:
    path = output / f"cycle-{cycle:02d}" / "train" / "attempt-1" / "config.yaml"
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def test_each_cycle_trains_on_what_the_one_before_has_merged(tmp_path: Path) -> None:
    said: list[str] = []
    assert chained(course(tmp_path), said) == tmp_path / "cycle-03" / "merged"
    assert ran(tmp_path) == THREE_CYCLES
    bases = ["/models/tiny", str(tmp_path / "cycle-01" / "merged"), str(tmp_path / "cycle-02" / "merged")]
    assert [config(tmp_path, cycle)["base_model"] for cycle in (1, 2, 3)] == bases
    assert [job(tmp_path, cycle, "merge")["merge"] for cycle in (1, 2, 3)] == [
        {"base_model": base, "adapter_dir": str(tmp_path / f"cycle-{cycle:02d}" / "output")}
        for cycle, base in enumerate(bases, 1)
    ]
    assert f"cycle 1 of 3: train is done, last loss 2.5000: {tmp_path}/cycle-01/output" in said


def test_each_adapter_begins_in_another_subspace_and_all_share_the_same_rows(tmp_path: Path) -> None:
    chained(course(tmp_path))
    assert [config(tmp_path, cycle)["seed"] for cycle in (1, 2, 3)] == [42, 43, 44]
    jobs = [job(tmp_path, cycle, "train") for cycle in (1, 2, 3)]
    assert {(each["seed"], each["data_dir"]) for each in jobs} == {(42, str(tmp_path / "data"))}
    assert jobs[0]["dataset"]["heldout_rows"] == 0


def test_what_is_finished_is_not_run_again(tmp_path: Path) -> None:
    chained(course(tmp_path))
    said: list[str] = []
    assert chained(course(tmp_path), said) == tmp_path / "cycle-03" / "merged"
    assert ran(tmp_path) == THREE_CYCLES
    assert said == [f"cycle 3 of 3 was done before: {tmp_path}/cycle-03/merged"]


def test_more_iterations_later_make_the_chain_longer(tmp_path: Path) -> None:
    chained(course(tmp_path, iterations=1))
    shutil.rmtree(tmp_path / "cycle-01" / "output")  # only the merged model is needed from here on
    chained(course(tmp_path, iterations=2))
    assert ran(tmp_path) == THREE_CYCLES[:4]


def test_a_failed_job_ends_the_chain_with_its_message_and_is_resumed_by_the_same_command(tmp_path: Path) -> None:
    (tmp_path / "fail-03-train").touch()
    with pytest.raises(ChainError, match=r"cycle 2 of 3: train ended as failed; its log is .*(\n.*)*no memory left"):
        chained(course(tmp_path))
    chained(course(tmp_path))
    assert ran(tmp_path) == [*THREE_CYCLES[:3], "03-train attempt 2", *THREE_CYCLES[3:]]
    assert job(tmp_path, 2, "train", 1)["train"]["resume_from"] is None
    assert job(tmp_path, 2, "train", 2)["train"]["resume_from"] == "latest"


def test_a_merge_without_its_marker_is_made_again_from_the_adapter_that_is_there(tmp_path: Path) -> None:
    chained(course(tmp_path, iterations=1))
    (tmp_path / "cycle-01" / "merged" / "latticeforge_merge.json").unlink()
    chained(course(tmp_path, iterations=1))
    assert ran(tmp_path) == ["01-train attempt 1", "02-merge attempt 1", "02-merge attempt 2"]


def test_a_stop_lets_the_job_save_and_starts_no_other(tmp_path: Path) -> None:
    (tmp_path / "wait-01-train").touch()
    what = course(tmp_path)
    node = Node(what.common(), DOUBLE)
    threading.Timer(0.5, node.stop).start()
    with pytest.raises(ChainError, match="cycle 1 of 3: train was stopped; the same command goes on from there"):
        Chain(what, node, SYSTEM_CLOCK, lambda line: None).run()
    control = tmp_path / "cycle-01" / "train" / "attempt-1" / "control.json"
    assert json.loads(control.read_text()) == {"stop": True}
    chained(what)
    assert ran(tmp_path)[:2] == ["01-train attempt 1", "01-train attempt 2"]


def test_a_chain_that_was_killed_waits_for_the_job_that_still_runs(tmp_path: Path) -> None:
    what = course(tmp_path, iterations=1)
    (tmp_path / "linger-01-train").touch()
    chain = Chain(what, Node(what.common(), DOUBLE), SYSTEM_CLOCK, lambda line: None)
    order = chain._training(1, "/models/tiny")
    attempt = order.folder / "attempt-1"
    Node(what.common(), DOUBLE)._write(order, attempt, 1)
    orphan = subprocess.Popen([*DOUBLE, str(attempt)], env={**os.environ, "PYTHONPATH": str(ROOT)})
    while not (attempt / "supervisor.json").exists() or not (attempt / "supervisor.json").read_text():
        time.sleep(0.02)
    chained(what)
    assert orphan.wait() == 0
    assert ran(tmp_path) == THREE_CYCLES[:2]


def test_a_supervisor_that_left_no_verdict_is_no_success(tmp_path: Path) -> None:
    what = course(tmp_path)
    node = Node(what.common(), (sys.executable, "-c", "pass"))
    with pytest.raises(ChainError, match="ended without a verdict"):
        Chain(what, node, SYSTEM_CLOCK, lambda line: None).run()


def test_hours_are_shared_among_the_cycles_and_leave_time_to_merge(tmp_path: Path) -> None:
    at = Clock(wall=lambda: 1_000_000.0, monotonic=time.monotonic)
    chained(course(tmp_path, hours=1.0), clock=at)
    deadlines = [job(tmp_path, cycle, "train")["hard_deadline"] - 1_000_000 for cycle in (1, 2, 3)]
    # The clock stands: a third of the hour, then half and all of it, less the 30 s that a merge was seen to take.
    assert deadlines == [1200, 1770, 3570]
    first = job(tmp_path, 1, "train")
    assert first["hard_deadline"] - first["soft_deadline"] == first["train"]["save_seconds"]
    assert job(tmp_path, 1, "merge")["hard_deadline"] > 1_000_000 + 3600


def test_without_time_for_a_cycle_none_is_begun(tmp_path: Path) -> None:
    with pytest.raises(ChainError, match="no time is left for cycle 1"):
        chained(course(tmp_path, hours=0.01))
    assert ran(tmp_path) == []


def test_a_folder_belongs_to_one_recipe_and_to_one_chain_at_a_time(tmp_path: Path) -> None:
    with take_possession(course(tmp_path)), pytest.raises(ChainError, match="another chain is at work"):
        take_possession(course(tmp_path))
    take_possession(course(tmp_path, iterations=5)).close()
    other = replace(RECIPE, settings={**RECIPE.settings, "lora_r": 32})
    with pytest.raises(ChainError, match=r"another recipe \(lora_r 64, now 32\); choose another --output"):
        take_possession(course(tmp_path, recipe=other))
