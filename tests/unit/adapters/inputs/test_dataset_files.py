"""Files that are not what they seem: archives, bombs, Parquet of every kind, and lines without end."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import json
import lzma
import os
import resource
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.adapters.inputs import parquet as parquet_reader
from orchestrator.adapters.inputs.datasets import RowFile, read_rows
from orchestrator.domain.errors import InvalidInputError

ALPACA = {"instruction": "Which craft?", "input": None, "output": "Weaving: Prüfung."}
TALK = [{"role": "user", "content": "Which craft?"}, {"role": "assistant", "content": "Weaving."}]
WORSE = [TALK[0], {"role": "assistant", "content": "Fishing."}]
LINE = json.dumps({"text": "a"}).encode() + b"\n"


def parquet(path: Path, rows: list[dict[str, Any]], **how: Any) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, **how)
    return path


def problems(path: Path) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as refused:
        read_rows(path, "dataset")
    return {problem.field: problem.message for problem in refused.value.problems}


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.jsonl", bytes(100 << 20))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(LINE), "a gzip archive"),
        (bz2.compress(LINE), "a bzip2 archive"),
        (lzma.compress(LINE), "an xz archive"),
        (pa.compress(LINE, "zstd", asbytes=True), "a zstd archive"),
        (b"PARE" + bytes(100) + b"PARE", "an encrypted Parquet file"),
    ],
    ids=["gzip", "bzip2", "xz", "zstd", "encrypted-parquet"],
)
def test_an_archive_is_refused_by_its_name_and_not_looked_into(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "rows.jsonl").write_bytes(content)
    assert problems(tmp_path / "rows.jsonl")["dataset"].startswith(f"is {what};")


def test_a_zip_bomb_is_a_zip_archive(tmp_path: Path) -> None:
    zipped(tmp_path / "rows.jsonl")
    assert problems(tmp_path / "rows.jsonl")["dataset"].startswith("is a zip archive;")


def test_a_line_of_two_gigabytes_is_passed_over_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as stream:
        stream.write(LINE)
        stream.truncate(2 << 30)
        stream.seek(0, os.SEEK_END)
        stream.write(b"\n" + LINE)
    tracemalloc.start()
    found = problems(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == {"dataset:2": "is longer than 1 MiB"}
    assert peak < 8 << 20


@pytest.mark.parametrize(
    ("row", "row_format"),
    [
        (ALPACA, "alpaca"),
        ({"messages": TALK, "id": 7}, "messages"),
        ({"text": "The village weaves.", "meta": {"deep": [{"er": b"bytes"}]}}, "completion"),
        ({"instruction": "a", "chosen": "b", "rejected": "c"}, "alpaca_pairs"),
        ({"prompt": "a", "chosen": TALK, "rejected": WORSE, "messages": TALK, "score_chosen": 8.5}, "chat_pairs"),
    ],
)
def test_parquet_holds_every_format(tmp_path: Path, row: dict[str, Any], row_format: str) -> None:
    path = parquet(tmp_path / "rows.parquet", [row] * 100, row_group_size=30)
    assert read_rows(path, "dataset") == RowFile(path, row_format, 100)


def test_parquet_is_known_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    assert read_rows(parquet(tmp_path / "rows.jsonl", [ALPACA]), "dataset").rows == 1
    (tmp_path / "rows.parquet").write_bytes(LINE)
    assert "is no Parquet file" in problems(tmp_path / "rows.parquet")["dataset"]


def test_a_bad_row_of_parquet_is_named_by_its_number(tmp_path: Path) -> None:
    rows = [ALPACA] * 40
    rows[32] = {**ALPACA, "output": None}
    rows[34] = {**ALPACA, "instruction": " "}
    found = problems(parquet(tmp_path / "rows.parquet", rows))
    assert found == {"dataset:33": "'output' is missing", "dataset:35": "'instruction' is empty"}


def test_a_key_that_is_null_in_parquet_is_one_that_is_not_there(tmp_path: Path) -> None:
    turns = [{**turn, "name": None} for turn in TALK]
    assert read_rows(parquet(tmp_path / "rows.parquet", [{"messages": turns}]), "dataset").format == "messages"
    turns[1]["name"] = "Anna"
    assert (
        "other than role and content: name"
        in problems(parquet(tmp_path / "rows.parquet", [{"messages": turns}]))["dataset:1"]
    )


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"text": b"\xff\xfe"}], "'text' is not a string"),
        ([{"text": [["a"]]}], "'text' is not a string"),
        ([{"text": {"a": 1}}], "'text' is not a string"),
        ([{"messages": ["a"]}], "messages[0] is not an object"),
        ([{"messages": {"role": "user"}}], "must be a list"),
        ([{"text": "a" * (1 << 20)}] + [{"text": "a"}] * 3, "longer than 1 MiB"),
    ],
)
def test_a_column_of_another_type_is_a_problem_of_its_rows(
    tmp_path: Path, rows: list[dict[str, Any]], reason: str
) -> None:
    assert reason in problems(parquet(tmp_path / "rows.parquet", rows))["dataset:1"]


def test_text_that_is_not_utf8_is_named_by_its_row(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")]
    )
    pq.write_table(pa.table({"text": bad}), tmp_path / "rows.parquet")
    assert "not UTF-8" in problems(tmp_path / "rows.parquet")["dataset:2"]


def test_a_map_a_decimal_and_a_time_are_no_rows(tmp_path: Path) -> None:
    table = pa.table({"messages": pa.array([[("role", "user")]], pa.map_(pa.string(), pa.string()))})
    pq.write_table(table, tmp_path / "rows.parquet")
    assert "dataset:1" in problems(tmp_path / "rows.parquet")


def test_columns_of_no_known_format_are_shown(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", [{"question": "a", "answer": "b"}])
    assert "question, answer" in problems(path)["dataset"]


def test_parquet_without_rows_has_no_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "rows.parquet")
    assert problems(tmp_path / "rows.parquet") == {"dataset": "has no rows"}


@pytest.mark.parametrize("cut", [5, 50, -9, -1])
def test_parquet_that_is_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    path = parquet(tmp_path / "rows.parquet", [ALPACA] * 100)
    path.write_bytes(path.read_bytes()[:cut])
    assert "no Parquet file that can be read" in problems(path)["dataset"]


def test_parquet_that_is_damaged_anywhere_is_refused_or_read_but_breaks_nothing(tmp_path: Path) -> None:
    whole = parquet(tmp_path / "rows.parquet", [ALPACA] * 20).read_bytes()
    for place in range(4, len(whole), len(whole) // 12):
        damaged = bytearray(whole)
        damaged[place : place + 4] = b"\xff\xff\xff\xff"
        (tmp_path / "rows.parquet").write_bytes(damaged)
        with contextlib.suppress(InvalidInputError):
            read_rows(tmp_path / "rows.parquet", "dataset")


def test_a_column_of_giant_values_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", [{"text": "a" * (24 << 20)}], compression="zstd")
    assert path.stat().st_size < 1 << 20
    assert "text holds" in problems(path)["dataset"]


def test_many_references_to_one_giant_value_are_rows_that_are_too_long(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), pa.array(["a" * (24 << 20)]))
    table = pa.table({"text": column})
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=1 << 30, write_statistics=False)
    assert path.stat().st_size < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "longer than 1 MiB" in problems(path)["dataset:1"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_millions_of_equal_rows_in_a_few_kilobytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.repeat("a", 3_000_000)}), tmp_path / "rows.parquet")
    assert (tmp_path / "rows.parquet").stat().st_size < 1 << 16
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert problems(tmp_path / "rows.parquet") == {"dataset": "has 3000000 rows; 2000000 are the most"}
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 5


def test_many_references_to_one_long_text_are_counted_as_what_they_expand_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = parquet_reader.READER.read_text()
    assert "MOST_EXPANDED_BYTES = 1 << 30\n" in program
    (tmp_path / "reader.py").write_text(
        program.replace("MOST_EXPANDED_BYTES = 1 << 30\n", "MOST_EXPANDED_BYTES = 16 << 20\n")
    )
    monkeypatch.setattr(parquet_reader, "READER", tmp_path / "reader.py")
    pq.write_table(pa.table({"text": pa.repeat("a" * 900_000, 100)}), tmp_path / "rows.parquet", compression="zstd")
    assert (tmp_path / "rows.parquet").stat().st_size < 1 << 20
    assert problems(tmp_path / "rows.parquet") == {"dataset": "expands to more than 16 MiB; 16 MiB are the most"}


def test_a_reader_that_takes_too_long_is_ended_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGXCPU)\n")
    monkeypatch.setattr(parquet_reader, "READER", slow)
    assert "takes too long to read" in problems(parquet(tmp_path / "rows.parquet", [ALPACA]))["dataset"]


def test_a_reader_that_is_left_early_is_gone(tmp_path: Path) -> None:
    found = problems(parquet(tmp_path / "rows.parquet", [{"text": " "}] * 100_000))
    assert list(found) == [f"dataset:{row}" for row in range(1, 21)]
