"""The small files of the local provider: metrics that grow, documents that are shared."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.adapters.documents import create_document, locked, number, read_document, replace_document
from orchestrator.adapters.metrics import MOST_BYTES, read_metrics
from orchestrator.domain.errors import ComputeError


def test_only_whole_lines_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path, 0).next_offset == 0
    path.write_bytes(b'{"step": 1}\n{"step"')
    first = read_metrics(path, 0)
    assert (first.lines, first.next_offset, first.more) == (({"step": 1},), 12, False)
    with path.open("ab") as stream:
        stream.write(b": 2}\n")
    assert read_metrics(path, first.next_offset).lines == ({"step": 2},)


def test_lines_that_are_no_objects_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'\xff\n\n[1]\n"a"\nnull\n{"a": }\n' + b"[" * 100_000 + b'\n{"step": 1}\n')
    assert read_metrics(path, 0).lines == ({"step": 1},)
    assert read_metrics(path, 0).next_offset == path.stat().st_size


def test_numbers_that_json_does_not_have_are_null(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"a": NaN, "b": -Infinity, "c": 1e999, "d": 0.5}\n')
    assert read_metrics(path, 0).lines == ({"a": None, "b": None, "c": None, "d": 0.5},)


def test_a_long_file_is_read_in_bounded_parts_and_every_line_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"step": step, "pad": "x" * 90}) + "\n" for step in range(10_000)))
    steps, offset, more, calls = [], 0, True, 0
    while more:
        part = read_metrics(path, offset)
        assert part.next_offset - offset <= MOST_BYTES
        steps += [line["step"] for line in part.lines]
        offset, more, calls = part.next_offset, part.more, calls + 1
    assert steps == list(range(10_000))
    assert calls == -(-path.stat().st_size // MOST_BYTES)


def test_a_line_beyond_all_bounds_is_skipped_and_reading_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"a": "' + "x" * (2 * MOST_BYTES) + '"}\n{"step": 1}\n')
    lines: list[object] = []
    offset = 0
    for _ in range(4):
        part = read_metrics(path, offset)
        lines.extend(part.lines)
        offset = part.next_offset
    assert lines == [{"step": 1}]


def test_a_document_is_created_once_whoever_comes(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda who: create_document(path, {"who": who}), range(8)))
    assert sorted(won) == [False] * 7 + [True]
    assert read_document(path) == {"who": won.index(True)}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_document_that_makes_no_sense_is_an_error_and_a_missing_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert read_document(path) is None
    for content in ("", "[]", "{"):
        path.write_text(content)
        with pytest.raises(ComputeError):
            read_document(path)
    replace_document(path, {"at": 1.5, "no": True})
    assert number(read_document(path) or {}, "at") == 1.5
    with pytest.raises(ComputeError):
        number({"no": True}, "no")


def test_a_lock_keeps_others_out_only_so_long(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path), pytest.raises(ComputeError), locked(path, patience_seconds=0.05):
        pytest.fail("two hold it")
    with locked(path, patience_seconds=0.0):
        pass
