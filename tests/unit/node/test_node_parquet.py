"""Parquet on the node: what is read of it, and what its rows may expand to."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workers.node import parquet
from workers.node.sources import DataError, read_rows


def test_a_column_of_no_format_is_neither_read_nor_measured(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", "b"], "image": [b"x" * (2 << 20)] * 2})
    pq.write_table(table, tmp_path / "rows.parquet")
    assert read_rows(str(tmp_path / "rows.parquet"), "completion") == [{"text": "a"}, {"text": "b"}]


def test_what_is_stored_in_columns_of_no_format_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MOST_EXPANDED_BYTES", 1 << 16)
    pq.write_table(pa.table({"text": ["a"], "image": [b"x" * (1 << 18)]}), tmp_path / "rows.parquet")
    assert read_rows(str(tmp_path / "rows.parquet"), "completion") == [{"text": "a"}]


def test_a_long_text_that_is_stored_once_counts_in_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MOST_EXPANDED_BYTES", 16 << 20)
    pq.write_table(pa.table({"text": pa.repeat("a" * 900_000, 400)}), tmp_path / "rows.parquet", compression="zstd")
    assert (tmp_path / "rows.parquet").stat().st_size < 1 << 20
    tracemalloc.start()
    with pytest.raises(DataError, match=r"rows\.parquet: expands to more than 16 MiB"):
        read_rows(str(tmp_path / "rows.parquet"), "completion")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_millions_of_rows_are_refused_before_they_are_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.repeat("a", 3_000_000)}), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"rows\.parquet: has 3000000 rows"):
        read_rows(str(tmp_path / "rows.parquet"), "completion")


def test_a_file_without_a_column_of_a_format_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"question": ["a"]}), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="none of its columns"):
        read_rows(str(tmp_path / "rows.parquet"), "completion")
