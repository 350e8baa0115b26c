"""Pairs on the node: one file for each trainer, and held-out rows that are never pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workers.node.job import DatasetTask, Format
from workers.node.pairs import heldout_form
from workers.node.prepare import prepare
from workers.node.prompts import alpaca_prompt
from workers.node.sources import DataError, read_rows

QUESTION = {"role": "user", "content": "Which craft?"}
SYSTEM = {"role": "system", "content": "Be brief."}
ALPACA_PAIR = {"instruction": "Which craft?", "input": "In the village.", "chosen": "Weaving.", "rejected": "Fishing."}


def said(content: str, role: str = "assistant") -> dict[str, str]:
    return {"role": role, "content": content}


def source(folder: Path, *rows: object, name: str = "rows.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_alpaca_pairs_become_finished_texts_and_a_supervised_file(tmp_path: Path) -> None:
    task = DatasetTask(source(tmp_path, ALPACA_PAIR, ALPACA_PAIR), "alpaca_pairs", 1, None)
    manifest = prepare(task, tmp_path / "data", 1)
    prompt = alpaca_prompt("Which craft?", "In the village.")
    supervised = {"instruction": "Which craft?", "input": "In the village.", "output": "Weaving."}
    assert (manifest.train_rows, manifest.heldout_rows) == (1, 1)
    assert lines(tmp_path / "data" / "train.jsonl") == [
        {"prompt": prompt, "chosen": "Weaving.", "rejected": "Fishing."}
    ]
    assert lines(tmp_path / "data" / "train_chosen.jsonl") == [supervised]
    assert lines(tmp_path / "data" / "heldout.jsonl") == [supervised]


@pytest.mark.parametrize(
    ("row", "system", "asked"),
    [
        ({"prompt": "Which craft?", "chosen": "Weaving.", "rejected": "Fishing."}, "", [QUESTION]),
        ({"prompt": [SYSTEM, QUESTION], "chosen": "Weaving.", "rejected": "Fishing."}, "Be brief.", [QUESTION]),
        (
            {"prompt": "x", "chosen": [QUESTION, said("Weaving.", "gpt")], "rejected": [QUESTION, said("Fishing.")]},
            "",
            [QUESTION],
        ),
        (
            {
                "chosen": [SYSTEM, said("Hi.", "human"), said("Ho.", "gpt"), QUESTION, said("Weaving.")],
                "rejected": [SYSTEM, said("Hi.", "user"), said("Ho."), QUESTION, said("Fishing.")],
            },
            "Be brief.",
            [said("Hi.", "user"), said("Ho."), QUESTION],
        ),
        ({"prompt": [QUESTION], "chosen": [said("Weaving.")], "rejected": [said("Fishing.")]}, "", [QUESTION]),
    ],
)
def test_conversations_are_brought_into_one_form_and_keep_their_system_message(
    tmp_path: Path, row: dict[str, Any], system: str, asked: list[dict[str, str]]
) -> None:
    task = DatasetTask(source(tmp_path, row, row), "chat_pairs", 1, None)
    prepare(task, tmp_path / "data", 1)
    assert lines(tmp_path / "data" / "train.jsonl") == [
        {"system": system, "chosen": [*asked, said("Weaving.")], "rejected": [*asked, said("Fishing.")]}
    ]
    whole = [*([SYSTEM] if system else []), *asked, said("Weaving.")]
    assert lines(tmp_path / "data" / "train_chosen.jsonl") == [{"messages": whole}]
    assert lines(tmp_path / "data" / "heldout.jsonl") == [{"messages": whole}]


def test_rows_of_another_format_may_be_held_out_and_are_evaluated_in_the_same_form(tmp_path: Path) -> None:
    single = {"instruction": "Say it.", "input": "", "output": "It."}
    train, heldout = source(tmp_path, single), source(tmp_path, ALPACA_PAIR, name="heldout.jsonl")
    task = DatasetTask(train, "alpaca", 64, heldout, "alpaca_pairs")
    prepare(task, tmp_path / "data", 1)
    assert lines(tmp_path / "data" / "train.jsonl") == [single]
    assert lines(tmp_path / "data" / "heldout.jsonl")[0]["output"] == "Weaving."
    assert not (tmp_path / "data" / "train_chosen.jsonl").exists()
    assert heldout_form(task) == "alpaca"


@pytest.mark.parametrize("name", ["train.jsonl", "train_chosen.jsonl", "heldout.jsonl"])
def test_every_file_of_a_preparation_is_under_its_digest(tmp_path: Path, name: str) -> None:
    task = DatasetTask(source(tmp_path, ALPACA_PAIR, ALPACA_PAIR), "alpaca_pairs", 1, None)
    first = prepare(task, tmp_path / "data", 1)
    whole = (tmp_path / "data" / name).read_bytes()
    (tmp_path / "data" / name).write_bytes(b"half a li")
    assert prepare(task, tmp_path / "data", 1) == first
    assert (tmp_path / "data" / name).read_bytes() == whole


@pytest.mark.parametrize(
    ("row_format", "row", "complaint"),
    [
        ("alpaca_pairs", {**ALPACA_PAIR, "rejected": "Weaving."}, "'chosen' equals 'rejected'"),
        ("alpaca_pairs", {"instruction": "a", "chosen": "b"}, "'rejected' is missing"),
        ("chat_pairs", {"chosen": "a", "rejected": "b"}, "'prompt' is missing"),
        ("chat_pairs", {"prompt": "a", "chosen": "b"}, "'rejected' is missing"),
        ("chat_pairs", {"prompt": "a", "chosen": "b", "rejected": "b"}, "'chosen' equals 'rejected'"),
        ("chat_pairs", {"prompt": "a", "chosen": "b", "rejected": [said("c")]}, "must both be texts"),
        ("chat_pairs", {"chosen": [QUESTION], "rejected": [QUESTION]}, "no answer to prefer"),
        ("chat_pairs", {"prompt": [SYSTEM], "chosen": "a", "rejected": "b"}, "spoke nobody"),
        (
            "chat_pairs",
            {"chosen": [QUESTION, said("a")], "rejected": [said("?", "user"), said("b")]},
            "answer different prompts",
        ),
        ("chat_pairs", {"prompt": [QUESTION, QUESTION], "chosen": "a", "rejected": "b"}, "spoke user, user"),
    ],
)
def test_a_bad_pair_is_named_by_its_line(tmp_path: Path, row_format: Format, row: object, complaint: str) -> None:
    with pytest.raises(DataError, match=rf"rows\.jsonl:1: .*{complaint}"):
        read_rows(source(tmp_path, row), row_format)


def test_parquet_is_read_like_json_lines(tmp_path: Path) -> None:
    rows = [{**ALPACA_PAIR, "input": None, "score": 0.5}] * 150
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet", row_group_size=40)
    assert read_rows(str(tmp_path / "rows.parquet"), "alpaca_pairs") == [{**ALPACA_PAIR, "input": ""}] * 150
    rows[99] = {**ALPACA_PAIR, "chosen": None}
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"rows\.parquet:100: 'chosen' is missing"):
        read_rows(str(tmp_path / "rows.parquet"), "alpaca_pairs")


def test_parquet_that_cannot_be_read_is_refused_by_the_name_of_its_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a" * (2 << 20), "b"]}), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"rows\.parquet:1: longer than 1 MiB"):
        read_rows(str(tmp_path / "rows.parquet"), "completion")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match=r"rows\.parquet: no Parquet file that can be read"):
        read_rows(str(tmp_path / "rows.parquet"), "completion")


def test_lines_that_are_no_text_or_have_no_end_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"text": "\xff"}\n' + b"a" * (3 << 20) + b"\n")
    with pytest.raises(DataError) as refused:
        read_rows(str(path), "completion")
    assert refused.value.problems == (
        "rows.jsonl:1: not UTF-8 (byte 11 of the line)",
        "rows.jsonl:2: longer than 1 MiB",
    )


def test_pairs_that_ask_what_the_run_is_evaluated_on_are_left_out_whatever_their_form(tmp_path: Path) -> None:
    plain = [{"instruction": f"q {n}", "input": "", "output": "yes"} for n in range(10)]
    evaluated = DatasetTask(source(tmp_path, *plain, name="plain.jsonl"), "alpaca", 3, None)
    prepare(evaluated, tmp_path / "data", 7)
    heldout = {row["instruction"] for row in lines(tmp_path / "data" / "heldout.jsonl")}
    pairs = [{"instruction": f"q  {n}", "chosen": "yes", "rejected": "no"} for n in range(10)]
    task = DatasetTask(source(tmp_path, *pairs), "alpaca_pairs", 0, None, spares=evaluated)
    assert prepare(task, tmp_path / "preferences", 7).train_rows == 7
    asked = {row["instruction"] for row in lines(tmp_path / "preferences" / "train_chosen.jsonl")}
    assert not {" ".join(text.split()) for text in asked} & heldout
    chats = [
        {"prompt": f"q {n}", "chosen": "yes", "rejected": "no"} for n in range(10)
    ]  # fmt: skip
    chat = DatasetTask(source(tmp_path, *chats, name="chats.jsonl"), "chat_pairs", 0, None, spares=evaluated)
    assert prepare(chat, tmp_path / "chats", 7).train_rows == 7


def test_pairs_that_are_all_evaluated_on_leave_nothing_to_train(tmp_path: Path) -> None:
    plain = {"instruction": "q", "input": "", "output": "yes"}
    evaluated = DatasetTask(source(tmp_path, plain, plain, name="plain.jsonl"), "alpaca", 1, None)
    pairs = source(tmp_path, {"instruction": "q", "chosen": "yes", "rejected": "no"})
    with pytest.raises(DataError, match="none is left to train"):
        prepare(DatasetTask(pairs, "alpaca_pairs", 0, None, spares=evaluated), tmp_path / "data", 1)
