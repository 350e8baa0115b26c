"""Tokens counted for a quote are the ones that Axolotl trains on, row by row."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import TRAINER_PYTHON, run_trainer_script

from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.domain.cost.lengths import spread
from orchestrator.domain.cost.packing import first_fit
from workers.node.demonstration import vale

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]
SEQUENCE_LEN = 96
"""As in node_axolotl_ids.py."""
WORDS = [
    "add",
    "the",
    "sum",
    "of",
    "3",
    "and",
    "14",
    "Response",
    "Instruction",
    "café",
    "grüße",
    "😀",
    "<|im_end|>",
    "input",
    "<s>",
    "</s>",
    "\n",
    "\n\n",
    "",
    "x",
]
HELDOUT = {
    "alpaca": {"instruction": "a", "output": "b"},
    "messages": {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
    "completion": {"text": "a"},
}


def text(draw: random.Random, most: int) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, most))).strip() or "x"


def conversation(draw: random.Random) -> dict[str, Any]:
    system = [{"role": "system", "content": text(draw, 5)}] * draw.randint(0, 1)
    roles = [("user", "assistant"), ("human", "gpt")][draw.randint(0, 1)] * draw.randint(1, 3)
    return {"messages": [*system, *({"role": role, "content": text(draw, 12)} for role in roles)]}


def rows_of_all_formats() -> dict[str, list[dict[str, Any]]]:
    """Awkward rows, and the demonstration's own."""
    draw = random.Random(3)
    told = [asdict(row) for row in vale.rows(vale.settle(random.Random(7)), random.Random(7))[0]]
    asked = [{"instruction": text(draw, 30), "input": text(draw, 9), "output": text(draw, 40)} for _ in range(100)]
    return {
        "alpaca": [*told, *asked],
        "messages": [conversation(draw) for _ in range(150)],
        "completion": [{"text": text(draw, 300)} for _ in range(100)],
    }


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One like Qwen, without a token that begins a text, and one like Llama, with the demonstration's tokenizer."""
    folder = tmp_path_factory.mktemp("token-models")
    here = Path(__file__)
    run_trainer_script(str(here.with_name("node_tiny_model.py")), str(folder / "chatml"))
    run_trainer_script(str(here.with_name("node_llama_tokenizer.py")), str(folder / "chatml"), str(folder / "llama"))
    return {name: folder / name for name in ("chatml", "llama")}


@pytest.mark.parametrize("name", ["chatml", "llama"])
def test_a_quote_counts_the_tokens_that_axolotl_trains_on(name: str, models: dict[str, Path], tmp_path: Path) -> None:
    rows = rows_of_all_formats()
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    script = str(Path(__file__).with_name("node_axolotl_ids.py"))
    found = json.loads(run_trainer_script(script, str(models[name]), str(tmp_path / "rows.json")))
    inputs = FolderInputs(str(models[name]), "none/here", None, (tmp_path,))
    model = inputs.model(None)

    for row_format in rows:
        path, heldout = tmp_path / f"{row_format}.jsonl", tmp_path / f"{row_format}-heldout.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows[row_format]))
        heldout.write_text(json.dumps(HELDOUT[row_format]) + "\n")
        facts = inputs.tokens(inputs.dataset(str(path), str(heldout)), model, SEQUENCE_LEN)
        trained = [len(each["input_ids"]) for each in found[row_format]["axolotl"]]

        assert facts is not None
        assert facts.exact
        assert (facts.examples, facts.tokens.middle) == (len(trained), sum(trained)), row_format
        if row_format != "completion":
            counted = Counter({row.needed: count for row, count in spread(facts.lengths).items()})
            assert {length: count for length, count in counted.items() if length <= SEQUENCE_LEN} == Counter(trained)
            assert facts.dropped_rows == len(rows[row_format]) - len(trained) > 0


def test_sequences_are_packed_into_as_many_bins_as_axolotl_packs_them_into() -> None:
    draw = random.Random(5)
    lengths = [min(512, max(2, int(draw.lognormvariate(4.5, 0.8)))) for _ in range(3000)]
    script = (
        "import json, sys, numpy; from axolotl.utils.samplers.multipack import pack_group; "
        "lengths = numpy.array(json.loads(sys.argv[1]), dtype=numpy.int32); "
        "print(json.dumps([len(pack_group(lengths, 0, 512, len(lengths), most, True)) for most in (200, 3)]))"
    )
    theirs = json.loads(run_trainer_script("-c", script, json.dumps(lengths)).strip().splitlines()[-1])

    assert [first_fit(lengths, 512, most) for most in (200, 3)] == theirs
