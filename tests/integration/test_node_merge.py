"""Merges by the real supervisor: exactly once, true to the adapted model, and never half there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import TRAINER_PYTHON, NodeJob, make_job, run_trainer_script, write_rows

from workers.node.merge import read_marker

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]
MARKER = "latticeforge_merge.json"


@dataclass(frozen=True)
class Merges:
    """Folders `base`, `lora` and others, and what came of merging them, by `base + adapter`."""

    folder: Path
    outcomes: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def merges(tmp_path_factory: pytest.TempPathFactory) -> Merges:
    folder = tmp_path_factory.mktemp("merge-models")
    printed = run_trainer_script(str(Path(__file__).with_name("node_merge_models.py")), str(folder))
    return Merges(folder, json.loads(printed.splitlines()[-1]))


@pytest.fixture(scope="module")
def models(merges: Merges) -> Path:
    return merges.folder


def merge_job(folder: Path, base: Path, adapter: Path, output: Path | None = None) -> NodeJob:
    rows = write_rows(base / ".." / "rows.jsonl")
    sections: dict[str, Any] = {"merge": {"base_model": str(base), "adapter_dir": str(adapter)}}
    if output is not None:
        sections["output_dir"] = str(output)
    return make_job(folder, rows, kind="merge", train=None, **sections)


@pytest.mark.parametrize(
    ("name", "tolerance", "changed"),
    [
        ("base + lora", 5e-6, 6),
        ("base + dora_rslora", 5e-6, 6),
        ("base + modules_to_save", 5e-6, 7),
        ("tied + embeddings", 5e-6, 3),
        # Against the adapted model in float32: what is left is the rounding of the stored weights to bfloat16.
        ("base16 + dora_rslora", 5e-3, 6),
    ],
)
def test_a_merged_model_answers_as_the_adapted_one_does(
    merges: Merges, name: str, tolerance: float, changed: int
) -> None:
    seen = merges.outcomes[name]
    print(f"{name}: logits differ by {seen['difference']:.1e} at most, from the base by {seen['effect']:.2f}")
    assert seen["difference"] <= tolerance < 0.1 * seen["effect"]
    assert seen["dtypes"] == seen["base_dtypes"]
    assert seen["changed_tensors"] == changed
    assert seen["chat_template"]
    assert seen["base_untouched"]


def test_merging_in_16_bit_is_rounded_once_and_not_on_the_way(merges: Merges) -> None:
    assert merges.outcomes["base16 + dora_rslora"]["rounded"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("base + nan", "not finite"),
        ("base + wider", "does not fit the base"),
        ("base + stranger", "does not fit the base: no match for"),
        ("base + base", "holds no adapter"),
        ("base-lora/merged + lora", "already contains this adapter"),
    ],
)
def test_a_merge_that_must_not_be_made_is_refused_and_leaves_no_model(merges: Merges, name: str, words: str) -> None:
    assert words in merges.outcomes[name]["error"]
    assert not merges.outcomes[name]["left"]


def test_a_merge_job_reports_what_it_made(tmp_path: Path, models: Path) -> None:
    job = merge_job(tmp_path / "job", models / "base", models / "lora").start()
    verdict = job.finish()
    assert verdict["cause"] == "completed", verdict["message"]
    assert verdict["result"] == str(tmp_path / "output" / "merged")
    assert (verdict["checkpoint"], verdict["max_steps"]) == (None, None)
    assert not (tmp_path / "data").exists()
    marker = json.loads((tmp_path / "output" / "merged" / MARKER).read_text())
    (merged,) = job.events("merged")
    shared = set(merged) & set(marker) - {"at"}
    assert {"base_sha256", "adapter_sha256", "result_sha256", "changed_tensors", "seconds"} == shared
    assert {key: merged[key] for key in shared} == {key: marker[key] for key in shared}


def test_a_failed_merge_says_why_in_its_verdict(tmp_path: Path, models: Path) -> None:
    verdict = merge_job(tmp_path / "job", models / "base", models / "stranger").start().finish()
    assert (verdict["cause"], verdict["result"]) == ("failed", None)
    assert "does not fit the base" in verdict["message"]


@pytest.fixture
def made(tmp_path: Path, models: Path) -> Path:
    """A copy of what a merge of `base` and `lora` has made."""
    shutil.copytree(models / "base-lora", tmp_path / "output")
    return tmp_path / "output" / "merged"


def test_a_second_merge_of_the_same_two_does_nothing(tmp_path: Path, models: Path, made: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.iterdir()}
    job = merge_job(tmp_path / "job", models / "base", models / "lora").start()
    assert job.finish()["result"] == str(made)
    assert {path: path.stat().st_mtime_ns for path in made.iterdir()} == before
    assert job.events("merged")[0]["result_sha256"] == json.loads((made / MARKER).read_text())["result_sha256"]


def test_a_merged_model_that_was_altered_is_made_again(tmp_path: Path, models: Path, made: Path) -> None:
    weights = made / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert merge_job(tmp_path / "job", models / "base", models / "lora").start().finish()["cause"] == "completed"
    assert weights.read_bytes() == whole


def test_a_merged_model_gives_way_to_that_of_another_adapter(tmp_path: Path, models: Path, made: Path) -> None:
    before = json.loads((made / MARKER).read_text())
    job = merge_job(tmp_path / "job", models / "base", models / "dora_rslora").start()
    assert job.finish()["cause"] == "completed"
    assert job.events("merged")[0]["result_sha256"] != before["result_sha256"]
    assert [path.name for path in made.parent.iterdir()] == ["merged"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_merge_never_writes_into_its_base(tmp_path: Path, models: Path) -> None:
    base = tmp_path / "output" / "merged"
    shutil.copytree(models / "base", base)
    before = contents(base)
    verdict = merge_job(tmp_path / "job", base, models / "lora").start().finish()
    assert verdict["cause"] == "failed"
    assert "written into its base" in verdict["message"]
    assert contents(base) == before


def test_a_merge_killed_at_any_point_leaves_nothing_that_looks_complete(tmp_path: Path, models: Path) -> None:
    merged = tmp_path / "output" / "merged"
    for file in ("model.safetensors", "tokenizer.json", MARKER):
        job = merge_job(tmp_path / file / "job", models / "base", models / "lora", tmp_path / "output").start()
        kill_when(job, lambda made=tmp_path / "output" / ".merged.making" / file: made.exists())
        # After its marker a model is whole, and may have been renamed in the last moment; before it, it may not.
        assert not merged.exists() or (file == MARKER and read_marker(merged))
    shutil.rmtree(merged, ignore_errors=True)
    again = merge_job(tmp_path / "again" / "job", models / "base", models / "lora", tmp_path / "output").start()
    assert again.finish()["cause"] == "completed"
    assert read_marker(merged)
    assert [path.name for path in merged.parent.iterdir()] == ["merged"]


def kill_when(job: NodeJob, come: Callable[[], bool]) -> None:
    """SIGKILL the supervisor at that moment, and see that the merge goes with it."""
    assert job.process is not None
    while not come() and job.process.poll() is None:
        time.sleep(0.001)
    os.kill(job.process.pid, signal.SIGKILL)
    job.process.wait()
    give_up_at = time.monotonic() + 10
    while job.left_running() and time.monotonic() < give_up_at:
        time.sleep(0.02)
    assert job.left_running() == []


def test_a_merge_that_outlives_its_soft_deadline_is_ended_and_leaves_nothing(tmp_path: Path, models: Path) -> None:
    job = merge_job(tmp_path / "job", models / "base", models / "lora")
    job.start().wait_until(lambda: (tmp_path / "output" / ".merged.making").exists(), 60, "the merge to begin")
    now = time.time()  # noqa: TID251
    job.order(soft_deadline=now - 5, hard_deadline=now + 60)
    verdict = job.finish()
    assert verdict["cause"] in {"soft_deadline", "completed"}
    assert (verdict["result"] is not None) == (verdict["cause"] == "completed")
    assert (tmp_path / "output" / "merged").exists() == (verdict["cause"] == "completed")
