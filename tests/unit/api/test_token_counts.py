"""Tokens of the dataset in a quote's answer: counted with the model's tokenizer, as each training reads the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from tests.unit.api.serving import ROWS, Client

PAIRS = [{"instruction": "say", "chosen": f"hello {number}", "rejected": "no"} for number in range(12)]


@pytest.fixture
def with_tokenizer(client: Client, tmp_path: Path) -> Client:
    words = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "model" / "tokenizer.json"))
    (tmp_path / "model" / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in PAIRS))
    return client


def quote(client: Client, **wish: Any) -> Any:
    return client.post("/quotes", json={"strategy": "dora_neftune", "budget": 5, **wish})


def test_a_quote_shows_the_tokens_of_its_dataset(with_tokenizer: Client) -> None:
    dataset = quote(with_tokenizer).json()["dataset"]
    told = dataset["tokens"]

    # The prompt has 22 words; the answer is one, and the token that ends it.
    assert told["mean_length"] == 22 + 2
    assert told["rows"] == told["examples"] == told["counted_rows"] == dataset["train_rows"] < ROWS
    assert told["tokens"] == {key: 24 * told["rows"] for key in ("middle", "low", "high")}
    assert told["exact"]
    assert told["notes"] == []


def test_pairs_are_counted_as_the_first_training_on_them_reads_them(with_tokenizer: Client) -> None:
    on_pairs = quote(with_tokenizer, strategy="orpo", dataset="pairs.jsonl").json()
    both = quote(with_tokenizer, strategy="split", preferences="pairs.jsonl", dataset="rows.jsonl").json()

    assert on_pairs["dataset"]["tokens"]["sequences"] == 2
    assert both["dataset"]["tokens"]["sequences"] == 1
    assert both["preferences"]["tokens"]["sequences"] == 2
    assert both["preferences"]["tokens"]["rows"] == len(PAIRS)


def test_a_sequence_length_under_which_no_row_fits_is_refused(with_tokenizer: Client) -> None:
    answer = quote(with_tokenizer, overrides={"sequence_len": 16})

    assert answer.status_code == 422
    [problem] = answer.json()["errors"]
    assert problem["field"] == "dataset"
    assert "no row that can be trained on" in problem["message"]


def test_a_model_of_the_hub_leaves_the_tokens_open(with_tokenizer: Client) -> None:
    assert quote(with_tokenizer, model="owner/model-1b", budget=900).json()["dataset"]["tokens"] is None
