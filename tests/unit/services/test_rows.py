"""Which rows a run trains on, and that none of them is evaluated on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.strategies import Wishes, expand, find_strategy
from orchestrator.services.rows import Rows, choose_rows


@dataclass(frozen=True)
class Wish:
    dataset: str | None = None
    preferences: str | None = None
    heldout: str | None = None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pairs = [{"instruction": f"q{n}", "chosen": "yes", "rejected": "no"} for n in range(40)]
    plain = [{"instruction": f"q{n}", "output": "yes"} for n in range(40)]
    chats = [
        {"chosen": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "yes"}],
         "rejected": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "no"}]}
        for n in range(1)
    ]  # fmt: skip
    for name, rows in (("pairs", pairs), ("plain", plain), ("heldout", plain[:5]), ("chats", chats)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def chosen(folder: Path, strategy: str, wish: Wish) -> Rows:
    found = find_strategy(strategy)
    inputs = FolderInputs("owner/model", "owner/rows", None, (folder,))
    return choose_rows(inputs, wish, found, expand(found, Wishes({})))


def refusal(folder: Path, strategy: str, wish: Wish) -> tuple[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        chosen(folder, strategy, wish)
    problem = caught.value.problems[0]
    return problem.field, problem.message


def test_pairs_named_twice_are_one_dataset_with_rows_kept_out(folder: Path) -> None:
    rows = chosen(folder, "split", Wish("pairs.jsonl", "pairs.jsonl"))
    assert rows.preferences is None
    assert rows.dataset.heldout_rows > 0


def test_held_out_rows_cannot_be_preferences(folder: Path) -> None:
    field, message = refusal(folder, "split", Wish("plain.jsonl", "pairs.jsonl", "pairs.jsonl"))
    assert field == "preferences"
    assert "held-out rows" in message


def test_all_pairs_beside_a_dataset_are_trained_on_whatever_lies_beside_them(folder: Path) -> None:
    rows = chosen(folder, "split", Wish("plain.jsonl", "chats.jsonl"))
    assert rows.preferences is not None
    assert (rows.preferences.rows, rows.preferences.heldout_rows, rows.preferences.train_rows) == (1, 0, 1)


@pytest.mark.parametrize(
    ("strategy", "wish", "field", "why"),
    [
        ("orpo", Wish("plain.jsonl"), "dataset", "no rejected answers"),
        ("split", Wish("plain.jsonl"), "preferences", "is missing"),
        ("split", Wish("plain.jsonl", "plain.jsonl"), "preferences", "no rejected answers"),
        ("orpo", Wish("pairs.jsonl", "pairs.jsonl"), "preferences", "as its dataset"),
        ("lora", Wish("plain.jsonl", "pairs.jsonl"), "preferences", "as its dataset"),
    ],
)
def test_rows_that_do_not_suit_the_strategy_are_refused_with_what_is_missing(
    folder: Path, strategy: str, wish: Wish, field: str, why: str
) -> None:
    found, message = refusal(folder, strategy, wish)
    assert found == field
    assert why in message


def test_a_supervised_training_takes_the_chosen_answers_of_pairs_and_says_so(folder: Path) -> None:
    rows = chosen(folder, "lora", Wish("pairs.jsonl"))
    assert "chosen answers" in rows.notes[0]
