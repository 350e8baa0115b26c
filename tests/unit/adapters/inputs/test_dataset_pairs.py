"""Preference pairs: recognised in all their spellings, and refused where they could not be trained as written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.inputs.datasets import read_rows
from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.domain.errors import InvalidInputError

ALPACA = {"instruction": "Which craft?", "input": "", "output": "Weaving."}
MESSAGES = {"messages": [{"role": "user", "content": "Which craft?"}, {"role": "assistant", "content": "Weaving."}]}
ALPACA_PAIR = {"instruction": "Which craft?", "chosen": "Weaving.", "rejected": "Fishing."}
PROMPT_PAIR = {"prompt": "Which craft?", "chosen": "Weaving.", "rejected": "Fishing."}


def turn(role: str, content: str = "Hello.") -> dict[str, str]:
    return {"role": role, "content": content}


def talk(*roles: str, answer: str) -> list[dict[str, str]]:
    return [*map(turn, roles), turn("assistant", answer)]


def pair(*roles: str, **more: Any) -> dict[str, Any]:
    return {"chosen": talk(*roles, answer="Weaving."), "rejected": talk(*roles, answer="Fishing."), **more}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def problems(path: Path, *rows: object) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as refused:
        read_rows(write(path, *rows), "dataset")
    return {problem.field: problem.message for problem in refused.value.problems}


@pytest.mark.parametrize(
    ("row", "row_format"),
    [
        (ALPACA_PAIR, "alpaca_pairs"),
        ({**ALPACA_PAIR, "input": "In the village.", "output": "Weaving.", "score": 0.9}, "alpaca_pairs"),
        ({**ALPACA_PAIR, "input": None}, "alpaca_pairs"),
        (PROMPT_PAIR, "chat_pairs"),
        ({**PROMPT_PAIR, "prompt": [turn("user")]}, "chat_pairs"),
        ({**PROMPT_PAIR, "prompt": [turn("system"), turn("human"), turn("gpt"), turn("user")]}, "chat_pairs"),
        (pair("user"), "chat_pairs"),
        (pair("system", "user", "assistant", "user"), "chat_pairs"),
        (pair("user", prompt="Hello.", prompt_id="x", messages=MESSAGES["messages"], score_chosen=8.5), "chat_pairs"),
        (pair("user", instruction="Hello."), "chat_pairs"),
        (pair(prompt="Which craft?"), "chat_pairs"),
        (pair(prompt=[turn("system"), turn("user")]), "chat_pairs"),
    ],
)
def test_pairs_are_recognised_in_every_spelling(tmp_path: Path, row: object, row_format: str) -> None:
    found = read_rows(write(tmp_path / "rows.jsonl", row, row), "dataset")
    assert (found.format, found.rows) == (row_format, 2)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**ALPACA_PAIR, "rejected": "Weaving."}, "'chosen' equals 'rejected'"),
        ({**ALPACA_PAIR, "rejected": ""}, "'rejected' is empty"),
        ({**ALPACA_PAIR, "rejected": ["Fishing."]}, "'rejected' is not a string"),
        ({**ALPACA_PAIR, "instruction": None}, "'instruction' is not a string"),
        ({**ALPACA_PAIR, "input": 3}, "'input' is not a string"),
        ({"instruction": "a", "chosen": "b"}, "'rejected' is missing"),
        ({"instruction": "a", "rejected": "b"}, "'chosen' is missing"),
        (PROMPT_PAIR, "is chat_pairs, while the rows before are alpaca_pairs"),
        (ALPACA, "is alpaca, while the rows before are alpaca_pairs"),
    ],
)
def test_a_bad_alpaca_pair_is_named_by_its_line(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    found = problems(tmp_path / "rows.jsonl", ALPACA_PAIR, row, ALPACA_PAIR)
    assert list(found) == ["dataset:2"]
    assert reason in found["dataset:2"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"chosen": "a", "rejected": "b"}, "'prompt' is missing"),
        ({**PROMPT_PAIR, "prompt": " "}, "'prompt' is empty"),
        ({**PROMPT_PAIR, "prompt": []}, "'prompt' must be a list that is not empty"),
        ({**PROMPT_PAIR, "prompt": [turn("assistant")]}, "before the answer spoke assistant"),
        ({**PROMPT_PAIR, "prompt": [turn("system")]}, "before the answer spoke nobody"),
        ({**PROMPT_PAIR, "rejected": "Weaving."}, "'chosen' equals 'rejected'"),
        ({**PROMPT_PAIR, "chosen": ""}, "'chosen' is empty"),
        ({**PROMPT_PAIR, "chosen": None}, "must both be texts or both be lists"),
        ({**PROMPT_PAIR, "chosen": talk("user", answer="a")}, "must both be texts or both be lists"),
        (pair(), "'prompt' is missing"),
        (pair("user") | {"rejected": talk("user", answer="Weaving.")}, "'chosen' equals 'rejected'"),
        (pair("user") | {"rejected": talk("user", "assistant", "user", answer="b")}, "answer different prompts"),
        (pair("user") | {"rejected": [turn("user", "Other."), turn("assistant", "b")]}, "answer different prompts"),
        (pair("user") | {"chosen": [turn("user"), turn("user")]}, "last message of 'chosen' is from 'user'"),
        (pair("user") | {"chosen": []}, "'chosen' must be a list that is not empty"),
        (pair("user") | {"chosen": [turn("user"), {**turn("gpt"), "weight": 0}]}, "chosen[1] has keys other than"),
        (pair("user", "user"), "before the answer spoke user, user"),
        (pair("user", "system", "user"), "optional system message, then user and assistant in turn"),
        (pair("user", "assistant"), "before the answer spoke user, assistant"),
        (pair("user", "tool"), "before the answer spoke user, tool"),
        (MESSAGES, "is messages, while the rows before are chat_pairs"),
        ({"prompt": "a", "chosen": "b"}, "'rejected' is missing"),
    ],
)
def test_a_bad_pair_of_conversations_is_named_by_its_line(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    found = problems(tmp_path / "rows.jsonl", PROMPT_PAIR, row)
    assert list(found) == ["dataset:2"]
    assert reason in found["dataset:2"]


@pytest.mark.parametrize(
    ("train", "heldout", "other"),
    [(ALPACA_PAIR, ALPACA, "alpaca"), (ALPACA, ALPACA_PAIR, "alpaca_pairs"), (MESSAGES, PROMPT_PAIR, "chat_pairs"),
     (PROMPT_PAIR, MESSAGES, "messages"), (PROMPT_PAIR, PROMPT_PAIR, None)],
)  # fmt: skip
def test_pairs_may_be_evaluated_on_single_answers_and_the_other_way_round(
    tmp_path: Path, train: object, heldout: object, other: str | None
) -> None:
    write(tmp_path / "rows.jsonl", train)
    path = write(tmp_path / "other.jsonl", heldout, heldout)
    found = FolderInputs("owner/model", "owner/rows", None, (tmp_path,)).dataset("rows.jsonl", "other.jsonl")
    assert (found.heldout_source, found.heldout_rows, found.heldout_format) == (str(path), 2, other)


def test_rows_of_another_form_cannot_be_compared(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", ALPACA_PAIR)
    write(tmp_path / "other.jsonl", MESSAGES)
    with pytest.raises(InvalidInputError, match=r"heldout:1: is messages; .* alpaca or alpaca_pairs"):
        FolderInputs("owner/model", "owner/rows", None, (tmp_path,)).dataset("rows.jsonl", "other.jsonl")


def test_a_second_dataset_is_refused_by_its_own_field(tmp_path: Path) -> None:
    inputs = FolderInputs("owner/model", "owner/rows", None, (tmp_path,))
    write(tmp_path / "rows.jsonl", PROMPT_PAIR, {**PROMPT_PAIR, "chosen": ""})
    for name, field in (("rows.jsonl", "preferences:2"), ("none.jsonl", "preferences"), ("/etc/passwd", "preferences")):
        with pytest.raises(InvalidInputError) as refused:
            inputs.dataset(name, None, field="preferences")
        assert [problem.field for problem in refused.value.problems] == [field]


def test_a_hub_dataset_of_pairs_is_taken_by_its_format(tmp_path: Path) -> None:
    inputs = FolderInputs("owner/model", "owner/rows", None, (tmp_path,))
    assert inputs.dataset("owner/rows:chat_pairs", None).format == "chat_pairs"
