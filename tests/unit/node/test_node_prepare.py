"""Rows in, the same split out, and complaints that name the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workers.node.job import DatasetTask, Format
from workers.node.prepare import prepare
from workers.node.sources import DataError, read_rows


def alpaca(count: int) -> list[dict[str, Any]]:
    return [{"instruction": f"Say {n}.", "input": "", "output": str(n)} for n in range(count)]


def source(folder: Path, rows: list[dict[str, Any]], name: str = "rows.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_split_is_seeded_complete_and_without_overlap(tmp_path: Path) -> None:
    task = DatasetTask(source(tmp_path, alpaca(50)), "alpaca", 10, None)
    first, again, other = (prepare(task, tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    train, heldout = lines(tmp_path / "a" / "train.jsonl"), lines(tmp_path / "a" / "heldout.jsonl")
    assert (first.train_rows, first.heldout_rows) == (40, 10)
    assert sorted(train + heldout, key=str) == sorted(alpaca(50), key=str)
    assert first == again != other


def test_preparing_again_changes_nothing_even_when_the_source_is_gone(tmp_path: Path) -> None:
    task = DatasetTask(source(tmp_path, alpaca(9)), "alpaca", 2, None)
    first = prepare(task, tmp_path / "data", 1)
    Path(task.source).unlink()
    assert prepare(task, tmp_path / "data", 1) == first


def test_an_interrupted_preparation_is_done_again(tmp_path: Path) -> None:
    task = DatasetTask(source(tmp_path, alpaca(9)), "alpaca", 2, None)
    first = prepare(task, tmp_path / "data", 1)
    (tmp_path / "data" / "train.jsonl").write_text("half a li")
    assert prepare(task, tmp_path / "data", 1) == first
    assert len(lines(tmp_path / "data" / "train.jsonl")) == 7


def test_a_held_out_source_of_its_own_is_used_as_it_is(tmp_path: Path) -> None:
    heldout = source(tmp_path, alpaca(3), "heldout.jsonl")
    task = DatasetTask(source(tmp_path, alpaca(9)), "alpaca", 64, heldout)
    manifest = prepare(task, tmp_path / "data", 1)
    assert (manifest.train_rows, manifest.heldout_rows) == (9, 3)
    assert lines(tmp_path / "data" / "heldout.jsonl") == alpaca(3)


def test_a_split_that_leaves_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="9 rows leave none to train on when 9 are held out"):
        prepare(DatasetTask(source(tmp_path, alpaca(9)), "alpaca", 9, None), tmp_path / "data", 1)


@pytest.mark.parametrize(
    ("row_format", "line", "complaint"),
    [
        ("alpaca", "{", "not JSON"),
        ("alpaca", "[]", "not a JSON object"),
        ("alpaca", '{"instruction": "x"}', "'output' is missing"),
        ("alpaca", '{"instruction": "x", "output": 3}', "'output' is not a string"),
        ("alpaca", '{"instruction": "x", "output": " "}', "'output' is empty"),
        ("completion", '{"words": "x"}', "'text' is missing"),
        ("messages", '{"messages": []}', "not empty"),
        ("messages", '{"messages": [{"role": "user", "content": "x"}]}', "no answer to learn"),
        ("messages", '{"messages": [{"role": "bot", "content": "x"}]}', "has role 'bot'"),
        ("messages", '{"messages": [{"role": ["user"], "content": "x"}]}', "has role"),
        ("messages", '{"messages": [{"role": {"a": 1}, "content": "x"}]}', "has role"),
        ("messages", '{"messages": [{"role": "gpt", "content": "x", "weight": 0}]}', "other than .*: weight"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, row_format: Format, line: str, complaint: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n" + line + "\n")
    with pytest.raises(DataError, match=rf"rows\.jsonl:2: .*{complaint}"):
        read_rows(str(path), row_format)


def test_rows_keep_only_the_keys_of_their_format(tmp_path: Path) -> None:
    path = source(tmp_path, [{"instruction": "x", "output": "y", "id": 7, "input": None}])
    assert read_rows(path, "alpaca") == [{"instruction": "x", "input": "", "output": "y"}]
