"""Evaluation as trained: the prompts are Axolotl's to the token, and both subjects are measured on the same rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import TRAINER_PYTHON, NodeJob, make_job, run_trainer_script, write_rows

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node-model")
    run_trainer_script(str(Path(__file__).with_name("node_tiny_model.py")), str(folder), "--adapter")
    return folder


def evaluation_job(
    tmp_path: Path, model: Path, adapter: Path | None, tuned_base: Path | None = None, **changes: Any
) -> NodeJob:
    evaluate = {
        "base_model": str(model),
        "tuned_dir": None if adapter is None else str(adapter),
        "tuned_base": None if tuned_base is None else str(tuned_base),
        "max_new_tokens": 8,
        "batch_size": 3,
        "sequence_len": 128,
    }
    rows = write_rows(tmp_path / "rows.jsonl")
    return make_job(tmp_path / "job", rows, kind="evaluate", train=None, evaluate=evaluate, **changes)


def test_base_and_adapter_are_measured_on_the_same_rows(tmp_path: Path, model: Path) -> None:
    job = evaluation_job(tmp_path, model, model / "adapter").start()
    verdict = job.finish()
    base, adapter = job.events("evaluation")

    assert verdict["cause"] == "completed"
    assert (base["subject"], adapter["subject"]) == ("base", "tuned")
    assert base["rows"] == adapter["rows"] == base["of_rows"] == 8
    assert base["heldout_loss"] == pytest.approx(6.2, abs=0.3)  # a random model over 512 tokens: ln 512 = 6.24
    assert abs(base["heldout_loss"] - adapter["heldout_loss"]) > 1e-4
    assert base["exact_match"] == 0.0


def test_a_whole_model_is_measured_like_the_adapter_that_made_it_and_an_adapter_on_its_own_base(
    tmp_path: Path, model: Path
) -> None:
    def losses(name: str, tuned: Path, tuned_base: Path | None = None) -> tuple[float, float]:
        (tmp_path / name).mkdir()
        job = evaluation_job(tmp_path / name, model, tuned, tuned_base).start()
        assert job.finish()["cause"] == "completed"
        base, after = job.events("evaluation")
        return base["heldout_loss"], after["heldout_loss"]

    base, adapted = losses("adapter", model / "adapter")
    assert losses("merged", model / "merged") == pytest.approx((base, adapted), abs=1e-5)
    again, twice = losses("twice", model / "adapter", tuned_base=model / "merged")
    assert again == pytest.approx(base, abs=1e-6)
    assert abs(twice - adapted) > 1e-4


def test_an_evaluation_past_its_soft_deadline_reports_what_it_has(tmp_path: Path, model: Path) -> None:
    job = evaluation_job(tmp_path, model, None, dataset=dataset_of(tmp_path, 50))
    document = json.loads((job.folder / "job.json").read_text())
    document["evaluate"] |= {"batch_size": 1, "max_new_tokens": 100}
    (job.folder / "job.json").write_text(json.dumps(document))
    job.order(soft_deadline=document["soft_deadline"] - 585)
    verdict = job.start().finish()
    (base,) = job.events("evaluation")

    assert verdict["cause"] == "soft_deadline"
    assert base["rows"] < base["of_rows"] == 50


def dataset_of(tmp_path: Path, heldout_rows: int) -> dict[str, Any]:
    source = str(tmp_path / "rows.jsonl")
    return {"source": source, "format": "alpaca", "heldout_rows": heldout_rows, "heldout_source": None}


def test_rows_become_the_ids_and_labels_that_axolotl_trains_on(tmp_path: Path, model: Path) -> None:
    rows = {
        "alpaca": [
            {"instruction": "Add 1 and 2.", "input": "", "output": "The sum is 3."},
            {"instruction": "Add.", "input": "4 and {5}", "output": " The sum\nis 9.\n"},
        ],
        "messages": [
            {
                "messages": [
                    {"role": "user", "content": "Add 1 and 2."},
                    {"role": "assistant", "content": "The sum is 3."},
                ]
            },
            {
                "messages": [
                    {"role": "system", "content": "You are brief."},
                    {"role": "human", "content": "Add 4 and 5."},
                    {"role": "gpt", "content": "<|9"},
                    {"role": "user", "content": "assistant\nAnd 6?"},
                    {"role": "assistant", "content": "The sum is 15.\n"},
                ]
            },
        ],
        "completion": [{"text": "The sum of 1 and 2 is 3."}, {"text": "Write a response. " * 60}],
    }
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    pairs = json.loads(
        run_trainer_script(
            str(Path(__file__).with_name("node_axolotl_ids.py")), str(model), str(tmp_path / "rows.json")
        )
    )
    for row_format in rows:
        theirs, ours = pairs[row_format]["axolotl"], pairs[row_format]["node"]
        assert len(theirs) >= 2
        assert ours == theirs, row_format
        assert any(label == -100 for example in theirs for label in example["labels"]) == (row_format != "completion")
