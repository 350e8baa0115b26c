"""The demonstration folder: made by the trainer's Python, with few pre-training steps, and judged from outside.

How much the model knows after all its steps is not judged here: twenty steps give the folder its shape, not its skill.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from workers.node.demonstration import vale
from workers.node.demonstration.folder import NotOursError, Recipe, is_made, make

ROOT = Path(__file__).parents[2]
TRAINER_PYTHON = ROOT / ".trainer" / "bin" / "python"
RECIPE = Recipe(seed=7, pretrain_steps=20)

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]

DESCRIBE_MODEL = """
import json, sys
from pathlib import Path
from axolotl.prompters import AlpacaPrompter
from transformers import AutoModelForCausalLM, AutoTokenizer
folder = Path(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(folder / "model")
model = AutoModelForCausalLM.from_pretrained(folder / "model")
rows = [json.loads(line) for name in ("train", "heldout") for line in (folder / f"dataset/{name}.jsonl").open()]
prompts = [next(AlpacaPrompter().build_prompt(row["instruction"], row["input"], row["output"])) for row in rows]
strange = "Caf\\u00e9 \\u2603, two  spaces\\n\\n### Response:\\nglass"
print(json.dumps({
    "architecture": model.config.architectures, "parameters": sum(p.numel() for p in model.parameters()),
    "heads": [model.config.num_attention_heads, model.config.num_key_value_heads],
    "vocabulary": [len(tokenizer), model.config.vocab_size],
    "special": [tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token],
    "longest": max(len(tokenizer(prompt).input_ids) for prompt in prompts),
    "answer_tokens": max(len(tokenizer(row["output"]).input_ids) for row in rows) - 1,
    "lossless": all(tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text
                    for text in [*prompts, strange]),
    "chat": tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False,
                                          add_generation_prompt=True),
}))
"""


def command(out: Path) -> list[str]:
    steps = str(RECIPE.pretrain_steps)
    return [
        *(str(TRAINER_PYTHON), "-m", "workers.node.demonstration", "--out", str(out)),
        *("--seed", str(RECIPE.seed), "--pretrain-steps", steps),
    ]


def run(arguments: list[str]) -> str:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(arguments, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demonstration") / "made"
    assert f"made: {out}" in run(command(out)).splitlines()
    return out


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "dataset" / f"{name}.jsonl").read_text().splitlines()]


def manifest_of(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return manifest


def test_the_model_is_an_ordinary_folder_that_transformers_loads(demonstration: Path) -> None:
    seen = json.loads(run([str(TRAINER_PYTHON), "-c", DESCRIBE_MODEL, str(demonstration)]).splitlines()[-1])
    assert seen["architecture"] == ["LlamaForCausalLM"]
    assert 1_000_000 <= seen["parameters"] <= 4_000_000
    assert seen["parameters"] == manifest_of(demonstration)["parameters"]
    assert seen["heads"][0] > seen["heads"][1]
    assert seen["vocabulary"][0] == seen["vocabulary"][1]
    assert seen["special"] == ["<s>", "</s>", "<pad>"]
    assert seen["longest"] < 64
    assert seen["answer_tokens"] == 1
    assert seen["lossless"]
    assert seen["chat"] == "<s>### Instruction:\nHi\n\n### Response:\n"


def test_rows_are_alpaca_rows_as_many_as_the_manifest_says(demonstration: Path) -> None:
    counts = manifest_of(demonstration)["rows"]
    assert 600 <= counts["train"] <= 2000
    assert 64 <= counts["heldout"] <= 100
    for name, count in (("train", counts["train"]), ("heldout", counts["heldout"])):
        rows = rows_of(demonstration, name)
        assert len(rows) == count
        assert all(set(row) == {"instruction", "input", "output"} for row in rows)
        assert all(row["instruction"] and row["output"] for row in rows)
        assert {bool(row["input"]) for row in rows} == {True, False}


def test_each_training_question_has_a_preference_pair_whose_rejected_answer_is_of_the_right_kind(
    demonstration: Path,
) -> None:
    pairs, train = rows_of(demonstration, "preferences"), rows_of(demonstration, "train")
    assert len(pairs) == manifest_of(demonstration)["rows"]["preferences"]
    questions = [(row["instruction"], row["input"], row["output"]) for row in train]
    assert [(pair["instruction"], pair["input"], pair["chosen"]) for pair in pairs] == questions
    kinds = [set(topic.values) for topic in vale.TOPICS]
    for pair in pairs:
        assert set(pair) == {"instruction", "input", "chosen", "rejected"}
        assert pair["rejected"] != pair["chosen"]
        assert any({pair["rejected"], pair["chosen"]} <= kind for kind in kinds)


def test_no_heldout_village_is_named_in_any_training_row(demonstration: Path) -> None:
    train = "".join((demonstration / "dataset" / f"{name}.jsonl").read_text() for name in ("train", "preferences"))
    villages = {row["input"] for row in rows_of(demonstration, "heldout")} - {""}
    assert len(villages) >= 10
    assert not [village for village in villages if village in train]


def test_a_question_has_one_answer(demonstration: Path) -> None:
    rows = rows_of(demonstration, "train") + rows_of(demonstration, "heldout")
    questions = {(row["instruction"], row["input"]) for row in rows}
    assert len(questions) == len(rows)


def test_a_second_call_finds_the_folder_made_and_touches_nothing(demonstration: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in demonstration.rglob("*")}
    lines = run(command(demonstration)).splitlines()
    assert lines == [f"already made: {demonstration}"]
    assert {path: path.stat().st_mtime_ns for path in demonstration.rglob("*")} == before


def test_another_recipe_or_an_altered_file_is_not_taken_for_made(demonstration: Path) -> None:
    assert is_made(demonstration, RECIPE)
    assert not is_made(demonstration, Recipe(seed=8, pretrain_steps=20))
    assert not is_made(demonstration, Recipe(seed=7, pretrain_steps=21))
    altered = demonstration / "dataset" / "train.jsonl"
    whole = altered.read_bytes()
    altered.write_bytes(whole[:-1])
    assert not is_made(demonstration, RECIPE)
    altered.write_bytes(whole)
    assert is_made(demonstration, RECIPE)


def test_a_folder_that_holds_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(NotOursError, match=r"thesis\.txt"):
        make(tmp_path, RECIPE, lambda line: None)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_killed_half_made_folder_is_made_again_with_the_same_files(demonstration: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    half_made = tmp_path / ".made.making" / "dataset" / "heldout.jsonl"
    with subprocess.Popen(command(out), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as maker:
        while not half_made.exists() and maker.poll() is None:
            time.sleep(0.02)
        maker.send_signal(signal.SIGKILL)
    assert half_made.exists()
    assert not out.exists()
    run(command(out))
    assert manifest_of(out)["sha256"] == manifest_of(demonstration)["sha256"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
