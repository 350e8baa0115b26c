"""Which rows of a file are tokenised: all of a small one, a random sample of a large one."""

from __future__ import annotations

import codecs
import os
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.adapters.inputs.lines import MOST_LINE_BYTES, is_parquet, numbered_lines

MOST_ROWS = 20_000
MOST_BYTES = 4 << 20
"""Up to both of them, every row is tokenised."""
SAMPLED_ROWS = 6_000
SAMPLED_BYTES = 3 << 20
MOST_STREAMED_BYTES = 256 << 20
"""Of a longer file of lines, rows are taken by their place in it, without a look at what is between them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows as lines of JSON, in random order; `indices` are their numbers from zero, None where they are not known."""

    lines: list[bytes]
    indices: list[int] | None
    whole: bool


def sample_rows(path: Path, field: str, rows: int, seed: int = 0) -> Sample:
    """The rows of a file that has `rows` of them, checked before. The same seed draws the same rows."""
    order = random.Random(seed)  # noqa: S311 - a repeatable draw, no secret
    size = path.stat().st_size
    with path.open("rb") as stream:
        if size > MOST_STREAMED_BYTES and not is_parquet(stream.read(8)):
            return Sample(_by_place(stream, size, order), None, whole=False)
    taken = _streamed(path, field, rows, order)
    order.shuffle(taken)
    whole = len(taken) == rows
    return Sample([line for _, line in taken], [index for index, _ in taken], whole)


def _streamed(path: Path, field: str, rows: int, order: random.Random) -> list[tuple[int, bytes]]:
    """Rows are drawn by number; where they turn out too large together, a half of them is drawn again, so that each
    row of the file was as likely as any other."""
    exact = rows <= MOST_ROWS
    wanted = set(range(rows)) if exact else set(order.sample(range(rows), SAMPLED_ROWS))
    limit = MOST_BYTES if exact else SAMPLED_BYTES
    taken: list[tuple[int, bytes]] = []
    held = 0
    with closing(numbered_lines(path, field)) as lines:
        for index, (_, line) in enumerate(lines):
            if index not in wanted:
                continue
            taken.append((index, line))
            held += len(line)
            while held > limit and len(taken) > 1:
                limit = SAMPLED_BYTES
                kept = set(order.sample(sorted(wanted), len(wanted) // 2))
                wanted = kept
                taken = [each for each in taken if each[0] in wanted]
                held = sum(len(each) for _, each in taken)
    return taken


def _by_place(stream: IO[bytes], size: int, order: random.Random) -> list[bytes]:
    """The line that follows a random place, for many places. A row is as likely as the one before it is long."""
    found: list[bytes] = []
    held = 0
    for line in _lines_after(stream, [order.randrange(size) for _ in range(SAMPLED_ROWS)]):
        found.append(line)
        held += len(line)
        if held > SAMPLED_BYTES:
            break
    return found


def _lines_after(stream: IO[bytes], places: list[int]) -> Iterator[bytes]:
    for place in places:
        stream.seek(place)
        stream.readline(MOST_LINE_BYTES + 1)
        line = stream.readline(MOST_LINE_BYTES + 1)
        if not line:
            stream.seek(0, os.SEEK_SET)
            line = stream.readline(MOST_LINE_BYTES + 1).removeprefix(codecs.BOM_UTF8)
        if line.strip() and len(line) <= MOST_LINE_BYTES:
            yield line
