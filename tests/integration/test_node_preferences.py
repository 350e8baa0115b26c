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
from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.domain.cost.lengths import spread

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

PAIRS = {"alpaca_pairs": ALPACA_PAIRS, "chat_pairs": CHAT_PAIRS}
Found = dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]


def run_script(name: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [str(TRAINER_PYTHON), str(Path(__file__).with_name(name)), *arguments]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout


@pytest.fixture(scope="module")
def chatml(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Found]:
    """A model without a token that begins a text, as Qwen; its template ends a turn with a token and a line."""
    folder = tmp_path_factory.mktemp("chatml-model")
    run_script("node_tiny_model.py", str(folder))
    return folder, compared(folder)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory, chatml: tuple[Path, Found]) -> tuple[Path, Found]:
    """A model with a token that begins a text, as Llama: with the demonstration's tokenizer."""
    folder = tmp_path_factory.mktemp("llama-model")
    run_script("node_llama_tokenizer.py", str(chatml[0]), str(folder))
    return folder, compared(folder)


def compared(model: Path) -> Found:
    """By format: pairs of what the trainer trains on and what the node renders, row by row."""
    folders = [make_case(model, row_format, rows) for row_format, rows in PAIRS.items()]
    cases = json.loads(run_script("node_preference_ids.py", str(model), *folders).strip().splitlines()[-1])
    return {
        row_format: list(zip(case["trainer"], case["node"], strict=True))
        for row_format, case in zip(PAIRS, cases, strict=True)
    }


def make_case(model: Path, row_format: str, rows: list[dict[str, Any]]) -> str:
    """A folder with the rows, and the configuration that the service would have made for them."""
    folder = model.with_name(f"{model.name}-{row_format}")
    folder.mkdir()
    for name in ("rows.jsonl", "heldout.jsonl"):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = render_train_config(
        TrainConfigRequest(
            base_model=str(model), technique_config={**LORA, "lora_dropout": 0.0, "rl": "orpo", "orpo_alpha": 0.1},
            dataset_format=cast("DatasetFormat", row_format), data_dir=str(folder / "data"),
            output_dir=str(folder / "output"), device="cpu", gpus=1, micro_batch_size=1,
            gradient_accumulation_steps=1, sequence_len=SEQUENCE_LEN, num_epochs=1, max_steps=10, learning_rate=1e-5,
            warmup_steps=1, save_steps=5, seed=1, supervised=False,
        )
    )  # fmt: skip
    dataset = {"source": str(folder / "rows.jsonl"), "format": row_format, "heldout_rows": 1,
               "heldout_source": str(folder / "heldout.jsonl")}  # fmt: skip
    case = {"config": config, "dataset": dataset, "sequence_len": SEQUENCE_LEN}
    (folder / "case.json").write_text(json.dumps(case))
    return str(folder)


@pytest.mark.parametrize("model", ["chatml", "llama"])
def test_orpo_trains_on_the_ids_of_the_supervised_alpaca_form(model: str, request: pytest.FixtureRequest) -> None:
    rows = request.getfixturevalue(model)[1]["alpaca_pairs"]
    assert len(rows) == len(ALPACA_PAIRS)
    for trainer, node in rows:
        assert trainer["prompt_input_ids"] == node["chosen_prompt_ids"]
        for name in ("chosen_input_ids", "chosen_labels", "rejected_input_ids", "rejected_labels"):
            assert trainer[name] == node[name], name


@pytest.mark.parametrize(("model", "surplus"), [("chatml", 1), ("llama", 0)])
def test_orpo_trains_on_the_conversation_of_the_supervised_form_with_its_system_message(
    model: str, surplus: int, request: pytest.FixtureRequest
) -> None:
    rows = request.getfixturevalue(model)[1]["chat_pairs"]
    assert len(rows) == len(CHAT_PAIRS)
    for trainer, node in rows:
        assert trainer["prompt_input_ids"] == node["chosen_prompt_ids"] == node["rejected_prompt_ids"]
        begin = len(node["chosen_prompt_ids"])
        for name in ("chosen", "rejected"):
            ids = trainer[f"{name}_input_ids"]
            # A template that writes something after the token that ends a turn makes TRL end the text once more.
            assert ids[: len(ids) - surplus] == node[f"{name}_input_ids"]
            assert trainer[f"{name}_labels"] == [-100] * begin + ids[begin:]


@pytest.mark.parametrize("model", ["chatml", "llama"])
@pytest.mark.parametrize("row_format", list(PAIRS))
def test_a_quote_counts_the_tokens_of_both_answers_that_orpo_trains_on(
    model: str, row_format: str, request: pytest.FixtureRequest
) -> None:
    folder, found = request.getfixturevalue(model)
    case = folder.with_name(f"{folder.name}-{row_format}")
    inputs = FolderInputs(str(folder), "none/here", None, (folder.parent,))
    facts = inputs.tokens(inputs.dataset(str(case / "rows.jsonl"), None), inputs.model(None), SEQUENCE_LEN)
    both = [[len(row[f"{name}_input_ids"]) for name in ("chosen", "rejected")] for row, _ in found[row_format]]

    assert facts is not None
    assert (facts.sequences, facts.examples) == (2, len(both))
    assert facts.tokens.middle == sum(map(sum, both))
    assert sum(row.width * count for row, count in spread(facts.lengths).items()) == sum(map(max, both))
