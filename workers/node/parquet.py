"""Rows of a Parquet file: the columns that a format knows, a few rows at a time, counted as they are unpacked.

A file says of itself how large its pages are, not what they expand to: a text that is stored once may stand in every
row. What is unpacked is held in memory, so it is counted, against the same limits that the service has.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

COLUMNS = frozenset({"instruction", "input", "output", "messages", "text", "chosen", "rejected", "prompt"})
"""What the formats are made of; what else a file holds is neither read nor measured."""
MOST_ROWS = 2_000_000
MOST_EXPANDED_BYTES = 1 << 30
BATCH_ROWS = 32
BUFFER_BYTES = 1 << 20


class ParquetError(Exception):
    """Why a file is not read to its end."""


def parquet_rows(path: Path, most_row_bytes: int) -> Iterator[object]:
    """The rows in order, each an object; a ValueError in the place of one that cannot be one.

    Raises ParquetError for a file that is broken, or holds more than is sane.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER_BYTES) as file:
            names = _columns(file.metadata)
            _refuse_many(file.metadata.num_rows)
            rows = size = 0
            for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
                rows += batch.num_rows
                _refuse_many(rows)
                for index in range(batch.num_rows):
                    row = _row(batch.slice(index, 1), most_row_bytes)
                    size += _text_in(row)
                    _refuse_large(size)
                    yield row
    except (pyarrow.ArrowException, OSError) as error:
        raise ParquetError(f"no Parquet file that can be read: {error}") from error


def _columns(metadata: Any) -> list[str]:
    """The known columns that the file has. Raises ParquetError for none, and for what is too large as it is stored."""
    paths = [metadata.schema.column(index).path.split(".")[0] for index in range(metadata.num_columns)]
    names = [name for name in dict.fromkeys(paths) if name in COLUMNS]
    if not names:
        raise ParquetError(f"none of its columns is one of {', '.join(sorted(COLUMNS))}")
    places = [index for index, name in enumerate(paths) if name in COLUMNS]
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    _refuse_large(sum(group.column(place).total_uncompressed_size for group in groups for place in places))
    return names


def _refuse_many(rows: int) -> None:
    if rows > MOST_ROWS:
        raise ParquetError(f"has {rows} rows; {MOST_ROWS} are the most")


def _refuse_large(size: int) -> None:
    if size > MOST_EXPANDED_BYTES:
        raise ParquetError(f"expands to more than {MOST_EXPANDED_BYTES >> 20} MiB")


def _row(one: Any, most_bytes: int) -> object:
    if one.nbytes > most_bytes:
        return ValueError(f"longer than {most_bytes >> 20} MiB")
    try:
        [row] = one.to_pylist()
    except UnicodeDecodeError:
        return ValueError("not UTF-8")
    return without_nulls(row)


def _text_in(value: object) -> int:
    """Characters and bytes in all texts of a row, whatever they are nested in."""
    if isinstance(value, dict):
        return sum(map(_text_in, value.values()))
    if isinstance(value, list):
        return sum(map(_text_in, value))
    return len(value) if isinstance(value, str | bytes) else 0


def without_nulls(value: Any) -> Any:
    """Columns hold a null where a row has no such key."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
