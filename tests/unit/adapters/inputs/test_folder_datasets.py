"""Datasets: what is counted, what is refused, and by which name."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from pathlib import Path

import pytest

from orchestrator.adapters.inputs.datasets import MOST_PROBLEMS
from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.adapters.inputs.lines import MOST_LINE_BYTES
from orchestrator.domain.errors import InvalidInputError

ALPACA = {"instruction": "Which craft?", "input": "", "output": "Weaving."}
MESSAGES = {"messages": [{"role": "user", "content": "Which craft?"}, {"role": "assistant", "content": "Weaving."}]}
COMPLETION = {"text": "The village weaves."}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def inputs(root: Path) -> FolderInputs:
    return FolderInputs("owner/name-8B", "owner/rows", None, (root,))


def problems(root: Path, name: str | Path, heldout: str | None = None) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as refused:
        inputs(root).dataset(str(name), heldout)
    return {problem.field: problem.message for problem in refused.value.problems}


@pytest.mark.parametrize(
    ("row", "row_format"), [(ALPACA, "alpaca"), (MESSAGES, "messages"), (COMPLETION, "completion")]
)
def test_rows_are_counted_and_their_format_is_recognised(tmp_path: Path, row: object, row_format: str) -> None:
    path = write(tmp_path / "rows.jsonl", *[row] * 40)
    found = inputs(tmp_path).dataset(str(path), None)
    assert (found.format, found.rows, found.heldout_rows, found.heldout_source) == (row_format, 40, 2, None)
    assert (found.source, found.is_local) == (str(path), True)


@pytest.mark.parametrize(("rows", "kept_out"), [(2, 1), (19, 1), (100, 5), (5000, 200)])
def test_a_twentieth_of_the_rows_is_kept_out_within_bounds(tmp_path: Path, rows: int, kept_out: int) -> None:
    write(tmp_path / "rows.jsonl", *[ALPACA] * rows)
    assert inputs(tmp_path).dataset("rows.jsonl", None).heldout_rows == kept_out


def test_a_file_beside_the_dataset_is_kept_out_whole(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", *[ALPACA] * 9)
    beside = write(tmp_path / "heldout.jsonl", *[ALPACA] * 3)
    found = inputs(tmp_path).dataset("rows.jsonl", None)
    assert (found.rows, found.heldout_rows, found.heldout_source) == (9, 3, str(beside))


def test_a_named_heldout_file_wins_over_the_one_beside(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", *[ALPACA] * 9)
    write(tmp_path / "heldout.jsonl", *[ALPACA] * 3)
    named = write(tmp_path / "other.jsonl", *[ALPACA] * 4)
    found = inputs(tmp_path).dataset("rows.jsonl", "other.jsonl")
    assert (found.heldout_rows, found.heldout_source) == (4, str(named))


def test_heldout_rows_must_have_the_format_of_the_dataset(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", *[ALPACA] * 9)
    write(tmp_path / "other.jsonl", COMPLETION)
    assert "alpaca" in problems(tmp_path, "rows.jsonl", "other.jsonl")["heldout:1"]


def test_the_dataset_cannot_be_its_own_heldout(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", *[ALPACA] * 9)
    assert "itself" in problems(tmp_path, "rows.jsonl", "rows.jsonl")["heldout"]
    assert "not there" in problems(tmp_path, "rows.jsonl", "none.jsonl")["heldout"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (["a"], "not a JSON object"),
        ({"instruction": "a"}, "'output' is missing"),
        ({"instruction": " ", "output": "b"}, "'instruction' is empty"),
        ({"instruction": "a", "output": 3}, "'output' is not a string"),
        ({"instruction": "a", "output": "b", "input": 3}, "'input' is not a string"),
        (COMPLETION, "is completion, while the rows before are alpaca"),
        ({"instruction": "a", "output": "\ud800"}, "half of a surrogate pair"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, row: object, reason: str) -> None:
    path = write(tmp_path / "rows.jsonl", ALPACA, ALPACA, row, ALPACA)
    found = problems(tmp_path, path)
    assert list(found) == ["dataset:3"]
    assert reason in found["dataset:3"]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "not empty"),
        ("hello", "must be a list"),
        ([{"role": "user", "content": "a"}], "no answer to learn"),
        ([{"role": "wizard", "content": "a"}], "messages[0] has role 'wizard'"),
        ([{"role": ["user"], "content": "a"}], "messages[0] has role"),
        ([{"role": "assistant", "content": ""}], "messages[0] 'content' is empty"),
        ([{"role": "assistant", "content": "a", "weight": 0}], "keys other than role and content: weight"),
        (["a"], "messages[0] is not an object"),
    ],
)
def test_a_bad_conversation_is_told_where_it_is_bad(tmp_path: Path, messages: object, reason: str) -> None:
    path = write(tmp_path / "rows.jsonl", MESSAGES, {"messages": messages})
    assert reason in problems(tmp_path, path)["dataset:2"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{not json}", "is not JSON"),
        (b'{"text": "\xff"}', "is not UTF-8 (byte 11"),
        (b'{"text": "a\0b"}', "NUL"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"text": "' + b"a" * MOST_LINE_BYTES + b'"}', "longer than 1 MiB"),
        (b'{"text": ' + b"1" * 5000 + b"}", "is not JSON"),
    ],
)
def test_a_line_that_is_no_row_is_named_and_reading_goes_on(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    good = json.dumps(COMPLETION).encode()
    path.write_bytes(good + b"\n\n" + line + b"\n" + good + b"\nnonsense\n")
    found = problems(tmp_path, path)
    assert list(found) == ["dataset:3", "dataset:5"]
    assert reason in found["dataset:3"]


def test_only_the_first_problems_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", ALPACA, *[{"instruction": "a"}] * 50)
    assert list(problems(tmp_path, path)) == [f"dataset:{line}" for line in range(2, MOST_PROBLEMS + 2)]


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n".join([json.dumps(ALPACA)] * 3), encoding="utf-8-sig")
    assert inputs(tmp_path).dataset("rows.jsonl", None).rows == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no rows"),
        (b"\n  \n\n", "no rows"),
        (json.dumps(ALPACA).encode(), "single row"),
        ((json.dumps(ALPACA) + "\n").encode("utf-16"), "UTF-16"),
        (b'[\n{"text": "a"}\n]\n', "JSON array"),
    ],
)
def test_a_file_that_cannot_be_trained_on_is_refused_as_a_whole(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "rows.jsonl").write_bytes(content)
    assert reason in problems(tmp_path, "rows.jsonl")["dataset"]


def test_rows_of_no_known_format_show_their_keys(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", {"question": "a", "answer": "b"})
    assert "answer, question" in problems(tmp_path, "rows.jsonl")["dataset:1"]


@pytest.mark.parametrize("name", ["/etc/passwd", "/etc/no-such-file", "../outside.jsonl", "a/../../outside.jsonl"])
def test_a_path_outside_the_roots_is_refused_whether_it_exists_or_not(tmp_path: Path, name: str) -> None:
    write(tmp_path / "outside.jsonl", ALPACA, ALPACA)
    root = tmp_path / "root"
    root.mkdir()
    assert "outside the permitted folders" in problems(root, name)["dataset"]


def test_a_link_out_of_the_roots_is_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside.jsonl", ALPACA, ALPACA)
    root = tmp_path / "root"
    root.mkdir()
    write(root / "rows.jsonl", ALPACA, ALPACA)
    for name in ("link.jsonl", "heldout.jsonl"):
        (root / name).symlink_to(outside)
    assert "outside" in problems(root, "link.jsonl")["dataset"]
    assert "outside" in problems(root, "rows.jsonl")["heldout"]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused_without_reading_it(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "rows.jsonl")
    assert "not a file" in problems(tmp_path, "rows.jsonl")["dataset"]


@pytest.mark.parametrize("name", ["none.jsonl", "a/b/c.jsonl", "", "a\0b"])
def test_a_dataset_that_is_nowhere_is_refused(tmp_path: Path, name: str) -> None:
    assert list(problems(tmp_path, name)) == ["dataset"]


def test_a_hub_id_is_taken_with_the_format_that_is_named(tmp_path: Path) -> None:
    found = inputs(tmp_path).dataset("owner/rows:messages", None)
    assert (found.source, found.format, found.rows, found.is_local) == ("owner/rows", "messages", None, False)
    assert inputs(tmp_path).dataset(None, None).format == "alpaca"
    assert "format" in problems(tmp_path, "owner/rows:parquet")["dataset"]


def test_the_default_dataset_brings_its_own_heldout_file(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", *[ALPACA] * 9)
    kept = write(tmp_path / "kept.jsonl", *[ALPACA] * 2)
    found = FolderInputs("owner/model", str(rows), str(kept), ()).dataset(None, None)
    assert (found.source, found.heldout_source) == (str(rows), str(kept))


def test_a_hundred_thousand_rows_are_checked_in_two_seconds_and_little_memory(tmp_path: Path) -> None:
    row = json.dumps({"instruction": "Which craft does the village live by? " * 3, "output": "Weaving. " * 10})
    path = tmp_path / "rows.jsonl"
    path.write_text((row + "\n") * 100_000)
    started = time.process_time()
    assert inputs(tmp_path).dataset(str(path), None).rows == 100_000
    assert time.process_time() - started < 2.0
    path.write_text((row + "\n") * 20_000)
    tracemalloc.start()
    inputs(tmp_path).dataset(str(path), None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000 < path.stat().st_size
