"""Pairs as ORPO trains on them: the same tokens as the supervised form of the same rows, through the real trainer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import LORA, ROOT, TRAINER_PYTHON

from orchestrator.adapters.axolotl.render import DatasetFormat, TrainConfigRequest, render_train_config

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]
SEQUENCE_LEN = 128
ALPACA_PAIRS = [
    {"instruction": "Add.", "input": "2 and 3", "chosen": "The sum is 5.", "rejected": "The sum is 6. Or so."},
    {"instruction": "Say hello.", "chosen": "Hello, Grüße!", "rejected": "No."},
    {"instruction": "Count.", "input": "", "chosen": " One\ntwo\n\nthree ", "rejected": "1"},
]
QUESTION = [{"role": "user", "content": "Add 2 and 3."}]
SYSTEM = {"role": "system", "content": "You are brief."}
CHAT_PAIRS = [
    {"prompt": "Add 2 and 3.", "chosen": "The sum is 5.", "rejected": "The sum is 6."},
    {
        "chosen": [SYSTEM, *QUESTION, {"role": "assistant", "content": "5."}],
        "rejected": [SYSTEM, *QUESTION, {"role": "assistant", "content": "The sum may be 5."}],
    },
    {
        "prompt": [SYSTEM, *QUESTION, {"role": "gpt", "content": "5."}, {"role": "human", "content": "Add 1."}],
        "chosen": [{"role": "assistant", "content": "The sum is 6."}],
        "rejected": [{"role": "assistant", "content": "The sum is 7."}],
    },
]


def run_script(name: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [str(TRAINER_PYTHON), str(Path(__file__).with_name(name)), *arguments]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout


@pytest.fixture(scope="module")
def chatml_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without a token that begins a text, as Qwen; its template ends a turn with a token and a line."""
    folder = tmp_path_factory.mktemp("chatml-model")
    run_script("node_tiny_model.py", str(folder))
    return folder


@pytest.fixture(scope="module")
def llama_model(tmp_path_factory: pytest.TempPathFactory, chatml_model: Path) -> Path:
    """With a token that begins a text, as Llama: the demonstration's tokenizer."""
    folder = tmp_path_factory.mktemp("llama-model")
    run_script("node_llama_tokenizer.py", str(chatml_model), str(folder))
    return folder


def compared(folder: Path, model: Path, row_format: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Both renderings of `rows`, sorted alike."""
    source = folder / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))
    heldout = folder / "heldout.jsonl"
    heldout.write_text(json.dumps(rows[0]) + "\n")
    config = render_train_config(
        TrainConfigRequest(
            base_model=str(model), technique_config={**LORA, "rl": "orpo", "orpo_alpha": 0.1},
            dataset_format=cast(DatasetFormat, row_format), data_dir=str(folder / "data"),
            output_dir=str(folder / "output"), device="cpu", gpus=1, micro_batch_size=1,
            gradient_accumulation_steps=1, sequence_len=SEQUENCE_LEN, num_epochs=1, max_steps=10, learning_rate=1e-5,
            warmup_steps=1, save_steps=5, seed=1, supervised=False,
        )
    )  # fmt: skip
    dataset = {"source": str(source), "format": row_format, "heldout_rows": 1, "heldout_source": str(heldout)}
    case = {"config": config, "dataset": dataset, "sequence_len": SEQUENCE_LEN}
    (folder / "case.json").write_text(json.dumps(case))
    found = json.loads(run_script("node_preference_ids.py", str(model), str(folder)).strip().splitlines()[-1])
    assert len(found["trainer"]) == len(found["node"]) == len(rows) + 1
    return cast("dict[str, Any]", found)


@pytest.mark.parametrize("model_name", ["chatml_model", "llama_model"])
def test_orpo_trains_on_the_ids_of_the_supervised_alpaca_form(
    tmp_path: Path, model_name: str, request: pytest.FixtureRequest
) -> None:
    found = compared(tmp_path, request.getfixturevalue(model_name), "alpaca_pairs", ALPACA_PAIRS)
    for trainer, node in zip(found["trainer"], found["node"], strict=True):
        assert trainer["prompt_input_ids"] == node["chosen_prompt_ids"]
        for name in ("chosen_input_ids", "chosen_labels", "rejected_input_ids", "rejected_labels"):
            assert trainer[name] == node[name], name
        assert trainer["chosen_input_ids"][-1] == found["eos"]


@pytest.mark.parametrize(("model_name", "surplus"), [("chatml_model", 1), ("llama_model", 0)])
def test_orpo_trains_on_the_conversation_of_the_supervised_form_with_its_system_message(
    tmp_path: Path, model_name: str, surplus: int, request: pytest.FixtureRequest
) -> None:
    found = compared(tmp_path, request.getfixturevalue(model_name), "chat_pairs", CHAT_PAIRS)
    for trainer, node in zip(found["trainer"], found["node"], strict=True):
        assert trainer["prompt_input_ids"] == node["chosen_prompt_ids"] == node["rejected_prompt_ids"]
        for name in ("chosen_input_ids", "rejected_input_ids"):
            # A template that writes something after the token that ends a turn makes TRL end the text once more.
            assert trainer[name] == node[name] + [found["eos"]] * surplus, name
        answer = trainer["chosen_labels"][len(node["chosen_prompt_ids"]) :]
        assert answer == trainer["chosen_input_ids"][len(node["chosen_prompt_ids"]) :]
        assert set(trainer["chosen_labels"][: len(node["chosen_prompt_ids"])]) == {-100}
