"""Where rows come from: JSON lines and Parquet on this disk, or a dataset of the hub; each is read piece by piece.

JSON lines need the standard library only; the other two what the trainer brings along, imported when it is needed.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from workers.node.job import Format
from workers.node.pairs import SHAPES
from workers.node.parquet import ParquetError, parquet_rows, without_nulls
from workers.node.rows import Row

MAX_PROBLEMS = 20
MOST_LINE_BYTES = 1 << 20
PARQUET_MAGIC = b"PAR1"

Placed = Iterator[tuple[str, object]]
"""Rows with the place that a complaint would name; a ValueError in the place of one that is none."""


class DataError(Exception):
    """Rows that cannot be trained on; each problem names its line, as `rows.jsonl:17: ...`."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def read_rows(source: str, row_format: Format) -> list[Row]:
    """All rows of a local file or a hub dataset's train split, reduced to the keys of their format.

    Raises DataError for rows of another shape, or none; OSError when a file cannot be read.
    """
    path = Path(source)
    if path.is_absolute() or path.exists():
        return _checked(_local_rows(path), row_format)
    return _checked(((f"{source}: row {number}", row) for number, row in enumerate(_hub_rows(source), 1)), row_format)


def _local_rows(path: Path) -> Placed:
    with path.open("rb") as stream:
        start = stream.read(len(PARQUET_MAGIC))
        if start == PARQUET_MAGIC:
            yield from _parquet_rows(path)
            return
        stream.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
        yield from _json_rows(path.name, stream)


def _json_rows(name: str, stream: IO[bytes]) -> Placed:
    number = 0
    while line := stream.readline(MOST_LINE_BYTES + 1):
        number += 1
        if len(line) > MOST_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(MOST_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
        if not line.isspace():
            yield f"{name}:{number}", _parsed(line)


def _parsed(line: bytes) -> object:
    if len(line) > MOST_LINE_BYTES:
        return ValueError(f"longer than {MOST_LINE_BYTES >> 20} MiB")
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError as error:
        return ValueError(f"not UTF-8 (byte {error.start + 1} of the line)")
    except (ValueError, RecursionError) as error:
        return ValueError(f"not JSON: {error}")


def _parquet_rows(path: Path) -> Placed:
    try:
        for number, row in enumerate(parquet_rows(path, MOST_LINE_BYTES), 1):
            yield f"{path.name}:{number}", row
    except ParquetError as error:
        raise DataError([f"{path.name}: {error}"]) from error


def _hub_rows(source: str) -> Iterator[object]:
    from datasets import load_dataset

    for row in load_dataset(source, split="train"):
        yield without_nulls(row)


def _checked(rows: Iterable[tuple[str, object]], row_format: Format) -> list[Row]:
    good: list[Row] = []
    problems: list[str] = []
    for place, row in rows:
        try:
            good.append(SHAPES[row_format](_object(row)))
        except ValueError as error:
            problems.append(f"{place}: {error}")
            if len(problems) == MAX_PROBLEMS:
                break
    if problems:
        raise DataError(problems)
    if not good:
        raise DataError(["the dataset has no rows"])
    return good


def _object(row: object) -> Row:
    if isinstance(row, ValueError):
        raise row
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    return row
