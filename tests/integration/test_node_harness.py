"""lm-evaluation-harness on a job's models: local tasks, both subjects, offline, and never a user's code."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import TRAINER_PYTHON, NodeJob, make_job, run_trainer_script, write_rows

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, with an adapter in its folder `adapter`."""
    folder = tmp_path_factory.mktemp("node-model")
    run_trainer_script(str(Path(__file__).with_name("node_tiny_model.py")), str(folder), "--adapter")
    return folder


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """`choices` and `likely`, scored by likelihood over 12 rows, and `answers`, generated, scored by exact match."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    rows = [{"question": f"Add {n} and 1.", "right": n % 2, "sum": str(n + 1)} for n in range(12)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shared = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}}, "test_split": "test"}
    choices = {"output_type": "multiple_choice", "doc_to_target": "{{right}}", "doc_to_choice": ["even", "odd"]}
    answers = {
        "output_type": "generate_until",
        "doc_to_target": "{{sum}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    likely = {
        "output_type": "loglikelihood",
        "doc_to_target": "{{sum}}",
        "metric_list": [{"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False}],
    }
    for name, task in (("choices", choices), ("answers", answers), ("likely", likely)):
        config = {"task": name, "doc_to_text": "{{question}}", **shared, **task}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    return folder


def harness_job(tmp_path: Path, model: Path, harness: dict[str, Any], **changes: Any) -> NodeJob:
    evaluate = {
        "base_model": str(model),
        "tuned_dir": str(model / "adapter"),
        "tuned_base": None,
        "max_new_tokens": 4,
        "batch_size": 4,
        "sequence_len": 128,
        "harness": {"include_path": str(tmp_path / "tasks"), "limit": None, **harness},
        **changes,
    }
    rows = write_rows(tmp_path / "rows.jsonl", 16)
    return make_job(tmp_path / "job", rows, kind="evaluate", train=None, evaluate=evaluate)


def test_both_subjects_are_measured_by_every_task_on_as_many_rows_as_asked(
    tmp_path: Path, model: Path, tasks: Path
) -> None:
    job = harness_job(tmp_path, model, {"tasks": ["choices", "answers", "likely"], "limit": 10}).start()
    verdict = job.finish()
    assert verdict["cause"] == "completed", verdict["message"]
    assert verdict["result"] is None
    lines = job.events("harness")
    measured = [(line["task"], line["subject"], line["metric"]) for line in lines]
    assert measured == [
        *(("choices", subject, metric) for subject in ("base", "tuned") for metric in ("acc", "acc_norm")),
        *(("answers", subject, "exact_match") for subject in ("base", "tuned")),
        *(("likely", subject, "perplexity") for subject in ("base", "tuned")),
    ]
    assert all(line["samples"] == 10 for line in lines)
    assert all(line["stderr"] is not None and line["seconds"] > 0 for line in lines)
    assert all(0.0 <= line["value"] <= 1.0 for line in lines[:-2])
    base, tuned = (line["value"] for line in lines[-2:])
    assert base > 100  # a random model over 512 tokens
    assert abs(tuned - base) > 1e-3
    assert len(job.events("evaluation")) == 2


def test_a_task_with_code_is_refused_and_the_held_out_results_are_kept(
    tmp_path: Path, model: Path, tasks: Path
) -> None:
    touched = tmp_path / "touched"
    (tasks / "utils.py").write_text(f"open({str(touched)!r}, 'w').close()\ndef docs(rows): return rows\n")
    with (tasks / "choices.yaml").open("a") as stream:
        stream.write("process_docs: !function utils.docs\n")
    job = harness_job(tmp_path, model, {"tasks": ["choices"]}).start()
    verdict = job.finish()
    assert verdict["cause"] == "failed"
    assert "tasks may not hold code such as !function" in verdict["message"]
    assert not touched.exists()
    assert [line["subject"] for line in job.events("evaluation")] == ["base", "tuned"]
    assert job.events("harness") == []


def test_a_template_reaches_nothing_behind_its_text(tmp_path: Path, model: Path, tasks: Path) -> None:
    config = yaml.safe_load((tasks / "choices.yaml").read_text())
    config["doc_to_text"] = "{{ question.__class__.__mro__[1].__subclasses__() }}"
    (tasks / "choices.yaml").write_text(yaml.safe_dump(config))
    verdict = harness_job(tmp_path, model, {"tasks": ["choices"]}).start().finish()
    assert verdict["cause"] == "failed"
    assert "SecurityError" in verdict["message"]


def test_a_harness_past_its_soft_deadline_reports_the_tasks_it_has(tmp_path: Path, model: Path, tasks: Path) -> None:
    slow = yaml.safe_load((tasks / "answers.yaml").read_text())
    slow |= {"task": "slow", "generation_kwargs": {"until": ["never"], "max_gen_toks": 100}}
    rows = (tasks / "rows.jsonl").read_text()
    (tasks / "many.jsonl").write_text(rows * 400)
    slow["dataset_kwargs"] = {"data_files": {"test": "many.jsonl"}}
    (tasks / "slow.yaml").write_text(yaml.safe_dump(slow))
    job = harness_job(tmp_path, model, {"tasks": ["choices", "slow"]}, batch_size=1).start()
    job.wait_for("harness", 4)
    soft = time.time()  # noqa: TID251
    job.order(soft_deadline=soft, hard_deadline=soft + 60)
    verdict = job.finish()
    assert verdict["cause"] in {"soft_deadline", "signal"}
    assert verdict["ended_at"] - soft < 20
    assert {line["task"] for line in job.events("harness")} == {"choices"}
