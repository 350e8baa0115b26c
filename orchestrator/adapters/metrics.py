"""Reading a metrics file that is still being written."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.json_value import JsonValue

MOST_BYTES = 256 * 1024
"""Read in one call. A longer line is skipped: no event of the contract comes near it."""


@dataclass(frozen=True, slots=True)
class MetricsSlice:
    """The objects on the whole lines that were read; `more` says that another call will find bytes to read."""

    lines: tuple[Mapping[str, JsonValue], ...]
    next_offset: int
    more: bool


def read_metrics(path: Path, offset: int) -> MetricsSlice:
    """The whole lines from the byte `offset`, at most `MOST_BYTES`; a line that is no JSON object is left out."""
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(offset)
            chunk = stream.read(MOST_BYTES)
    except FileNotFoundError:
        return MetricsSlice((), offset, more=False)
    end = chunk.rfind(b"\n") + 1
    if end == 0 and len(chunk) == MOST_BYTES:
        end = len(chunk)
    lines = tuple(_objects(chunk[:end]))
    return MetricsSlice(lines, offset + end, more=len(chunk) == MOST_BYTES and offset + len(chunk) < size)


def _objects(chunk: bytes) -> Iterator[Mapping[str, JsonValue]]:
    for line in chunk.split(b"\n"):
        try:
            value = json.loads(line, parse_constant=_no_number, parse_float=_finite)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _no_number(_name: str) -> None:
    """NaN and the infinities, which Python writes and JSON does not have, are told as null."""


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
